"""The virtual cohort: tumors whose truth is known, of every kind; names load their module when they are first used."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "cohort_files": ("CohortCase", "read_cohort", "write_cohort"),
    "cohort_patient": ("GrownPatient", "grow_cohort_patient"),
    "design": ("CohortPatient", "DrawnTumor", "cohort_design"),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
