"""What may be so and cannot be seen: the hypotheses of the ensemble, drawn in agreement with the rim that is seen.

A front falls from T1Gd's threshold to FLAIR's within R = F(thresholds) λ_a, with λ_a the apparent width of the front
and F that of the travelling wave 1/(1 + e^{z/√6})². FLAIR's rim around the core may be thicker than that, by water
that FLAIR shows beyond the tumor, or by dense tumor that T1Gd does not show. In the direction v the rim is
t = (R + x) times noise, with the excess

    x(v) = X |k| / sinh|k| · exp(k · v)         on average X [mm], the more on one side the longer k is; or none at all

Water takes the outer x of the rim from the tumor, which is R / (R + x) of it; dense tumor the inner x, and all of the
rim is tumor. Thresholds, λ_a, X, k and the kind of excess are drawn from their priors, weighted by how well they
explain the rim all around the core (`rim.RimSurface`), and drawn again by weight: a rim as thin as fronts are leaves
little to an excess, a thick one much. Which kind it is no outline tells; that is for the priors. No image enters.

References
----------
.. [1] Ablowitz, Zeppetella (1979), Explicit solutions of Fisher's equation for a special wave speed, Bull. Math. Biol.
   41, 835-840, doi 10.1007/BF02462380: the wave.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from gliofield.assimilation.rim import Rim, RimSurface
from gliofield.errors import ParameterError
from gliofield.imaging import VisibilityThresholds

# Draws from the priors, of which the members are drawn by weight; a power of 2. *Chosen*.
_NUM_DRAWS = 4096
# Dimensions of a draw.
_NUM_DIMENSIONS = 10
# Thresholds closer than this in logit would leave no front between them. *Chosen*.
_LEAST_GAP = 0.3


@dataclass(frozen=True, kw_only=True)
class HypothesisRanges:
    """Priors of what differs between members.

    Parameters
    ----------
    t1gd_logit_std, flair_logit_std : float
        Standard deviation of the logits of the thresholds around those of the observation, ≥ 0.
    apparent_width_mm, apparent_width_log_std : float
        Median of λ_a [mm], > 0, and standard deviation of its logarithm, ≥ 0.
    width_over_apparent, width_log_std : float
        λ of the growth over λ_a: tissue slows a front, so it looks narrower than in white matter. Median, > 0, and
        standard deviation of the logarithm, ≥ 0.
    edema_weight, dense_weight : float
        Prior probabilities that FLAIR shows water beyond the tumor, and that T1Gd does not show all of its dense part,
        in [0, 1]; together at most 1.
    excess_mm, excess_log_std : float
        Median of X [mm], > 0, and standard deviation of its logarithm, ≥ 0.
    excess_tilt : float
        Standard deviation of each component of k, ≥ 0.
    rim_log_std : float
        Standard deviation of ln t around what a hypothesis says, in one direction, > 0.
    num_directions : float
        Directions whose noise is independent, > 0.
    least_ratio, largest_ratio : float
        D_w / D_g, uniform in its logarithm, > 0.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    t1gd_logit_std: float = 0.35
    flair_logit_std: float = 0.35
    apparent_width_mm: float = 3.2
    apparent_width_log_std: float = 0.2
    width_over_apparent: float = 1.22
    width_log_std: float = 0.25
    edema_weight: float = 0.7
    dense_weight: float = 0.03
    excess_mm: float = 4.0
    excess_log_std: float = 0.8
    excess_tilt: float = 1.0
    rim_log_std: float = 0.5
    num_directions: float = 11.0
    least_ratio: float = 1.5
    largest_ratio: float = 10.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            is_spread = name.endswith("_std") and name != "rim_log_std"
            may_be_zero = is_spread or name == "excess_tilt" or name.endswith("_weight")
            if not (value >= 0.0 if may_be_zero else value > 0.0):
                raise ParameterError(f"{name} must be {'≥' if may_be_zero else '>'} 0, got {value}.")
        if not self.edema_weight + self.dense_weight <= 1.0:
            raise ParameterError(
                "edema_weight and dense_weight must be at most 1 together, got "
                f"{self.edema_weight} and {self.dense_weight}."
            )
        if not self.largest_ratio >= self.least_ratio:
            raise ParameterError(
                f"largest_ratio must be at least least_ratio = {self.least_ratio}, got {self.largest_ratio}."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Hypotheses:
    """Equally likely hypotheses, one a row.

    Parameters
    ----------
    t1gd_threshold, flair_threshold : (N,) float64 arrays
        What the scans show.
    rim_mm : (N,) float64 array
        R [mm].
    width_mm : (N,) float64 array
        λ of the growth [mm].
    diffusivity_ratio : (N,) float64 array
        D_w / D_g.
    excess_mm : (N,) float64 array
        X [mm]; 0 where there is none.
    excess_tilt : (N, 3) float64 array
        k.
    is_dense : (N,) bool array
        Whether the excess is dense tumor, not water.
    log_likelihood : (N,) float64 array
        Of the rim.
    """

    t1gd_threshold: NDArray[np.float64]
    flair_threshold: NDArray[np.float64]
    rim_mm: NDArray[np.float64]
    width_mm: NDArray[np.float64]
    diffusivity_ratio: NDArray[np.float64]
    excess_mm: NDArray[np.float64]
    excess_tilt: NDArray[np.float64]
    is_dense: NDArray[np.bool_]
    log_likelihood: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rim_mm)

    def thresholds(self, index: int) -> VisibilityThresholds:
        """Thresholds of one hypothesis."""
        return VisibilityThresholds(
            t1gd_threshold=float(self.t1gd_threshold[index]), flair_threshold=float(self.flair_threshold[index])
        )

    @property
    def has_edema(self) -> NDArray[np.bool_]:
        """Whether FLAIR shows water beyond the tumor, (N,)."""
        return (self.excess_mm > 0.0) & ~self.is_dense

    def front_part(self, directions: NDArray[np.floating]) -> NDArray[np.float64]:
        """R / (R + x), the front's part of the rim, of all hypotheses in some directions (K, 3): (N, K)."""
        excess = self.excess_mm[:, None] * _tilted(self.excess_tilt, directions)
        return self.rim_mm[:, None] / (self.rim_mm[:, None] + excess)

    def tumor_part(self, directions: NDArray[np.floating]) -> NDArray[np.float64]:
        """The tumor's part of the rim, likewise: 1 where there is no water."""
        return np.where(self.has_edema[:, None], self.front_part(directions), 1.0)

    def rows(self, chosen: NDArray[np.intp]) -> Hypotheses:
        """Some of them."""
        return Hypotheses(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})


