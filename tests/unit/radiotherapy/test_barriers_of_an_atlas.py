"""Walls of the MNI152 atlas, which needs no network, at places whose anatomy is known [mm, RAS+]."""

import numpy as np
import pytest

from gliofield.anatomy import load_atlas
from gliofield.radiotherapy import find_barriers, geodesic_distance_mm
from gliofield.radiotherapy.barriers import BELOW_TENTORIUM, BRIDGE, LEFT, RIGHT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found():
    """Barriers of MNI152."""
    return find_barriers(load_atlas("mni152").tissue_maps)


def voxel(found, point_mm):
    """The voxel at a place."""
    return tuple(np.rint(found.grid.voxel_of(point_mm)).astype(int))


@pytest.mark.parametrize(
    ("place", "point_mm", "compartment"),
    [
        ("left frontal lobe", (-20, 40, 20), LEFT),
        ("right frontal lobe", (20, 40, 20), RIGHT),
        ("left side of the fissure", (-5, 40, 40), LEFT),
        ("right side of the fissure", (5, 40, 40), RIGHT),
        ("left occipital pole", (-15, -90, 0), LEFT),
        ("left fusiform gyrus, above the tentorium", (-35, -50, -14), LEFT),
        ("left cerebellum", (-20, -60, -40), BELOW_TENTORIUM),
        ("vermis", (0, -65, -20), BELOW_TENTORIUM),
        ("pons", (0, -28, -35), BELOW_TENTORIUM),
        ("body of the corpus callosum", (0, 2, 25), BRIDGE),
        ("splenium", (0, -36, 14), BRIDGE),
        ("midbrain", (0, -26, -18), BRIDGE),
    ],
)
def test_anatomy_lies_in_its_compartment(found, place, point_mm, compartment):
    """As an atlas of anatomy has it."""
    assert found.compartments[voxel(found, point_mm)] == compartment, place


def test_ventricles_have_the_volume_of_ventricles(found):
    """With the cisterns around the midbrain between 15 and 60 ml, none of it near the outer surface."""
    assert 15.0 < np.count_nonzero(found.ventricles) * found.grid.voxel_volume_ml < 60.0
    sides = np.argwhere(found.ventricles)
    assert np.abs(found.grid.world_of(sides)[:, 0]).max() < 45.0


def test_the_way_to_the_other_side_of_the_fissure_leads_around_the_falx(found):
    """From one medial frontal gyrus to the other, 10 mm apart: down to the callosum and up again."""
    source = np.zeros(found.grid.shape, bool)
    source[voxel(found, (-5, 40, 40))] = True

    way = geodesic_distance_mm(
        source, found.region, found.grid.spacing_mm, compartments=found.compartments, largest_mm=90.0
    )

    assert way[voxel(found, (5, 40, 40))] > 45.0
    assert way[voxel(found, (-12, 40, 40))] < 9.0
