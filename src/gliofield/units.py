"""Units of gliofield and the conversions at its border.

Inside the package lengths are in mm, times in days, diffusivities in mm²/day, rates in 1/day, volumes in ml
and densities relative to the carrying capacity. The papers and their codes give diffusivities in cm²/day;
only readers and writers of foreign data convert, with the factors of this module.
"""

MM2_PER_CM2 = 100.0
MM3_PER_ML = 1000.0


def mm2_per_day_from_cm2_per_day(diffusivity_cm2_per_day: float) -> float:
    """Diffusivity in mm²/day from cm²/day (the papers' unit).

    Examples
    --------
    >>> mm2_per_day_from_cm2_per_day(0.0013)
    0.13
    """
    return diffusivity_cm2_per_day * MM2_PER_CM2


def ml_from_mm3(volume_mm3: float) -> float:
    """Volume in ml from mm³.

    Examples
    --------
    >>> ml_from_mm3(1500.0)
    1.5
    """
    return volume_mm3 / MM3_PER_ML
