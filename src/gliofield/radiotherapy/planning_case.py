"""What targets are made of: a patient's outlines and brain, the maps of a result, and the way to the atlas.

A result that `personalize` returned has it all; a result folder keeps it (`read_planning_case`), with the outlines and
the brain in one file and, where the method has them, the members of its ensemble in another. No file of the patient is
needed again.

    outlines_patient.nii.gz    1 brain, 2 whole tumor, 3 tumor core, 4 resection cavity
    posterior/members.npz      levels (N, X, Y, Z), world_from_voxel, log_std (`pipeline.MemberDensities`)
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy import Atlas, Segmentation
from gliofield.anatomy.atlas_sources import resolve_atlas
from gliofield.errors import AtlasError, GliofieldError, ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.nifti import read_volume
from gliofield.pipeline import Case, MemberDensities, PatientSpace, PersonalizationResult
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.progress import Reporter, ignore_progress
from gliofield.registration import read_transform
from gliofield.volume import Volume

#: Files of a result folder that targets are made of.
OUTLINES_FILE, MEMBERS_FILE = "outlines_patient.nii.gz", "posterior/members.npz"
_BRAIN, _WHOLE, _CORE, _CAVITY = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanningCase:
    """A patient, and what a method says of the tumor; all on the scan's grid, RAS+.

    Parameters
    ----------
    scan : PatientSpace
        The patient's brain, outlines, atlas and transform.
    density : Volume
        Cell density.
    priority : Volume
        Which voxels to treat first: higher ones.
    flair_threshold : float
        Density that FLAIR shows.
    mean : Volume or None
        Expected density, where the method has a posterior or an ensemble.
    probability_flair : Volume or None
        P(density > FLAIR's threshold), likewise.
    members : MemberDensities or None
        Members of an ensemble, where they were kept.
    method_name : str
        Name of the method.
    """

    scan: PatientSpace
    density: Volume
    priority: Volume
    flair_threshold: float = 0.2
    mean: Volume | None = None
    probability_flair: Volume | None = None
    members: MemberDensities | None = None
    method_name: str = ""

    @classmethod
    def of(cls, result: PersonalizationResult, atlas: Atlas) -> PlanningCase:
        """What a result holds of it, with the atlas that it was made with.

        Raises
        ------
        ParameterError
            If the result has no priorities.
        """
        if result.rankings is None:
            raise ParameterError("the result has no target priority: expected one that `personalize` returned.")
        posterior = result.estimate.posterior
        return cls(
            scan=PatientSpace(
                case=result.case, atlas=atlas, transform=result.registration.transform, grid=result.case.grid
            ),
            density=result.density_patient,
            priority=result.rankings.priority,
            flair_threshold=result.thresholds.flair_threshold,
            mean=result.posterior_patient.get("mean"),
            probability_flair=result.posterior_patient.get("probability_flair"),
            members=getattr(posterior, "members", None),
            method_name=result.method_name,
        )

    @property
    def segmentation(self) -> Segmentation:
        """What is seen."""
        return self.scan.case.segmentation

    @property
    def grid(self) -> Grid:
        """Grid of the scan."""
        return self.scan.grid

    @property
    def expected(self) -> Volume:
        """Expected density: the mean of a posterior where there is one, else the density."""
        return self.density if self.mean is None else self.mean

    @cached_property
    def treatable(self) -> NDArray[np.bool_]:
        """The brain without a resection cavity, (X, Y, Z)."""
        cavity = self.segmentation.cavity
        return self.scan.case.brain if cavity is None else self.scan.case.brain & ~cavity

    @cached_property
    def outside_core(self) -> NDArray[np.bool_]:
        """Where expected cells count, (X, Y, Z): what can be treated, without the core."""
        return self.treatable & ~self.segmentation.tumor_core


def outlines_of(case: Case) -> Volume:
    """Brain and outlines of a case as the labels of `OUTLINES_FILE`, uint8."""
    labels = np.where(case.brain, _BRAIN, 0).astype(np.uint8)
    segmentation = case.segmentation
    labels[segmentation.whole_tumor] = _WHOLE
    labels[segmentation.tumor_core] = _CORE
    if segmentation.cavity is not None:
        labels[segmentation.cavity] = _CAVITY
    return Volume(labels, case.grid)


def write_members(path: Path, members: MemberDensities) -> None:
    """Write the members of an ensemble."""
    np.savez_compressed(
        path, levels=members.levels, world_from_voxel=members.grid.world_from_voxel, log_std=members.log_std
    )


def read_planning_case(
    folder: str | os.PathLike[str],
    *,
    atlas: Atlas | str | os.PathLike[str] | None = None,
    report: Reporter = ignore_progress,
) -> PlanningCase:
    """What targets are made of, from a result folder.

    Parameters
    ----------
    folder : path
        What `gliofield personalize` wrote.
    atlas : Atlas, str or path, optional
        The atlas that it was made with; None: the one of its name.
    report : Reporter
        Told where the atlas has to be fetched first.

    Raises
    ------
    ParameterError
        If it is no result folder, or one of before outlines were kept.
    AtlasError
        If the atlas is another one than the result was made with.
    ImageError, RegistrationError, GridMismatchError
        If a file is damaged.
    """
    place = Path(folder)
    about = read_provenance(place)
    outlines = _read_outlines(place)
    settings = about["settings"]
    loaded = resolve_atlas(settings["atlas"] if atlas is None else atlas, report=report)
    wanted = str(settings["atlas_content_hash"])
    if wanted != loaded.content_hash:
        raise AtlasError(
            f"{place} was made with another atlas than {loaded.name}: its content is {wanted[:12]}…, here "
            f"{loaded.content_hash[:12]}…. Name the right one by --atlas, or personalize the patient again."
        )
    case = replace(outlines, stored_grid=Grid.from_dict(about["inputs"]["stored_grid"]))

    def read(name: str) -> Volume:
        volume = read_volume(place / name)
        volume.grid.require_same_as(case.grid, self_name=name, other_name=OUTLINES_FILE)
        return volume

    def read_if_there(name: str) -> Volume | None:
        return read(name) if (place / name).is_file() else None

    return PlanningCase(
        scan=PatientSpace(case=case, atlas=loaded, transform=read_transform(place / "transforms"), grid=case.grid),
        density=read("density_patient.nii.gz"),
        priority=read("target_priority_patient.nii.gz"),
        flair_threshold=float(settings["flair_threshold"]),
        mean=read_if_there("posterior/mean_patient.nii.gz"),
        probability_flair=read_if_there("posterior/probability_flair_patient.nii.gz"),
        members=_read_members(place / MEMBERS_FILE),
        method_name=str(about["method"]["name"]),
    )


def _read_outlines(place: Path) -> Case:
    """Outlines and brain, as a case without images."""
    path = place / OUTLINES_FILE
    if not path.is_file():
        raise ParameterError(
            f"{place} keeps no outlines ({OUTLINES_FILE}): it was written by an earlier version. Personalize the "
            "patient again."
        )
    labels = read_volume(path, dtype=np.uint8)
    cavity = labels.data == _CAVITY
    segmentation = Segmentation(
        tumor_core=labels.data == _CORE,
        whole_tumor=(labels.data == _WHOLE) | (labels.data == _CORE),
        grid=labels.grid,
        cavity=cavity if cavity.any() else None,
    )
    return Case(images={}, segmentation=segmentation, brain=labels.data > 0, stored_grid=labels.grid, file_hashes={})


def _read_members(path: Path) -> MemberDensities | None:
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            levels = stored["levels"]
            return MemberDensities(
                levels=levels,
                grid=Grid(levels.shape[1:], stored["world_from_voxel"]),
                log_std=float(stored["log_std"]),
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, GliofieldError) as error:
        raise ImageError(f"{path} cannot be read ({error}). Personalize the patient again.") from error
