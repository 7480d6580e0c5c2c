from gliofield.imaging.correlation import (
    independent_voxel_fraction as independent_voxel_fraction,
)
from gliofield.imaging.estimate import (
    Candidate as Candidate,
    Estimate as Estimate,
    InverseMethod as InverseMethod,
    Posterior as Posterior,
)
from gliofield.imaging.likelihood import (
    ComparedVoxels as ComparedVoxels,
    ImagingLikelihood as ImagingLikelihood,
    ImagingParameters as ImagingParameters,
    LikelihoodOptions as LikelihoodOptions,
    LogLikelihoodTerms as LogLikelihoodTerms,
)
from gliofield.imaging.observation import (
    Observation as Observation,
)
from gliofield.imaging.pet import (
    PET_FWHM_MM as PET_FWHM_MM,
    PetModel as PetModel,
    blurred_density as blurred_density,
    explained_share as explained_share,
    move_pet as move_pet,
    normalized_pet as normalized_pet,
    pet_log_likelihood as pet_log_likelihood,
)
from gliofield.imaging.region import (
    EqualVolumeSphere as EqualVolumeSphere,
    equal_volume_sphere as equal_volume_sphere,
)
from gliofield.imaging.virtual_pet import (
    make_virtual_pet as make_virtual_pet,
)
from gliofield.imaging.visibility import (
    VisibilityThresholds as VisibilityThresholds,
)
from gliofield.imaging.visibility_probability import (
    log_visibility as log_visibility,
    mask_log_likelihood as mask_log_likelihood,
)
