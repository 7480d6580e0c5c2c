"""Make a growth model agree with a scan: fit it, add foci, correct it to the outlines, rank what to treat."""

from gliofield.assimilation.ellipsoid import Ellipsoid, fit_ellipsoid
from gliofield.assimilation.fit import FitSettings, TumorFit, dice_sum, fit_tumor
from gliofield.assimilation.foci import FociFit, Focus, add_foci
from gliofield.assimilation.phase_correction import Correction, CorrectionSettings, correct_phase
from gliofield.assimilation.priority import PrioritySettings, distance_mm, grow_from_outlines, rank_voxels
from gliofield.assimilation.seen_domain import open_domain

__all__ = [
    "Correction",
    "CorrectionSettings",
    "Ellipsoid",
    "FitSettings",
    "FociFit",
    "Focus",
    "PrioritySettings",
    "TumorFit",
    "add_foci",
    "correct_phase",
    "dice_sum",
    "distance_mm",
    "fit_ellipsoid",
    "fit_tumor",
    "grow_from_outlines",
    "open_domain",
    "rank_voxels",
]
