"""From cell density to what a scanner shows; the one observation model all inverse methods share."""

from gliofield.imaging.correlation import independent_voxel_fraction
from gliofield.imaging.estimate import Candidate, Estimate, InverseMethod, Posterior
from gliofield.imaging.likelihood import (
    ComparedVoxels,
    ImagingLikelihood,
    ImagingParameters,
    LikelihoodOptions,
    LogLikelihoodTerms,
)
from gliofield.imaging.observation import Observation
from gliofield.imaging.pet import (
    PET_FWHM_MM,
    PetModel,
    blurred_density,
    explained_share,
    move_pet,
    normalized_pet,
    pet_log_likelihood,
)
from gliofield.imaging.region import EqualVolumeSphere, equal_volume_sphere
from gliofield.imaging.virtual_pet import make_virtual_pet
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.imaging.visibility_probability import log_visibility, mask_log_likelihood

__all__ = [
    "PET_FWHM_MM",
    "Candidate",
    "ComparedVoxels",
    "EqualVolumeSphere",
    "Estimate",
    "ImagingLikelihood",
    "ImagingParameters",
    "InverseMethod",
    "LikelihoodOptions",
    "LogLikelihoodTerms",
    "Observation",
    "PetModel",
    "Posterior",
    "VisibilityThresholds",
    "blurred_density",
    "equal_volume_sphere",
    "explained_share",
    "independent_voxel_fraction",
    "log_visibility",
    "make_virtual_pet",
    "mask_log_likelihood",
    "move_pet",
    "normalized_pet",
    "pet_log_likelihood",
]
