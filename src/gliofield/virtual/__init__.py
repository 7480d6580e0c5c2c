"""Virtual patients and their cohort: tumors whose truth is known; names load their module when they are first used."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "brain": ("Resolution", "virtual_tissue_maps"),
    "cohort_files": ("CohortCase", "read_cohort", "write_cohort"),
    "cohort_patient": ("GrownPatient", "grow_cohort_patient"),
    "design": ("CohortPatient", "DrawnTumor", "cohort_design"),
    "demonstration": ("DemoOutcome", "run_demo"),
    "patient": ("VirtualPatient", "VirtualTumor", "make_virtual_patient", "write_virtual_patient"),
    "score": ("TruthScore", "score_against_truth"),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
