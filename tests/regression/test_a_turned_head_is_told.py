"""Symptom: arrays saved with an identity affine put the lesion 70 to 110 mm off, and no concern was raised.

Cause: the overlap of the brains was measured after the deformation, which bends a wrong head until it fits.
Guard: the affine stage is judged by the shapes of the brains, and by what the header's turns would lead to.
"""

import dataclasses

import numpy as np
from egg_brain import EGG_GRID, egg_brain, turned
from phantom_brain import phantom_atlas

import gliofield
from gliofield.anatomy import Atlas, Segmentation, TissueMaps
from gliofield.grid import Grid
from gliofield.pipeline import Case, PersonalizationSettings
from gliofield.volume import Volume


def _egg_atlas() -> Atlas:
    brain = egg_brain().data
    white = np.where(brain, 0.6, 0.0).astype(np.float32)
    maps = TissueMaps(white_matter=white, gray_matter=white / 2, csf=white / 6, brain=brain, grid=EGG_GRID)
    return dataclasses.replace(phantom_atlas(), t1=Volume(_image(brain), EGG_GRID), tissue_maps=maps)


def _image(brain):
    noise = np.random.default_rng(0).normal(0.0, 20.0, brain.shape)
    return np.where(brain, 200.0 + noise, 0.0).astype(np.float32)


def _patient(grid: Grid) -> Case:
    brain = egg_brain().data
    image = Volume(_image(brain), grid).to_ras()
    whole = np.zeros(brain.shape, dtype=bool)
    whole[30:36, 30:36, 24:30] = True
    outline = Volume(whole, grid).to_ras()
    masks = Segmentation(tumor_core=np.zeros_like(outline.data), whole_tumor=outline.data, grid=outline.grid)
    return Case(images={"t1": image}, segmentation=masks, brain=image.data != 0, stored_grid=grid, file_hashes={})


def test_a_head_under_a_turned_header_is_not_to_be_used():
    """The right one raises nothing about its orientation; that turned about the vertical axis is told."""
    half_turn = np.diag([-1.0, -1.0, 1.0])
    results = [
        gliofield.personalize(
            _patient(grid),
            method="whole-margin",
            atlas=_egg_atlas(),
            settings=PersonalizationSettings(registration="none"),
        )
        for grid in (EGG_GRID, turned(EGG_GRID, half_turn))
    ]
    names = [[concern.name for concern in result.concerns] for result in results]

    assert "orientation" not in names[0]
    assert names[1][0] == "orientation"
    assert results[1].verdict == "do-not-use"
    assert "180 degrees about the axis from feet to head" in results[1].concerns[0].text
