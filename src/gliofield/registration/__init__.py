"""Maps between the world of a patient and that of an atlas: estimating, applying, storing and judging them."""

from gliofield.registration.backend import Alignment, RegistrationBackend
from gliofield.registration.image_pair import ImagePair
from gliofield.registration.orientation import OrientationCheck, check_orientation
from gliofield.registration.presets import (
    DEFAULT_PRESET,
    REGISTRATION_PRESETS,
    AffineSettings,
    Levels,
    RegistrationPreset,
    SynSettings,
    registration_preset,
)
from gliofield.registration.quality import QualityLimits, RegistrationQuality, quality_concerns, registration_quality
from gliofield.registration.registration import (
    DEFAULT_BACKEND,
    REGISTRATION_BACKENDS,
    RegistrationResult,
    register,
    require_plausible_affine,
)
from gliofield.registration.transform import Transform, inverse_displacement
from gliofield.registration.transform_files import (
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
    "OrientationCheck",
    "QualityLimits",
    "RegistrationBackend",
    "RegistrationPreset",
    "RegistrationQuality",
    "RegistrationResult",
    "SynSettings",
    "Transform",
    "check_orientation",
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
