"""From a patient's scan to a tumor-cell map; names load their module when they are first used."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "assimilate_method": ("AssimilateMethod",),
    "case": ("Case", "CaseFiles", "find_case_files", "read_case"),
    "default_database": ("default_database_path", "open_database"),
    "demonstration": ("DemoOutcome", "run_demo"),
    "density_posterior": ("DensityPosterior",),
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
        "Query",
        "Sample",
        "WholeMargin",
        "options_named",
    ),
    "input_checks": ("InputChecks", "check_case", "check_input"),
    "methods": ("prepare_method",),
    "query_method": ("QueryMethod",),
    "query_posterior": ("QueryWithPosterior",),
    "regrowth": ("regrow",),
    "result": ("PersonalizationResult",),
    "run": ("density_in_patient", "observe", "observe_in_atlas", "personalize", "register_case"),
    "sample_method": ("SampleMethod", "SampleSettings"),
    "settings": ("PersonalizationSettings",),
    "spaces": ("PatientSpace", "make_space", "patient_grid"),
    "tumor_coverage": ("Focus", "TumorCoverage", "measure_coverage"),
    "virtual_patient": (
        "TruthScore",
        "VirtualPatient",
        "VirtualTumor",
        "make_virtual_patient",
        "score_against_truth",
        "virtual_tissue_maps",
        "write_virtual_patient",
    ),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
