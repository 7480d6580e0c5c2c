"""From cell density to what a scanner shows; the one observation model all inverse methods share.

Names load their module when they are first used.
"""

from gliofield.lazy import lazy_names

_NAMES: dict[str, tuple[str, ...]] = {
    "correlation": ("independent_voxel_fraction",),
    "estimate": (
        "Candidate",
        "Estimate",
        "InverseMethod",
        "Posterior",
    ),
    "likelihood": (
        "ComparedVoxels",
        "ImagingLikelihood",
        "ImagingParameters",
        "LikelihoodOptions",
        "LogLikelihoodTerms",
    ),
    "observation": ("Observation",),
    "pet": (
        "PET_FWHM_MM",
        "PetModel",
        "blurred_density",
        "explained_share",
        "move_pet",
        "normalized_pet",
        "pet_log_likelihood",
    ),
    "region": (
        "EqualVolumeSphere",
        "equal_volume_sphere",
    ),
    "virtual_pet": ("make_virtual_pet",),
    "visibility": ("VisibilityThresholds",),
    "visibility_probability": (
        "log_visibility",
        "mask_log_likelihood",
    ),
}

__getattr__, __dir__, __all__ = lazy_names(__name__, _NAMES)
