"""Make a growth model agree with a scan: fit it, add foci, correct it to the outlines, rank what to treat."""

from gliofield.assimilation.ellipsoid import Ellipsoid, fit_ellipsoid
from gliofield.assimilation.ensemble import Ensemble, EnsembleSettings, Member
from gliofield.assimilation.fit import FitSettings, TumorFit, dice_sum, fit_tumor
from gliofield.assimilation.foci import FociFit, Focus, add_foci
from gliofield.assimilation.hypotheses import Hypotheses, HypothesisRanges, draw_hypotheses
from gliofield.assimilation.phase_correction import Correction, CorrectionSettings, correct_phase
from gliofield.assimilation.priority import PrioritySettings, distance_mm, grow_from_outlines, rank_voxels
from gliofield.assimilation.rim import Rim
from gliofield.assimilation.seen_domain import open_domain

__all__ = [
    "Correction",
    "CorrectionSettings",
    "Ellipsoid",
    "Ensemble",
    "EnsembleSettings",
    "FitSettings",
    "FociFit",
    "Focus",
    "Hypotheses",
    "HypothesisRanges",
    "Member",
    "PrioritySettings",
    "Rim",
    "TumorFit",
    "add_foci",
    "correct_phase",
    "dice_sum",
    "distance_mm",
    "fit_ellipsoid",
    "draw_hypotheses",
    "fit_tumor",
    "grow_from_outlines",
    "open_domain",
    "rank_voxels",
]
