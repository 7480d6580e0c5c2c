"""Maps between the world of a patient and that of an atlas: estimating, applying, storing and judging them.

Names load their module when they are first used.
"""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "backend": (
        "Alignment",
        "RegistrationBackend",
    ),
    "image_pair": ("ImagePair",),
    "orientation": (
        "OrientationCheck",
        "TurnSearch",
        "check_orientation",
        "search_turns",
    ),
    "presets": (
        "AffineSettings",
        "DEFAULT_PRESET",
        "Levels",
        "REGISTRATION_PRESETS",
        "RegistrationPreset",
        "SynSettings",
        "registration_preset",
    ),
    "quality": (
        "QualityLimits",
        "RegistrationQuality",
        "quality_concerns",
        "registration_quality",
    ),
    "registration": (
        "DEFAULT_BACKEND",
        "REGISTRATION_BACKENDS",
        "RegistrationResult",
        "register",
        "require_plausible_affine",
    ),
    "transform": (
        "Transform",
        "inverse_displacement",
    ),
    "transform_files": (
        "read_displacement",
        "read_itk_affine",
        "read_transform",
        "write_displacement",
        "write_itk_affine",
        "write_transform",
    ),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
