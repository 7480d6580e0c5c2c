"""Virtual patients: tumors whose truth is known; names load their module when they are first used."""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "brain": ("Resolution", "virtual_tissue_maps"),
    "demonstration": ("DemoOutcome", "run_demo"),
    "patient": ("VirtualPatient", "VirtualTumor", "make_virtual_patient", "write_virtual_patient"),
    "score": ("TruthScore", "score_against_truth"),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