def draw_hypotheses(
    rim: Rim,
    thresholds: VisibilityThresholds,
    number: int,
    *,
    rng: np.random.Generator,
    ranges: HypothesisRanges | None = None,
) -> Hypotheses:
    """Hypotheses that agree with a rim, equally likely, from much water to much dense tumor.

    Parameters
    ----------
    rim : Rim
        What is seen.
    thresholds : VisibilityThresholds
        Middle of the thresholds.
    number : int
        How many, ≥ 1.
    rng : Generator
        Draws them.
    ranges : HypothesisRanges, optional
        Their priors.
    """
    chosen = HypothesisRanges() if ranges is None else ranges
    drawn = _draw(rim, thresholds, chosen, rng)
    weights = np.exp(drawn.log_likelihood - drawn.log_likelihood.max())
    # Systematic draws in the order of what is at stake, so that few members hold all its range.
    front = drawn.front_part(rim.surface.directions) @ rim.surface.share
    order = np.argsort(np.where(drawn.is_dense, 2.0 - front, front), kind="stable")[::-1]
    cumulative = np.cumsum(weights[order])
    points = (np.arange(number) + rng.random()) / number * cumulative[-1]
    return drawn.rows(order[np.minimum(np.searchsorted(cumulative, points, side="right"), len(order) - 1)])


