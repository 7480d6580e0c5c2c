"""From density to radiotherapy: targets with barriers and how they compare, their doses, and DICOM in and out."""

from gliofield.radiotherapy.barriers import (
    Barriers,
    atlas_barriers,
    find_barriers,
    open_barriers,
    patient_barriers,
)
from gliofield.radiotherapy.comparison import (
    Saving,
    TargetCells,
    TargetComparison,
    cells_of,
    compare_targets,
    saving_at,
)
from gliofield.radiotherapy.geodesic import geodesic_distance_mm
from gliofield.radiotherapy.plan import TargetPlan, TargetSettings, plan_targets
from gliofield.radiotherapy.planning_case import PlanningCase, read_planning_case
from gliofield.radiotherapy.targets import (
    GUIDELINES,
    Guideline,
    Target,
    Trims,
    gross_tumor,
    guideline_named,
    guideline_target,
)

__all__ = [
    "GUIDELINES",
    "Barriers",
    "Guideline",
    "PlanningCase",
    "Saving",
    "Target",
    "TargetCells",
    "TargetComparison",
    "TargetPlan",
    "TargetSettings",
    "Trims",
    "atlas_barriers",
    "cells_of",
    "compare_targets",
    "find_barriers",
    "geodesic_distance_mm",
    "gross_tumor",
    "guideline_named",
    "guideline_target",
    "open_barriers",
    "patient_barriers",
    "plan_targets",
    "read_planning_case",
    "saving_at",
]
