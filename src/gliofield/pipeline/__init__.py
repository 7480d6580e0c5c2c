"""From a patient's scan to a tumor-cell map; names load their module when they are first used."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "assimilate_method": ("AssimilateMethod",),
    "case": ("Case", "CaseFiles", "find_case_files", "read_case"),
    "default_database": ("default_database_path", "open_database"),
    "density_posterior": ("DensityPosterior", "MemberDensities"),
    "distance_methods": ("DistanceMethod", "MarginMethod"),
    "first_use": ("CacheContent", "setup_everything"),
    "infer_method": ("InferMethod",),
    "method_options": (
        "DEFAULT_METHOD",
        "METHOD_OPTIONS",
        "Assimilate",
        "Distance",
        "Infer",
        "Margin",
        "MethodOptions",
        "PluggedMethod",
        "Query",
        "Sample",
        "WholeMargin",
        "method_names",
        "options_named",
    ),
    "input_checks": ("InputChecks", "check_case", "check_input"),
    "methods": ("prepare_method",),
    "patient_folders": ("find_patients",),
    "query_method": ("QueryMethod",),
    "query_posterior": ("QueryWithPosterior",),
    "rankings": ("OutlineRankings", "RankedRegion", "Rankings", "rank_outlines", "rank_targets", "target_priority"),
    "regrowth": ("regrow",),
    "result": ("PersonalizationResult",),
    "run": ("density_in_patient", "observe", "observe_in_atlas", "personalize", "register_case"),
    "sample_method": ("SampleMethod", "SampleSettings"),
    "settings": ("PersonalizationSettings",),
    "spaces": ("PatientSpace", "make_space", "patient_grid"),
    "tumor_box": ("TumorBox",),
    "tumor_coverage": ("Focus", "TumorCoverage", "measure_coverage"),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
