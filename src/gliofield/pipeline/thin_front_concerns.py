"""What a result says where tumors behind it have fronts that their grid does not resolve (`growth.thin_fronts`)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.concern import Concern, named_concern
from gliofield.growth.thin_fronts import are_thin_fronts, infiltration_lengths_mm, shortest_resolved_mm

if TYPE_CHECKING:
    from gliofield.bayes import PosteriorSamples

# A posterior with less than this share of thin fronts is not the worse for them. *Chosen*.
_NOTABLE_SHARE = 0.2
#: What to do about it, for tumors of a database and for those grown on the way.
FINER_DATABASE = "Build a database on a finer grid for them (gliofield database build DB --spacing-mm 1 …)"
FINER_PATIENT = "Grow them on a finer grid of the patient (--space patient --spacing-mm 1)"


def thin_front_share(samples: PosteriorSamples, spacing_mm: Sequence[float]) -> float:
    """Share of a posterior, by weight, whose front the grid does not resolve; in [0, 1]."""
    lengths_mm = _lengths_of(samples.parameters, tuple(samples.names))
    return float(samples.weights @ are_thin_fronts(lengths_mm, spacing_mm))


def thin_front_share_concerns(share: float, spacing_mm: Sequence[float], *, advice: str) -> tuple[Concern, ...]:
    """A note where many tumors of a posterior have thin fronts."""
    if share < _NOTABLE_SHARE:
        return ()
    text = (
        f"{share:.0%} of the posterior are tumors with √(D_w/ρ) below {shortest_resolved_mm(spacing_mm):.2g} mm, whose "
        f"fronts are too thin for voxels of {max(spacing_mm):.3g} mm: they grow too large, 15 % at half that length, "
        f"so intervals of their growth parameters are rough. {advice}."
    )
    return (named_concern("thin-fronts", text, share),)


def thin_front_concerns(
    parameters: Mapping[str, float], spacing_mm: Sequence[float], *, advice: str
) -> tuple[Concern, ...]:
    """A note where the tumor of an answer has a thin front."""
    names = tuple(parameters)
    length_mm = float(infiltration_lengths_mm(np.array([[parameters[name] for name in names]]), names)[0])
    if not are_thin_fronts(length_mm, spacing_mm):
        return ()
    text = (
        f"The front of this tumor is too thin for voxels of {max(spacing_mm):.3g} mm (√(D_w/ρ) is {length_mm:.2f} mm, "
        f"resolved are {shortest_resolved_mm(spacing_mm):.2g} mm and more): it grew too large for its parameters, "
        f"by 15 % at half that length. The map fits the outlines all the same. {advice}."
    )
    return (named_concern("thin-fronts", text, length_mm),)


def _lengths_of(parameters: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float64]:
    """√(D_w/ρ) [mm], of samples of D_w and ρ or of what a scan determines of them."""
    if "diffusion_length_mm" in names:
        diffusion, proliferation = (
            parameters[:, names.index(name)] for name in ("diffusion_length_mm", "proliferation_number")
        )
        return np.divide(diffusion, proliferation, out=np.full(len(parameters), math.inf), where=proliferation > 0.0)
    return infiltration_lengths_mm(parameters, names)
