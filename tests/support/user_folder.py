"""The working folder of a user, made small: what the pages and examples call PATIENT, tumors and WHOLE.nii.gz.

The cache holds the phantom under the name of the default atlas, moved to where that lies in the world, and a default
database of a few tumors. Simulation grids are coarse, databases and samples few, and the registration is known; the
rest is what a user would run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import gliofield
from gliofield.anatomy import DEFAULT_ATLAS, Atlas, atlas_sources, write_atlas_folder
from gliofield.anatomy.atlas import read_atlas_folder
from gliofield.database import build_database
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.pipeline import register_case, run
from gliofield.registration import Transform
from gliofield.testing import LESION_CENTER_MM, PHANTOM_GRID, PhantomDesign, phantom_atlas, write_phantom_patient
from gliofield.volume import Volume

#: Where the pages seed a tumor in the default atlas [mm]; the phantom has its lesion there.
SEED_MM = (-90.0, 130.0, 80.0)
_SPACING_MM = 5.0
_NUM_TUMORS = 3


def as_a_user(folder, monkeypatch) -> None:
    """Go to a folder with a patient, two masks and a database; what takes long is made small."""
    monkeypatch.chdir(folder)
    grid_of = Atlas.simulation_grid
    monkeypatch.setattr(Atlas, "simulation_grid", lambda atlas: grid_of(atlas, spacing_mm=_SPACING_MM))
    build, sample = gliofield.build_database, gliofield.Sample
    monkeypatch.setattr(
        gliofield,
        "build_database",
        lambda path, num_tumors, **given: build(path, min(num_tumors, _NUM_TUMORS), **given),
    )
    monkeypatch.setattr(gliofield, "Sample", lambda **given: sample(**{**given, "num_samples": 10}))
    monkeypatch.setattr(run, "register_case", _registered)
    write_atlas_folder(_default_atlas(), atlas_sources._sri24_folder())
    content = atlas_sources._content_of(read_atlas_folder(atlas_sources._sri24_folder()))
    monkeypatch.setattr(atlas_sources, "_SRI24_CONTENT", content)
    gliofield.open_database(num_tumors=_NUM_TUMORS, num_workers=1)
    write_phantom_patient(folder / "PATIENT", name="PATIENT")
    database = build_database(folder / "tumors", 12, design=PhantomDesign())
    for name, threshold in (("CORE", 0.6), ("WHOLE", 0.2)):
        density = database.cell_density(0)
        write_volume(folder / f"{name}.nii.gz", Volume(density > threshold, database.header.grid))


def _registered(case, atlas, settings, report):
    """What a registration would find, for the patient and the atlas are one brain: a shift."""
    found = register_case(case, atlas, replace(settings, registration="none"), report)
    return replace(found, transform=Transform(atlas_from_patient=_shift()))


def _shift() -> np.ndarray:
    atlas_from_phantom = np.eye(4)
    atlas_from_phantom[:3, 3] = np.subtract(SEED_MM, LESION_CENTER_MM)
    return atlas_from_phantom


def _default_atlas() -> Atlas:
    """The phantom where the default atlas lies."""
    grid, atlas = Grid(PHANTOM_GRID.shape, _shift() @ PHANTOM_GRID.world_from_voxel), phantom_atlas()
    maps = replace(atlas.tissue_maps, grid=grid)
    return replace(atlas, name=DEFAULT_ATLAS, t1=Volume(atlas.t1.data, grid), tissue_maps=maps)
