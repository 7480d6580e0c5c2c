"""Symptom: label images of other projects were taken for BraTS; core and edema changed places without a word.

Cause: the scheme was guessed from the set of labels, which several schemes share.
Guard: what cannot be told is asked; where the "core" surrounds the "edema" there is a concern.
"""

import numpy as np
import pytest

from gliofield.anatomy import segmentation_from_labels
from gliofield.concern import verdict_of
from gliofield.errors import SegmentationError
from gliofield.grid import Grid
from gliofield.pipeline import Case, check_case
from gliofield.volume import Volume

GRID = Grid.axis_aligned((60, 60, 60), 1.0, (0.0, 0.0, 0.0))
RADIUS = np.sqrt(((np.indices(GRID.shape) - 29.5) ** 2).sum(axis=0))
NECROTIC, ENHANCING, EDEMA = RADIUS < 6, (RADIUS >= 6) & (RADIUS < 10), (RADIUS >= 10) & (RADIUS < 24)


def labels(necrotic, enhancing, edema) -> Volume:
    values = np.where(NECROTIC, necrotic, np.where(ENHANCING, enhancing, np.where(EDEMA, edema, 0)))
    return Volume(values.astype(np.float32), GRID)


@pytest.mark.parametrize(
    "values",
    [(2, 3, 1), (2, 2, 1), (2, 1, 4), (1, 1, 1)],
    ids=["nnU-Net and MSD Task01", "HD-GLIO", "BraTS-PED without cyst", "one label"],
)
def test_core_and_edema_do_not_change_places_in_silence(values):
    """Each is a concern to be checked."""
    outlines = segmentation_from_labels(labels(*values))
    case = Case(images={}, segmentation=outlines, brain=RADIUS < 29, stored_grid=GRID, file_hashes={})
    found = check_case(case)

    assert [concern.name for concern in found.concerns] == ["core-on-surface"]
    assert verdict_of(found.concerns) == "check"


@pytest.mark.parametrize("values", [(4, 4, 2), (3, 1, 4), (4, 3, 2)], ids=["cavity alone", "cyst", "cavity and rest"])
def test_what_cannot_be_told_is_asked(values):
    """The message says what to give."""
    with pytest.raises(SegmentationError, match="--labels"):
        segmentation_from_labels(labels(*values))


def test_right_labels_raise_nothing():
    """BraTS 2021 and 2023."""
    for values in ((1, 4, 2), (1, 3, 2)):
        outlines = segmentation_from_labels(labels(*values))
        case = Case(images={}, segmentation=outlines, brain=RADIUS < 29, stored_grid=GRID, file_hashes={})
        assert check_case(case).concerns == ()
