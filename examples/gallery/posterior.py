"""A posterior of your own.

Three volumes of one tumor, measured with an error of a tenth, and logistic growth: what do they say of its rate, and of
the volume at which it would stop? A prior, a likelihood, a sampler. Gray is the prior: the rate is learned, and the
last volume is not, for nothing has slowed down yet.
"""

import numpy as np

from gliofield.bayes import (
    BoxPrior,
    ParameterRange,
    PosteriorSamples,
    PosteriorTarget,
    TmcmcSettings,
    sample_posterior,
)
from gliofield.report import corner_figure

days, seen_ml = np.array([0.0, 60.0, 120.0]), np.array([8.0, 13.5, 23.0])


def log_likelihood(rows):
    first_ml, rate, last_ml = rows.T[:, :, None]
    expected_ml = last_ml / (1.0 + (last_ml / first_ml - 1.0) * np.exp(-rate * days))
    return -0.5 * (((seen_ml - expected_ml) / (0.1 * seen_ml)) ** 2).sum(axis=1)


prior = BoxPrior(
    ranges=[
        ParameterRange(name="first_volume_ml", unit="ml", low=1.0, high=30.0, scale="log-uniform"),
        ParameterRange(name="growth_rate_per_day", unit="1/day", low=0.001, high=0.05, scale="log-uniform"),
        ParameterRange(name="last_volume_ml", unit="ml", low=100.0, high=1000.0),
    ]
)
target = PosteriorTarget(prior=prior, log_likelihood_of=log_likelihood)
run = sample_posterior(target, TmcmcSettings.thorough(num_samples=1000, num_steps=10))
samples = PosteriorSamples.from_tmcmc(target, run)
for name, interval in samples.credible_intervals(0.95).items():
    print(f"{name:<20} {interval.low:8.4g} to {interval.high:8.4g}")

draws = prior.sample(100_000, np.random.default_rng(0))
figure = corner_figure(samples, prior=draws, title="three volumes, logistic growth; median and 95 %")
figure.savefig("posterior.png")
