"""What an inverse network was shown: ranges of the sizes of the masks and of the targets.

A network answers every pair of masks, those unlike any it has seen too, and nothing in the answer tells. Its scaling
does not either: that spans the published ranges, of which a design may cover a part. `TrainedRanges` is measured on
the tumors themselves, stored with the network, and says in words in what a tumor departs from them.

They are the ends of some hundreds of tumors, so one of the training itself may lie a little outside. Errors of the
masks (`MaskPerturbation`) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gliofield.errors import ParameterError
from gliofield.inverse.targets import Range, TargetScaling

_LEAST_DIGITS, _MOST_DIGITS = 3, 8


@dataclass(frozen=True, kw_only=True)
class TrainedRanges:
    """Smallest and largest values among tumors a network was trained on, or on others drawn like them.

    Parameters
    ----------
    core_ml, whole_ml : (low, high)
        Volumes of tumor core and whole tumor [ml], at thresholds drawn as in training, of samples that show a core.
    core_share : (low, high)
        Core over whole volume of the same samples, in (0, 1].
    targets : mapping of str to (low, high)
        Each growth target and coordinate of the seed, unit in the name; mirrored seeds count where samples were
        mirrored.

    Raises
    ------
    ParameterError
        If a range is not finite, or its end lies below its beginning.
    """

    core_ml: Range
    whole_ml: Range
    core_share: Range
    targets: Mapping[str, Range]

    def __post_init__(self) -> None:
        sizes = {"core_ml": self.core_ml, "whole_ml": self.whole_ml, "core_share": self.core_share}
        for name, (low, high) in {**sizes, **self.targets}.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ParameterError(f"range of {name} must be (low, high) with low <= high, got {(low, high)}.")

    def departures(self, targets: Mapping[str, float], *, core_ml: float, whole_ml: float) -> tuple[str, ...]:
        """In what a tumor departs from what the training showed: a sentence for each number outside its range.

        Parameters
        ----------
        targets : mapping of str to float
            What the network answered; names without a range are passed over.
        core_ml, whole_ml : float
            Volumes of the masks it was asked about [ml]; the whole tumor is not empty.

        Raises
        ------
        ParameterError
            If the whole tumor has no volume.
        """
        if not whole_ml > 0.0:
            raise ParameterError(f"whole_ml must be > 0 [ml], got {whole_ml}.")
        judged = [
            ("the tumor core has", core_ml, self.core_ml, " ml"),
            ("the whole tumor has", whole_ml, self.whole_ml, " ml"),
            ("the share of the core in the whole tumor is", core_ml / whole_ml, self.core_share, ""),
            *(
                (f"the network's answer for {name} is", targets[name], bounds, "")
                for name, bounds in self.targets.items()
                if name in targets
            ),
        ]
        return tuple(
            _departure(claim, value, bounds, unit)
            for claim, value, bounds, unit in judged
            if not bounds[0] <= value <= bounds[1]
        )

    def unreachable(self, scaling: TargetScaling) -> tuple[str, ...]:
        """Targets of the tumors that a network of this scaling can never answer: a sentence for each."""
        return tuple(
            f"{name} of the tumors reaches from {_number(low)} to {_number(high)}, but the network answers "
            f"{_number(least)} to {_number(most)} only"
            for name, (least, most) in zip(scaling.names, scaling.ranges, strict=True)
            for low, high in [self.targets[name]]
            if low < least or high > most
        )


def _departure(claim: str, value: float, bounds: Range, unit: str) -> str:
    """A claim with its value and the range, in as many digits as it takes to tell the value from the end passed."""
    passed = bounds[0] if value < bounds[0] else bounds[1]
    digits = next(
        (count for count in range(_LEAST_DIGITS, _MOST_DIGITS) if _number(value, count) != _number(passed, count)),
        _MOST_DIGITS,
    )
    low, high = (_number(end, digits) for end in bounds)
    return f"{claim} {_number(value, digits)}{unit}, the training showed {low} to {high}{unit}"


def _number(value: float, digits: int = _LEAST_DIGITS) -> str:
    """A number rounded to some digits, without an exponent where people write none."""
    return f"{float(f'{value:.{digits}g}'):.{_MOST_DIGITS}g}"
