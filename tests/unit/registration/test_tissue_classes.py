"""Three tissue classes by intensity."""

import numpy as np
import pytest
from deformed_phantom import layered_tissue_maps
from phantom_brain import GRID, phantom_t1

from gliofield.errors import ImageError
from gliofield.registration.tissue_classes import CSF, GRAY_MATTER, WHITE_MATTER, t1_tissue_classes
from gliofield.volume import Volume


def test_the_classes_of_a_noisy_image_are_its_tissues(rng):
    """With noise of a fifth of the gray-white contrast, over 95 % of each tissue get its own label."""
    maps = layered_tissue_maps()
    noisy = phantom_t1(maps).data + rng.normal(0.0, 14.0, GRID.shape).astype(np.float32)

    labels = t1_tissue_classes(Volume(noisy, GRID), maps.brain).data

    assert np.mean(labels[maps.white_matter == 1] == WHITE_MATTER) > 0.95
    assert np.mean(labels[maps.gray_matter == 1] == GRAY_MATTER) > 0.95
    assert np.mean(labels[maps.csf == 1] == CSF) > 0.95
    assert not labels[~maps.brain].any()


def test_scale_and_shift_of_the_intensities_do_not_matter():
    """a·I + b has the classes of I."""
    maps = layered_tissue_maps()
    image = phantom_t1(maps)

    scaled = t1_tissue_classes(Volume(3.0 * image.data - 100.0, GRID), maps.brain)

    assert np.array_equal(scaled.data, t1_tissue_classes(image, maps.brain).data)


def test_an_image_without_contrast_has_no_classes():
    """A constant image and an empty region are refused."""
    constant = Volume(np.ones((3, 3, 3)), GRID.axis_aligned((3, 3, 3), 1.0, (0, 0, 0)))
    for region in (np.ones((3, 3, 3), dtype=bool), np.zeros((3, 3, 3), dtype=bool)):
        with pytest.raises(ImageError, match="expected an image with contrast"):
            t1_tissue_classes(constant, region)
