"""Parameters of the Fisher–Kolmogorov growth model.

One frozen value per simulated tumor: how fast cells move in white matter, how fast they divide, where the tumor
started. Growth time is no parameter of the model: times are given to `simulate`, so one run yields several.

At a fixed anatomy and seed the tumor depends on D_w T and ρ T only, never on D_w, ρ and T separately; an inferred
growth rate without a known growth time is a statement about the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gliofield.errors import ParameterError

#: White over gray matter diffusivity of the published simulations (Lipková et al. 2019, doi 10.1109/TMI.2019.2902044).
DEFAULT_DIFFUSIVITY_RATIO = 10.0
# Names where parameters are numbers by name: columns of databases, results, priors, targets of networks.
DIFFUSIVITY_NAME = "white_matter_diffusivity_mm2_per_day"
RATE_NAME = "proliferation_rate_per_day"
TIME_NAME = "growth_time_days"
#: The seed's coordinates [mm, RAS+].
SEED_NAMES = ("seed_x_mm", "seed_y_mm", "seed_z_mm")
#: The factors of `axis_stretch`.
STRETCH_NAMES = ("stretch_x", "stretch_y", "stretch_z")
#: What only tumors with mass effect have.
PUSH_NAME = "push_pa"
#: How fast, and for how long.
RATE_NAMES = (DIFFUSIVITY_NAME, RATE_NAME, TIME_NAME)
#: What every grown tumor has, in the order of a database's columns.
TUMOR_NAMES = (*RATE_NAMES, *SEED_NAMES)
#: Parameters that have a default.
OPTIONAL_NAMES = ("diffusivity_ratio", PUSH_NAME)
#: Push γ [Pa]: a tumor of 50 ml moves the wall of a ventricle by 2-8 mm. *Chosen*, docs/design/0005-mass-effect.md.
DEFAULT_PUSH_PA = 10_000.0
# *Chosen*: a hundred times the stiffness of a tumor.
_MAX_PUSH_PA = 1e6
# *Chosen*: water in water has 260. Far beyond it a run takes minutes of time steps, for a mistaken unit.
_MAX_DIFFUSIVITY_MM2_PER_DAY = 1000.0
# Beyond this the slower tissue is a wall, and the coefficients leave the range of float32 arithmetic. *Chosen*.
_MAX_RATIO = 1e6
#: No direction is preferred.
ISOTROPIC = (1.0, 1.0, 1.0)
# *Chosen*: fitted tensors of real tumors lie between 0.4 and 2.2.
_MAX_STRETCH = 20.0


@dataclass(frozen=True, kw_only=True)
class FisherKolmogorovParameters:
    """Growth parameters of one tumor.

    Parameters
    ----------
    white_matter_diffusivity_mm2_per_day : float
        D_w [mm²/day], between 0 and 1000; published tumors 0.02-1.5.
    proliferation_rate_per_day : float
        ρ [1/day], ≥ 0; published tumors 0.002-0.2.
    seed_mm : (float, float, float)
        World position of the seed [mm, RAS+].
    diffusivity_ratio : float
        D_w / D_g, between 1e-6 and 1e6.
    axis_stretch : (float, float, float)
        (a_x, a_y, a_z), a global diffusion tensor in every tissue, along the axes of the grid that the tumor grows on:
        cells diffuse with a_x D along the first (left-right on a grid of the atlas), a_y D along the second, a_z D
        along the third. Each between 0.05 and 20, their product 1; isotropic by default.

    Raises
    ------
    ParameterError
        If a value is not finite, or outside its range.

    Examples
    --------
    >>> tumor = FisherKolmogorovParameters(
    ...     white_matter_diffusivity_mm2_per_day=0.4, proliferation_rate_per_day=0.1, seed_mm=(0.0, 0.0, 0.0)
    ... )
    >>> tumor.infiltration_length_mm, tumor.front_speed_mm_per_day
    (2.0, 0.4)
    """

    white_matter_diffusivity_mm2_per_day: float
    proliferation_rate_per_day: float
    seed_mm: tuple[float, float, float]
    diffusivity_ratio: float = DEFAULT_DIFFUSIVITY_RATIO
    axis_stretch: tuple[float, float, float] = ISOTROPIC

    def __post_init__(self) -> None:
        _require("white_matter_diffusivity_mm2_per_day", self.white_matter_diffusivity_mm2_per_day, "mm²/day")
        _require("proliferation_rate_per_day", self.proliferation_rate_per_day, "1/day")
        if self.white_matter_diffusivity_mm2_per_day > _MAX_DIFFUSIVITY_MM2_PER_DAY:
            raise ParameterError(
                f"white_matter_diffusivity_mm2_per_day must be at most {_MAX_DIFFUSIVITY_MM2_PER_DAY:g} mm²/day, got "
                f"{self.white_matter_diffusivity_mm2_per_day:g}. Check the unit: gliomas have 0.01 to 3 mm²/day."
            )
        if not 1.0 / _MAX_RATIO <= self.diffusivity_ratio <= _MAX_RATIO:
            raise ParameterError(
                f"diffusivity_ratio must lie between {1.0 / _MAX_RATIO:g} and {_MAX_RATIO:g} (white over gray matter), "
                f"got {self.diffusivity_ratio}."
            )
        seed = tuple(float(x) for x in self.seed_mm)
        if len(seed) != 3 or not all(math.isfinite(x) for x in seed):
            raise ParameterError(f"seed_mm must be three finite world coordinates (x, y, z) [mm], got {self.seed_mm}.")
        object.__setattr__(self, "seed_mm", seed)
        stretch = tuple(float(factor) for factor in self.axis_stretch)
        if len(stretch) != 3 or not all(1.0 / _MAX_STRETCH <= factor <= _MAX_STRETCH for factor in stretch):
            raise ParameterError(
                f"axis_stretch must be three factors between {1.0 / _MAX_STRETCH:g} and {_MAX_STRETCH:g}, got "
                f"{self.axis_stretch}."
            )
        if abs(math.prod(stretch) - 1.0) > 1e-6:
            raise ParameterError(
                f"the product of axis_stretch must be 1, got {math.prod(stretch):g}: a common factor belongs to the "
                "diffusivity. Divide by its cube root."
            )
        object.__setattr__(self, "axis_stretch", stretch)

    @property
    def gray_matter_diffusivity_mm2_per_day(self) -> float:
        """D_g = D_w / ratio [mm²/day]."""
        return self.white_matter_diffusivity_mm2_per_day / self.diffusivity_ratio

    @property
    def is_isotropic(self) -> bool:
        """Whether cells diffuse alike along all axes."""
        return self.axis_stretch == ISOTROPIC

    @property
    def infiltration_length_mm(self) -> float:
        """√(D_w / ρ) [mm], the width of the invading front; infinite without proliferation."""
        if self.proliferation_rate_per_day == 0.0:
            return math.inf
        return math.sqrt(self.white_matter_diffusivity_mm2_per_day / self.proliferation_rate_per_day)

    @property
    def front_speed_mm_per_day(self) -> float:
        """2 √(D_w ρ) [mm/day], the asymptotic speed of the front in white matter."""
        return 2.0 * math.sqrt(self.white_matter_diffusivity_mm2_per_day * self.proliferation_rate_per_day)


@dataclass(frozen=True, kw_only=True)
class MassEffectParameters(FisherKolmogorovParameters):
    """Growth parameters of one tumor that pushes the tissue around it.

    Parameters
    ----------
    push_pa : float
        γ [Pa], ≥ 0 and ≤ 1e6: the force on tissue is −γ ∇c per volume. 0 is the model without mass effect.

    Raises
    ------
    ParameterError
        If a value is not finite, or outside its range.

    Examples
    --------
    >>> tumor = MassEffectParameters(
    ...     white_matter_diffusivity_mm2_per_day=0.4, proliferation_rate_per_day=0.1, seed_mm=(0.0, 0.0, 0.0)
    ... )
    >>> tumor.push_pa == DEFAULT_PUSH_PA
    True
    """

    push_pa: float = DEFAULT_PUSH_PA

    def __post_init__(self) -> None:
        super().__post_init__()
        _require("push_pa", self.push_pa, "Pa")
        if self.push_pa > _MAX_PUSH_PA:
            raise ParameterError(
                f"push_pa must be at most {_MAX_PUSH_PA:g} Pa, got {self.push_pa:g}. Brain tissue has a stiffness of "
                "some 1000 Pa: check the unit."
            )


def growth_parameters_of(values: Mapping[str, float]) -> FisherKolmogorovParameters:
    """Growth parameters from numbers by name; `MassEffectParameters` where there is a push.

    Parameters
    ----------
    values : mapping of str to float
        ``white_matter_diffusivity_mm2_per_day``, ``proliferation_rate_per_day``, ``seed_x_mm``, ``seed_y_mm``,
        ``seed_z_mm``, and if wanted ``diffusivity_ratio``, ``push_pa`` and all three of `STRETCH_NAMES`; others are not
        looked at.

    Raises
    ------
    ParameterError
        If a value is not finite, or outside its range.
    """
    optional = {name: values[name] for name in OPTIONAL_NAMES if name in values}
    has_stretch = all(name in values for name in STRETCH_NAMES)
    stretch = (values["stretch_x"], values["stretch_y"], values["stretch_z"]) if has_stretch else ISOTROPIC
    kind = MassEffectParameters if PUSH_NAME in values else FisherKolmogorovParameters
    return kind(
        white_matter_diffusivity_mm2_per_day=values[DIFFUSIVITY_NAME],
        proliferation_rate_per_day=values[RATE_NAME],
        seed_mm=(values["seed_x_mm"], values["seed_y_mm"], values["seed_z_mm"]),
        axis_stretch=stretch,
        **optional,
    )


def growth_values_of(parameters: FisherKolmogorovParameters, growth_time_days: float) -> dict[str, float]:
    """Numbers by name of a tumor at a time [day] after its seed: `TUMOR_NAMES`, and `PUSH_NAME` where it pushes.

    Examples
    --------
    >>> tumor = FisherKolmogorovParameters(
    ...     white_matter_diffusivity_mm2_per_day=0.4, proliferation_rate_per_day=0.1, seed_mm=(0.0, 1.0, 2.0)
    ... )
    >>> values = growth_values_of(tumor, 300.0)
    >>> values["growth_time_days"], values["seed_z_mm"], growth_parameters_of(values) == tumor
    (300.0, 2.0, True)
    """
    push = getattr(parameters, PUSH_NAME, None)
    return {
        DIFFUSIVITY_NAME: parameters.white_matter_diffusivity_mm2_per_day,
        RATE_NAME: parameters.proliferation_rate_per_day,
        TIME_NAME: growth_time_days,
        **seed_values(parameters.seed_mm),
        **({} if push is None else {PUSH_NAME: push}),
    }


def seed_values(seed_mm: tuple[float, float, float]) -> dict[str, float]:
    """A position [mm, RAS+] as numbers by name (`SEED_NAMES`)."""
    x_mm, y_mm, z_mm = (float(coordinate) for coordinate in seed_mm)
    return dict(zip(SEED_NAMES, (x_mm, y_mm, z_mm), strict=True))


def with_product_1(factors: tuple[float, float, float]) -> tuple[float, float, float]:
    """Three positive factors divided by the cube root of their product, as `axis_stretch` asks for.

    Examples
    --------
    >>> with_product_1((4.0, 2.0, 1.0))
    (2.0, 1.0, 0.5)
    """
    x, y, z = (factor / math.cbrt(math.prod(factors)) for factor in factors)
    return x, y, z


def _require(name: str, value: float, unit: str) -> None:
    if not math.isfinite(value) or value < 0.0:
        raise ParameterError(f"{name} must be finite and ≥ 0 [{unit}], got {value}.")
