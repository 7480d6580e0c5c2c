"""Many patients: found wherever they lie, personalized by many processes, told of in one table and one page."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "bids_dataset": ("BidsChoice",),
    "comparison": ("compare_cohorts",),
    "follow_up": ("FollowUp", "FollowUpSettings", "score_follow_up", "write_follow_up"),
    "patients": ("CohortPatient", "CohortSource", "find_cohort"),
    "run": ("CohortResult", "CohortRun", "run_cohort"),
    "table": ("read_table",),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
