"""What settings of TMCMC cost and how far off their answers are: a Markdown table.

    python benchmarks/bayes/bench_tmcmc.py [--seeds 20] [--dimensions 11]

The target is a Gaussian likelihood in a random orientation, 5 to 50 times narrower than its standard normal prior;
evidence, mean and covariance are known. Errors are means over seeds with their standard error: of the log evidence in
nats, of the variance as a ratio (averaged over parameters, in units of the posterior). "Independent samples" is the
posterior variance over the mean square error of a run's posterior mean: what the run is worth, bias included. The last
column divides it by the likelihoods computed.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from gliofield_papers.tmcmc import TmcmcSettings, sample_posterior

SETTINGS: dict[str, dict[str, object]] = {
    "paper: β² = 0.04, 1 step": {},
    "published code: β² = 0.2, 1 step": {"proposal_scale": 0.2},
    "β² = 0.04, 20 steps": {"num_steps": 20},
    "β² adapted, 1 step": {"proposal_scale": 0.2, "target_acceptance": 0.25},
    **{
        f"thorough, {steps} steps, {number} samples": {
            "num_steps": steps,
            "num_samples": number,
            "num_first_samples": min(8, steps) * number,
            "proposal_scale": 0.2,
            "target_acceptance": 0.25,
            "resampling": "systematic",
        }
        for number, steps in ((2048, 5), (2048, 10), (2048, 20), (2048, 40), (512, 20), (512, 40), (128, 40))
    },
}


class GaussianTarget:
    """Standard normal prior, Gaussian likelihood; both in coordinates without bounds."""

    def __init__(self, num_parameters: int) -> None:
        rng = np.random.default_rng(7)
        axes, _ = np.linalg.qr(rng.normal(size=(num_parameters, num_parameters)))
        covariance = axes @ np.diag(np.geomspace(0.02, 0.2, num_parameters) ** 2) @ axes.T
        self.num_parameters = num_parameters
        self.center = rng.normal(size=num_parameters)
        self.precision = np.linalg.inv(covariance)
        self.posterior_covariance = np.linalg.inv(self.precision + np.eye(num_parameters))
        self.posterior_mean = self.posterior_covariance @ self.precision @ self.center
        marginal = covariance + np.eye(num_parameters)
        square = self.center @ np.linalg.solve(marginal, self.center)
        self.log_evidence = -0.5 * (square + np.linalg.slogdet(2 * np.pi * marginal)[1])
        self._log_norm = -0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]

    def from_unit_cube(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import ndtri

        return ndtri(points)

    def log_prior(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        return -0.5 * ((coordinates**2).sum(axis=1) + self.num_parameters * np.log(2 * np.pi))

    def log_likelihood(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        offsets = coordinates - self.center
        return self._log_norm - 0.5 * ((offsets @ self.precision) * offsets).sum(axis=1)


def row(name: str, target: GaussianTarget, num_seeds: int) -> str:
    """One line of the table."""
    whitening = np.linalg.cholesky(np.linalg.inv(target.posterior_covariance))
    evidence, variances, squares, evaluations, stages = [], [], [], [], []
    for seed in range(num_seeds):
        settings = TmcmcSettings(seed=seed, **SETTINGS[name])  # type: ignore[arg-type]
        sampled = sample_posterior(target, settings)
        scaled = (sampled.coordinates - target.posterior_mean) @ whitening
        evidence.append(sampled.log_evidence - target.log_evidence)
        variances.append(scaled.var(axis=0).mean())
        squares.append((scaled.mean(axis=0) ** 2).mean())
        evaluations.append(settings.num_samples + sum(info.num_evaluations for info in sampled.stages))
        stages.append(len(sampled.stages))
    worth = 1.0 / float(np.mean(squares))
    cost = float(np.mean(evaluations))
    return (
        f"| {name} | {np.mean(stages):.0f} | {cost:,.0f} | {_with_error(evidence)} | {_with_error(variances)} "
        f"| {worth:.3g} | {1000 * worth / cost:.2g} |"
    )


def _with_error(values: list[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.2f} ± {error:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--dimensions", type=int, default=11)
    arguments = parser.parse_args()
    target = GaussianTarget(arguments.dimensions)
    print(
        "| settings | stages | likelihoods | log evidence off by | variance ratio | independent samples | per 1,000 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in SETTINGS:
        print(row(name, target, arguments.seeds), flush=True)


if __name__ == "__main__":
    main()
