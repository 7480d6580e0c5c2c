"""Brains and tumors as voxel data: atlases, tissue fractions, simulation domains, segmentations."""

from gliofield.anatomy.atlas import DEFAULT_ATLAS, Atlas, read_atlas_folder
from gliofield.anatomy.atlas_sources import (
    ATLAS_NAMES,
    AtlasEntry,
    fetch_atlas,
    list_atlases,
    load_atlas,
    write_atlas_folder,
)
from gliofield.anatomy.growth_domain import DEFAULT_DOMAIN_RULE, DOMAIN_RULES, Anatomy, growth_domain
from gliofield.anatomy.segmentation import (
    LABEL_SCHEMES,
    LabelScheme,
    Segmentation,
    detect_label_scheme,
    label_scheme,
    segmentation_from_labels,
    segmentation_from_masks,
)
from gliofield.anatomy.space import AtlasSpace, PatientMap, Space, SpaceName, SpaceRequest
from gliofield.anatomy.tissue_maps import TissueMaps, normalized_tissue_maps

__all__ = [
    "ATLAS_NAMES",
    "DEFAULT_ATLAS",
    "DEFAULT_DOMAIN_RULE",
    "DOMAIN_RULES",
    "LABEL_SCHEMES",
    "Anatomy",
    "Atlas",
    "AtlasEntry",
    "AtlasSpace",
    "LabelScheme",
    "PatientMap",
    "Segmentation",
    "Space",
    "SpaceName",
    "SpaceRequest",
    "TissueMaps",
    "detect_label_scheme",
    "fetch_atlas",
    "growth_domain",
    "label_scheme",
    "list_atlases",
    "load_atlas",
    "normalized_tissue_maps",
    "read_atlas_folder",
    "segmentation_from_labels",
    "segmentation_from_masks",
    "write_atlas_folder",
]
