from gliofield.registration.backend import (
    Alignment as Alignment,
    RegistrationBackend as RegistrationBackend,
)
from gliofield.registration.image_pair import (
    ImagePair as ImagePair,
)
from gliofield.registration.orientation import (
    OrientationCheck as OrientationCheck,
    TurnSearch as TurnSearch,
    check_orientation as check_orientation,
    search_turns as search_turns,
)
from gliofield.registration.presets import (
    AffineSettings as AffineSettings,
    DEFAULT_PRESET as DEFAULT_PRESET,
    Levels as Levels,
    REGISTRATION_PRESETS as REGISTRATION_PRESETS,
    RegistrationPreset as RegistrationPreset,
    SynSettings as SynSettings,
    registration_preset as registration_preset,
)
from gliofield.registration.quality import (
    QualityLimits as QualityLimits,
    RegistrationQuality as RegistrationQuality,
    quality_concerns as quality_concerns,
    registration_quality as registration_quality,
)
from gliofield.registration.registration import (
    DEFAULT_BACKEND as DEFAULT_BACKEND,
    REGISTRATION_BACKENDS as REGISTRATION_BACKENDS,
    RegistrationResult as RegistrationResult,
    register as register,
    require_plausible_affine as require_plausible_affine,
)
from gliofield.registration.transform import (
    Transform as Transform,
    inverse_displacement as inverse_displacement,
)
from gliofield.registration.transform_files import (
    read_displacement as read_displacement,
    read_itk_affine as read_itk_affine,
    read_transform as read_transform,
    write_displacement as write_displacement,
    write_itk_affine as write_itk_affine,
    write_transform as write_transform,
)
