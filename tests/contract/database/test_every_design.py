"""What holds for every registered design."""

import dataclasses

import numpy as np
import pytest
from growing_ball import ball_anatomy

from gliofield.database import DEFAULT_DESIGN, design_names, named_design
from gliofield.database.design import AttemptRng
from gliofield.database.schema import describe_settings


@pytest.mark.parametrize("name", design_names())
@pytest.mark.parametrize("snapshots_per_run", [1, 3])
def test_draws_can_be_simulated(name, snapshots_per_run):
    """As many strictly increasing positive times as snapshots, and a seed in the domain."""
    design, anatomy = named_design(name, snapshots_per_run=snapshots_per_run), ball_anatomy()
    for run in range(50):
        draw = design.draw(AttemptRng(0, run, 0), anatomy)
        assert len(draw.times_days) == snapshots_per_run
        assert np.all(np.diff((0.0, *draw.times_days)) > 0)
        voxel = np.rint(anatomy.grid.voxel_of(draw.parameters.seed_mm)).astype(int)
        assert anatomy.domain[tuple(voxel)]


@pytest.mark.parametrize("name", design_names())
def test_draws_depend_on_the_generator_alone(name):
    """The same seed, run and attempt give the same draw; the next attempt another."""
    design, anatomy = named_design(name), ball_anatomy()
    assert design.draw(AttemptRng(5, 1, 0), anatomy) == design.draw(AttemptRng(5, 1, 0), anatomy)
    assert design.draw(AttemptRng(5, 1, 0), anatomy) != design.draw(AttemptRng(5, 1, 1), anatomy)


@pytest.mark.parametrize("name", design_names())
def test_every_setting_is_recorded(name):
    """The header tells two designs apart that differ in any setting."""
    description = describe_settings(named_design(name))
    assert description["name"] == name
    assert set(description["settings"]) == {field.name for field in dataclasses.fields(named_design(name))}


def test_the_default_exists():
    """The default's name is the first."""
    assert DEFAULT_DESIGN == design_names()[0]
