"""The picture of a posterior's maps."""

import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_labels, phantom_t1, phantom_tissue_maps, radius_in

from gliofield.anatomy import segmentation_from_labels
from gliofield.errors import GridMismatchError
from gliofield.grid import Grid
from gliofield.report.uncertainty_figure import uncertainty_figure
from gliofield.volume import Volume

BRAIN = phantom_tissue_maps()
VALUES = np.clip(1.2 - radius_in(GRID, LESION_CENTER_MM, 25.0), 0, 1).astype(np.float32) * BRAIN.brain


def drawn(maps):
    return uncertainty_figure(
        background=phantom_t1(BRAIN),
        segmentation=segmentation_from_labels(phantom_labels()),
        maps=maps,
        brain=BRAIN.brain,
        title="phantom",
    )


def test_each_map_has_three_planes_and_a_scale():
    """One row each of mean, standard deviation and P; other maps are left out."""
    maps = {name: Volume(VALUES, GRID) for name in ("mean", "std", "probability_flair", "probability_t1gd")}
    figure = drawn(maps)

    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels == ["mean density", "standard deviation", "P(density > FLAIR threshold)"]
    assert len(figure.axes) == 12
    figure.canvas.draw()


def test_maps_of_another_grid_are_refused():
    """As in the overview."""
    other = Grid.axis_aligned(GRID.shape, 4.0, (0.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="image"):
        drawn({"mean": Volume(VALUES, other)})
