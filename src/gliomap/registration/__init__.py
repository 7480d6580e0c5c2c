"""Maps between the world of a patient and that of an atlas: estimating, applying, storing and judging them."""

from gliomap.registration.backend import Alignment, RegistrationBackend
from gliomap.registration.image_pair import ImagePair
from gliomap.registration.presets import (
    DEFAULT_PRESET,
    REGISTRATION_PRESETS,
    AffineSettings,
    Levels,
    RegistrationPreset,
    SynSettings,
    registration_preset,
)
from gliomap.registration.quality import QualityLimits, RegistrationQuality, quality_concerns, registration_quality
from gliomap.registration.registration import (
    DEFAULT_BACKEND,
    REGISTRATION_BACKENDS,
    RegistrationResult,
    register,
    require_plausible_affine,
)
from gliomap.registration.transform import Transform, inverse_displacement
from gliomap.registration.transform_files import (
    read_displacement,
    read_itk_affine,
    read_transform,
    write_displacement,
    write_itk_affine,
    write_transform,
)

__all__ = [
    "DEFAULT_BACKEND",
    "DEFAULT_PRESET",
    "REGISTRATION_BACKENDS",
    "REGISTRATION_PRESETS",
    "AffineSettings",
    "Alignment",
    "ImagePair",
    "Levels",
    "QualityLimits",
    "RegistrationBackend",
    "RegistrationPreset",
    "RegistrationQuality",
    "RegistrationResult",
    "SynSettings",
    "Transform",
    "inverse_displacement",
    "quality_concerns",
    "read_displacement",
    "read_itk_affine",
    "read_transform",
    "register",
    "registration_preset",
    "registration_quality",
    "require_plausible_affine",
    "write_displacement",
    "write_itk_affine",
    "write_transform",
]