def _draw(rim: Rim, thresholds: VisibilityThresholds, ranges: HypothesisRanges, rng: np.random.Generator) -> Hypotheses:
    """Draws from the priors with the likelihood of the rim."""
    from scipy.stats import qmc  # loads for longer than a run without uncertainty needs

    uniform = np.clip(qmc.Sobol(_NUM_DIMENSIONS, seed=rng).random(_NUM_DRAWS), 1e-9, 1.0 - 1e-9)
    normal = ndtri(uniform)
    t1gd = logit(thresholds.t1gd_threshold) + ranges.t1gd_logit_std * normal[:, 0]
    flair = logit(thresholds.flair_threshold) + ranges.flair_logit_std * normal[:, 1]
    flair = np.minimum(flair, t1gd - _LEAST_GAP)
    apparent_mm = ranges.apparent_width_mm * np.exp(ranges.apparent_width_log_std * normal[:, 2])
    width_mm = apparent_mm * ranges.width_over_apparent * np.exp(ranges.width_log_std * normal[:, 3])
    ratio = ranges.least_ratio * (ranges.largest_ratio / ranges.least_ratio) ** uniform[:, 4]
    kind = uniform[:, 5]
    is_dense = (kind >= ranges.edema_weight) & (kind < ranges.edema_weight + ranges.dense_weight)
    has_excess = (kind < ranges.edema_weight) | is_dense
    excess_mm = np.where(has_excess, ranges.excess_mm * np.exp(ranges.excess_log_std * normal[:, 6]), 0.0)
    tilt = ranges.excess_tilt * normal[:, 7:10]
    # Without a core the densest cells are somewhere between the thresholds: half way.
    top = t1gd if rim.has_core else 0.5 * (t1gd + flair)
    rim_mm = apparent_mm * front_widths(expit(top), expit(flair))
    return Hypotheses(
        t1gd_threshold=expit(t1gd),
        flair_threshold=expit(flair),
        rim_mm=rim_mm,
        width_mm=width_mm,
        diffusivity_ratio=ratio,
        excess_mm=excess_mm,
        excess_tilt=tilt,
        is_dense=is_dense,
        log_likelihood=rim_log_likelihood(rim.surface, rim_mm, excess_mm, tilt, ranges),
    )


def front_widths(high: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.float64]:
    """F: how many λ lie between two densities of the travelling wave 1/(1 + e^{z/√6})²."""
    return math.sqrt(6.0) * (np.log(low**-0.5 - 1.0) - np.log(high**-0.5 - 1.0))


def rim_log_likelihood(
    surface: RimSurface,
    rim_mm: NDArray[np.float64],
    excess_mm: NDArray[np.float64],
    tilt: NDArray[np.float64],
    ranges: HypothesisRanges,
) -> NDArray[np.float64]:
    """Log-likelihood of the thickness all around: normal in ln t, as so many independent directions; (N,).

    Parameters
    ----------
    surface : RimSurface
        What is seen.
    rim_mm, excess_mm : (N,) float64 arrays
        R and X [mm].
    tilt : (N, 3) float64 array
        k.
    ranges : HypothesisRanges
        Noise of the thickness.
    """
    expected = np.log(rim_mm[:, None] + excess_mm[:, None] * _tilted(tilt, surface.directions))
    squares = ((surface.log_thickness - expected) ** 2 + surface.variance) @ surface.share
    return np.asarray(-0.5 * ranges.num_directions * squares / ranges.rim_log_std**2)


def _tilted(tilt: NDArray[np.float64], directions: NDArray[np.floating]) -> NDArray[np.float64]:
    """|k| / sinh|k| · exp(k · v) for k (N, 3) and v (K, 3): (N, K), 1 on the average over all directions."""
    length = np.linalg.norm(tilt, axis=1, keepdims=True)
    mean = np.where(length > 1e-6, np.sinh(length) / np.maximum(length, 1e-6), 1.0)
    return np.asarray(np.exp(tilt @ np.asarray(directions, dtype=np.float64).T) / mean)
