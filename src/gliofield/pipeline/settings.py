"""How to personalize, whatever the inverse method."""

from __future__ import annotations

from dataclasses import dataclass

from gliofield.anatomy import SpaceName
from gliofield.errors import ParameterError
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.registration import DEFAULT_PRESET, registration_preset


@dataclass(frozen=True, kw_only=True)
class PersonalizationSettings:
    """How to personalize; the inverse method brings its own settings.

    Parameters
    ----------
    registration : str
        Name of a registration preset.
    thresholds : VisibilityThresholds
        Densities that T1Gd and FLAIR are taken to show.
    space : {"atlas", "patient"} or None
        Where the answer grows; None: the method's own choice. A method that works in the atlas grows its answer again
        in the patient's own brain if that is wanted.
    spacing_mm : float or None
        Spacing of simulations in the patient's space [mm], > 0; None: 1.875.
    seed : int
        Seed of whatever is random.
    deterministic : bool
        Bit-identical registration from the same inputs and seed, at 2-3 times its time.
    num_threads : int or None
        Threads; None: all cores available.

    Raises
    ------
    ParameterError
        If the preset or space is unknown, a number is out of range, or a spacing is given without the patient's space.
    """

    registration: str = DEFAULT_PRESET
    thresholds: VisibilityThresholds = VisibilityThresholds()
    space: SpaceName | None = None
    spacing_mm: float | None = None
    seed: int = 0
    deterministic: bool = False
    num_threads: int | None = None

    def __post_init__(self) -> None:
        registration_preset(self.registration)
        if self.space not in (None, "atlas", "patient"):
            raise ParameterError(f"space must be 'atlas' or 'patient', got {self.space!r}.")
        if self.spacing_mm is not None:
            if self.space != "patient":
                raise ParameterError(
                    "spacing_mm belongs to the patient's space; in the atlas the spacing is that of the method. Set "
                    "space to 'patient', or leave spacing_mm out."
                )
            if not self.spacing_mm > 0.0:
                raise ParameterError(f"spacing_mm must be > 0 [mm], got {self.spacing_mm}.")
        if self.seed < 0:
            raise ParameterError(f"seed must be a non-negative integer, got {self.seed}.")
        if self.num_threads is not None and self.num_threads < 1:
            raise ParameterError(f"num_threads must be at least 1, got {self.num_threads}.")
