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
from gliofield.imaging.pet import normalized_pet, pet_log_likelihood
from gliofield.imaging.region import EqualVolumeSphere, equal_volume_sphere
from gliofield.imaging.visibility import VisibilityThresholds
from gliofield.imaging.visibility_probability import log_visibility, mask_log_likelihood

__all__ = [
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
    "Posterior",
    "VisibilityThresholds",
    "equal_volume_sphere",
    "independent_voxel_fraction",
    "log_visibility",
    "mask_log_likelihood",
    "normalized_pet",
    "pet_log_likelihood",
]
