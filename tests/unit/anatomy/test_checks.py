import numpy as np
import pytest
from phantom_brain import GRID, phantom_t1, phantom_tissue_maps

from gliofield.anatomy.checks import brain_of, require_brain_size, require_structural_image
from gliofield.errors import ImageError
from gliofield.volume import Volume


def test_the_brain_is_the_largest_component_with_its_holes_filled():
    """A stray voxel is dropped and a dark voxel inside the brain is kept."""
    image = phantom_t1(phantom_tissue_maps())
    data = image.data.copy()
    data[0, 0, 0] = 5.0
    data[22, 25, 20] = 0.0

    brain = brain_of("t1", Volume(data, GRID))

    assert not brain[0, 0, 0]
    assert np.array_equal(brain, image.data > 0)


def test_negative_intensities_belong_to_the_brain():
    """Resampled images ring below 0 inside the brain; only exact 0 is background."""
    image = phantom_t1(phantom_tissue_maps())
    data = np.where(image.data > 0, image.data - 100.0, 0.0).astype(np.float32)

    assert np.array_equal(brain_of("t1", Volume(data, GRID)), image.data > 0)


def test_an_image_with_skull_is_refused():
    """A field of view without zeros is no skull-stripped brain."""
    with pytest.raises(ImageError, match="skull-stripped"):
        brain_of("t1", Volume(np.full(GRID.shape, 7.0, dtype=np.float32), GRID))


def test_a_brain_mask_of_a_few_voxels_is_refused():
    """A mask of 0.1 ml cannot be a brain."""
    mask = np.zeros(GRID.shape, dtype=bool)
    mask[:2, 0, 0] = True

    with pytest.raises(ImageError, match="400 to 2600 ml"):
        require_brain_size("mask", mask, Volume(mask, GRID))


def test_an_empty_image_holds_no_brain():
    """All voxels 0: said so."""
    with pytest.raises(ImageError, match="no brain"):
        brain_of("t1", Volume(np.zeros(GRID.shape, dtype=np.float32), GRID))


def test_a_constant_image_is_refused():
    """One gray value everywhere is not an image of a brain."""
    with pytest.raises(ImageError, match="constant"):
        require_structural_image("t1", Volume(np.full(GRID.shape, 3.0, dtype=np.float32), GRID))
