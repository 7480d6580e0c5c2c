"""gliofield personalizes brain-tumor growth models: from one scan of a glioma to its tumor-cell density.

    result = gliofield.personalize("PATIENT")            a patient's folder → density, parameters, concerns
    result.save("RESULT")
    gliofield.personalize("PATIENT", method=gliofield.Sample(num_samples=64))      the posterior instead
    database = gliofield.build_database("tumors", 10_000)                          simulated tumors
    hits = gliofield.search("tumors", "WHOLE.nii.gz", "CORE.nii.gz", k=15)         those most like two masks
    solution = gliofield.simulate(gliofield.FisherKolmogorovParameters(...), 300)  one tumor after 300 days

Lengths in mm (world, RAS+), times in days, diffusivities in mm²/day, densities in [0, 1].
For research use only; not a medical device.
"""

from gliofield.lazy import lazy_names

__version__ = "0.1.0"

_NAMES: dict[str, tuple[str, ...]] = {
    "concern": ("Concern",),
    "errors": ("GliofieldError",),
    "grid": ("Grid",),
    "volume": ("Volume",),
    "nifti": ("read_volume", "write_volume"),
    "anatomy": ("AtlasSpace", "load_atlas"),
    "growth": (
        "FisherKolmogorov",
        "FisherKolmogorovParameters",
        "MassEffect",
        "MassEffectParameters",
        "simulate",
    ),
    "imaging": ("Estimate", "Observation", "VisibilityThresholds"),
    "database": ("build_database",),
    "retrieval": ("search",),
    "pipeline": (
        "Assimilate",
        "Distance",
        "Infer",
        "Margin",
        "PersonalizationSettings",
        "Query",
        "Sample",
        "WholeMargin",
        "open_database",
        "personalize",
        "read_case",
    ),
    "virtual": ("make_virtual_patient",),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
