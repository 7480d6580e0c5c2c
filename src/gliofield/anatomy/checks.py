"""Whether an image can be what it is said to be: checks at the border, before any work is done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gliofield.box import box_of, slices_of
from gliofield.errors import ImageError
from gliofield.volume import Volume

# Adult brains with ventricles are 1.0-2.0 l; these limits only catch a wrong kind of image.
_SMALLEST_BRAIN_ML = 400.0
_LARGEST_BRAIN_ML = 2600.0


def require_structural_image(name: str, image: Volume) -> None:
    """Raise `ImageError` unless the image has at least two different values."""
    low, high = float(image.data.min()), float(image.data.max())
    if low == high:
        raise ImageError(
            f"{name}: the image is constant (all voxels are {low:g}): expected a brain image. "
            "Check that the file is the right one and was converted correctly."
        )


def brain_of(name: str, image: Volume) -> NDArray[np.bool_]:
    """Brain mask of a skull-stripped image: its largest non-zero component, holes filled, shape (X, Y, Z).

    Raises
    ------
    ImageError
        If that volume is no brain's (below 400 ml or above 2,600 ml), as for images with skull.
    """
    from scipy import ndimage  # takes longer to import than a refusal in all

    shown = image.data != 0
    window = slices_of(box_of(shown))
    labels, num_components = ndimage.label(shown[window])
    if num_components == 0:
        raise ImageError(f"{name}: all voxels are 0, so there is no brain in the image.")
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    brain = np.zeros(shown.shape, dtype=bool)
    # Filling needs the outside in one piece, so a layer of it around.
    brain[window] = ndimage.binary_fill_holes(np.pad(labels == largest, 1))[1:-1, 1:-1, 1:-1]
    require_brain_size(name, brain, image)
    return brain


def require_brain_size(name: str, brain: NDArray[np.bool_], image: Volume) -> None:
    """Raise `ImageError` unless the mask's volume is between 400 and 2,600 ml."""
    volume_ml = float(np.count_nonzero(brain)) * image.grid.voxel_volume_ml
    if not _SMALLEST_BRAIN_ML <= volume_ml <= _LARGEST_BRAIN_ML:
        raise ImageError(
            f"{name}: the brain (non-zero voxels) has {volume_ml:.0f} ml: expected "
            f"{_SMALLEST_BRAIN_ML:.0f} to {_LARGEST_BRAIN_ML:.0f} ml. Images must be skull-stripped with 0 outside the "
            "brain and cover the whole brain; a brain mask can be given instead (--brain-mask)."
        )
