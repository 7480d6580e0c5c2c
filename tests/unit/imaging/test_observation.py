"""What was observed and what was answered, each in its space."""

import dataclasses

import numpy as np
import pytest

from gliofield.anatomy import Segmentation
from gliofield.errors import GridMismatchError, ImageError, ParameterError
from gliofield.grid import Grid
from gliofield.imaging import Estimate, InverseMethod, Observation
from gliofield.volume import Volume

GRID = Grid.axis_aligned((4, 4, 4), 10.0, (0.0, 0.0, 0.0))
CORE, WHOLE = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
CORE[1, 1, 1], WHOLE[1, 1, 1:3] = True, True


@dataclasses.dataclass(frozen=True)
class Place:
    """A space of which only name and grid are asked."""

    name: str = "atlas"
    grid: Grid = GRID


def test_volumes_and_modalities_are_those_of_the_masks():
    """A voxel of 10 mm has 1 ml; without a core FLAIR alone is compared."""
    seen = Observation.of(Segmentation(tumor_core=CORE, whole_tumor=WHOLE, grid=GRID))
    without = dataclasses.replace(seen, tumor_core=np.zeros_like(CORE))

    assert (seen.core_ml, seen.whole_ml) == pytest.approx((1.0, 2.0))
    assert (seen.has_core, seen.num_modalities) == (True, 2)
    assert (without.has_core, without.num_modalities) == (False, 1)


def test_a_space_belongs_to_the_grid_of_the_masks():
    """And is asked for where a tumor has to grow."""
    seen = Observation(tumor_core=CORE, whole_tumor=WHOLE, grid=GRID, space=Place())

    assert seen.require_space() == Place()
    with pytest.raises(ParameterError, match="lies in no space: expected the anatomy a tumor can grow in"):
        dataclasses.replace(seen, space=None).require_space()
    with pytest.raises(GridMismatchError, match="space"):
        dataclasses.replace(seen, space=Place(grid=Grid.axis_aligned((4, 4, 4), 5.0, (0.0, 0.0, 0.0))))


def test_an_observation_prints_in_a_line():
    """Volumes, PET and space, no arrays."""
    pet = Volume(np.zeros(GRID.shape, np.float32), GRID)
    text = repr(Observation(tumor_core=CORE, whole_tumor=WHOLE, grid=GRID, pet=pet, space=Place()))

    assert text.startswith(
        "Observation(core 1.00 ml, whole tumor 2.00 ml, with FET-PET, space 'atlas'; shape (4, 4, 4)"
    )
    assert len(text) < 200


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.1, 255.0])
def test_a_density_is_finite_and_relative(value):
    """NaN and other scales are refused where the method made them; rounding is not."""
    density = np.zeros(GRID.shape, np.float32)
    density[0, 0, 0] = value
    with pytest.raises(ImageError, match="cell_density must be finite and lie in"):
        Estimate(cell_density=Volume(density, GRID), space=Place())
    density[0, 0, 0] = 1.0 + 1e-4
    assert Estimate(cell_density=Volume(density, GRID), space=Place()).parameters == {}


def test_a_density_lies_in_its_space():
    """The grid of the answer is the grid of the question."""
    other = Grid.axis_aligned((4, 4, 4), 5.0, (0.0, 0.0, 0.0))
    with pytest.raises(GridMismatchError, match="cell_density"):
        Estimate(cell_density=Volume(np.zeros(other.shape, np.float32), other), space=Place())


def test_a_seed_needs_all_three_coordinates():
    """Two of them are none."""
    density = Volume(np.zeros(GRID.shape, np.float32), GRID)
    seed = {"seed_x_mm": 1.0, "seed_y_mm": 2.0, "seed_z_mm": 3.0}
    estimate = Estimate(cell_density=density, space=Place(), parameters=seed)

    assert estimate.seed_mm == (1.0, 2.0, 3.0)
    assert dataclasses.replace(estimate, parameters={"seed_x_mm": 1.0}).seed_mm is None
    assert repr(estimate).startswith("Estimate(space 'atlas', 3 parameters, 0 candidates; shape")


def test_a_method_is_known_by_what_it_can():
    """Three properties and two functions, whatever the class."""

    class Mine:
        name, references = "mine", ()

        def request_space(self, wanted):
            """Not asked here."""

        def estimate(self, observation, *, report):
            """Not asked here."""

    assert isinstance(Mine(), InverseMethod)
    assert not isinstance(Place(), InverseMethod)
