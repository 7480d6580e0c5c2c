"""Brain atlases: a T1 template, its tissue fractions, and where they came from.

Known by name: ``sri24`` (the default; fetched once, see `atlas_sources`) and ``mni152`` (always offline). Any other
atlas is a folder with four NIfTI files on one grid and a small ``atlas.json``:

    {"name": "mine", "t1": "t1.nii.gz", "white_matter": "wm.nii.gz", "gray_matter": "gm.nii.gz", "csf": "csf.nii.gz",
     "licence": "…", "source": "…"}

The brain is where T1 is not 0, unless the json names a ``brain_mask``. Maps may be in any orientation. Nothing is
substituted: an atlas that cannot be had is an error.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from gliofield.anatomy.growth_domain import DEFAULT_DOMAIN_RULE, Anatomy, growth_domain
from gliofield.anatomy.tissue_maps import TissueMaps, normalized_tissue_maps
from gliofield.errors import AtlasError, GliofieldError, ParameterError
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.volume import Volume

DEFAULT_ATLAS = "sri24"
DEFAULT_SPACING_MM = 1.875
_FIELD_OF_VIEW_MM = 240.0

_REQUIRED_KEYS = ("name", "t1", "white_matter", "gray_matter", "csf", "licence", "source")


@dataclass(frozen=True, kw_only=True, eq=False)
class Atlas:
    """A brain template with tissue fractions.

    Parameters
    ----------
    name : str
        Short name, recorded in databases and results.
    t1 : Volume
        Skull-stripped T1 image; 0 outside the brain.
    tissue_maps : TissueMaps
        Normalized fractions and brain mask on the grid of `t1`.
    licence, source : str
        Under which terms and from where.

    Raises
    ------
    GridMismatchError
        If T1 and tissue maps lie on different grids.
    """

    name: str
    t1: Volume
    tissue_maps: TissueMaps
    licence: str
    source: str
    _anatomies: dict[tuple[Grid, str], Anatomy] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.t1.grid.require_same_as(self.tissue_maps.grid, self_name="T1", other_name="tissue maps")

    def __repr__(self) -> str:
        return f"Atlas({self.name!r}, {self.source}\n  {self.grid.describe()})"

    @property
    def grid(self) -> Grid:
        """Grid of the template."""
        return self.t1.grid

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the grid and the tissue fractions in steps of 1/255: what a simulation depends on."""
        digest = hashlib.sha256(repr(self.grid.shape).encode())
        digest.update((np.round(self.grid.world_from_voxel, 6) + 0.0).tobytes())  # -0 is 0
        for fraction in (self.tissue_maps.white_matter, self.tissue_maps.gray_matter, self.tissue_maps.csf):
            digest.update(np.rint(fraction * 255).astype(np.uint8).tobytes())
        return digest.hexdigest()

    def simulation_grid(self, *, spacing_mm: float = DEFAULT_SPACING_MM, shape: Sequence[int] | None = None) -> Grid:
        """Isotropic RAS+ grid centered on the template's field of view.

        Parameters
        ----------
        spacing_mm : float
            Voxel spacing [mm], between 0.5 and 10.
        shape : 3 int, optional
            Default: as many voxels as cover a cube of 240 mm (128³ at 1.875 mm).

        Raises
        ------
        ParameterError
            If the spacing is out of range.
        """
        if not 0.5 <= spacing_mm <= 10.0:
            raise ParameterError(f"spacing_mm must lie between 0.5 and 10 mm, got {spacing_mm:g}.")
        num_voxels = math.ceil(_FIELD_OF_VIEW_MM / spacing_mm - 1e-9)
        chosen = np.array((num_voxels,) * 3 if shape is None else shape)
        origin_mm = self.grid.center_mm - (chosen - 1) / 2 * spacing_mm
        return Grid.axis_aligned(chosen, spacing_mm, np.round(origin_mm, 9))

    def anatomy(self, grid: Grid | None = None, *, domain_rule: str = DEFAULT_DOMAIN_RULE) -> Anatomy:
        """Simulation domain of the atlas on a grid (default: `simulation_grid()`), made once per grid and rule."""
        onto = self.simulation_grid() if grid is None else grid
        key = (onto, domain_rule)
        if key not in self._anatomies:
            self._anatomies[key] = growth_domain(self.tissue_maps.resampled(onto), rule=domain_rule)
        return self._anatomies[key]


def read_atlas_folder(folder: str | os.PathLike[str]) -> Atlas:
    """Atlas of a folder with an ``atlas.json`` (format in the module docstring).

    Raises
    ------
    AtlasError
        If the json is missing or incomplete, or a file it names cannot be used; the cause is chained.
    """
    path = Path(folder)
    description = _read_description(path / "atlas.json")
    try:
        volumes = {key: read_volume(path / description[key]) for key in ("t1", "white_matter", "gray_matter", "csf")}
        t1 = volumes["t1"]
        for key in ("white_matter", "gray_matter", "csf"):
            t1.grid.require_same_as(volumes[key].grid, self_name="t1", other_name=key)
        brain = t1.data != 0
        if "brain_mask" in description:
            mask = read_volume(path / description["brain_mask"])
            t1.grid.require_same_as(mask.grid, self_name="t1", other_name="brain_mask")
            brain = mask.data > 0.5
        maps = normalized_tissue_maps(volumes["white_matter"], volumes["gray_matter"], volumes["csf"], brain)
        return Atlas(
            name=description["name"],
            t1=Volume(np.where(brain, t1.data, np.float32(0)), t1.grid),
            tissue_maps=maps,
            licence=description["licence"],
            source=description["source"],
        )
    except GliofieldError as error:
        raise AtlasError(f"the atlas in {path} cannot be used: {error}") from error


def _read_description(path: Path) -> dict[str, str]:
    try:
        is_there = path.is_file()
    except OSError as error:
        raise AtlasError(f"{path} cannot be looked at: {error.strerror}. Make the folder readable.") from error
    if not is_there:
        raise AtlasError(
            f"{path} does not exist: an atlas folder needs an atlas.json that names its files "
            f"(keys {', '.join(_REQUIRED_KEYS)})."
        )
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AtlasError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(description, dict):
        raise AtlasError(f"{path}: expected a JSON object, got {type(description).__name__}.")
    wanted = [*_REQUIRED_KEYS, *(["brain_mask"] if "brain_mask" in description else [])]
    missing = [key for key in wanted if not isinstance(description.get(key), str)]
    if missing:
        raise AtlasError(f"{path}: the keys {', '.join(missing)} are missing or not text.")
    return description
