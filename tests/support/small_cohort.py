"""Patients of the virtual cohort in the phantom brain, on voxels of 4 mm: each takes a fraction of a second."""

from __future__ import annotations

from functools import cache

from phantom_brain import phantom_atlas, stored_orientation

from gliofield.virtual import Resolution
from gliofield_evaluation.virtual import CohortPatient, GrownPatient, cohort_design, grow_cohort_patient

RESOLUTION = Resolution(stored_grid=stored_orientation("LPS"), simulation_spacing_mm=4.0)


def first_of(kind: str, split: str = "tune") -> CohortPatient:
    """The first patient of a kind."""
    return next(patient for patient in cohort_design(split) if patient.kind == kind)


def grown(kind: str, split: str = "tune") -> GrownPatient:
    """It, grown in the phantom anew."""
    return grow_cohort_patient(first_of(kind, split), phantom_atlas(), resolution=RESOLUTION)


@cache
def shared(kind: str, split: str = "tune") -> GrownPatient:
    """The same, grown once for all tests that change nothing of it."""
    return grown(kind, split)
