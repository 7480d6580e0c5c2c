"""How a voxel of moved tissue opens as the domain comes to fill it, and how increments are predicted."""

import numpy as np
import pytest
from mass_effect_phantoms import pushing_tumor, uniform_anatomy_with_skull

from gliofield.growth.mass_effect_evolution import CouplingSettings, MassEffectRun, _Increments
from gliofield.growth.mechanics.stiffness import TissueElasticity

ANATOMY = uniform_anatomy_with_skull(num_voxels=12)
#: A voxel in the middle of the inner box, from which rows of voxels go on along x.
X, Y, Z = 3, 5, 5
VOLUME, DOMAIN = 3, 4


@pytest.fixture(scope="module")
def run():
    """A tumor that has not grown yet, in a ball of white matter."""
    return MassEffectRun(
        ANATOMY.tissue_maps,
        ANATOMY.domain,
        np.zeros(ANATOMY.grid.shape, np.float32),
        pushing_tumor(),
        elasticity=TissueElasticity(),
        settings=CouplingSettings(num_coupling_steps=2, force_tolerance=1e-2, time_step_scale=1.0),
    )


def medium_of(run, *, domain, volume=None):
    """Which voxels of a row are open, and the coefficients of the faces between them, when so much is in each."""
    # The tissue has one voxel of padding around the inner box.
    row = (slice(X + 1, X + 1 + len(domain)), Y + 1, Z + 1)
    tissue = run._tissue.copy()
    tissue[DOMAIN][row] = domain
    if volume is not None:
        tissue[VOLUME][row] = volume
    medium = run._medium_of(tissue)
    start = [part.start - 1 for part in medium.faces.box]
    faces = medium.faces.x[X + 1 - start[0] : X + len(domain) - start[0], Y - start[1], Z - start[2]]
    return medium.domain[X : X + len(domain), Y, Z].tolist(), faces.tolist()


def test_a_voxel_opens_to_cells_from_a_tenth_of_the_domain_on(run):
    """Design 0005: closed up to a tenth, open beyond, whatever the voxel was before."""
    is_open, _ = medium_of(run, domain=[1.0, 0.05, 0.1, 0.11, 0.3, 0.5, 1.0])

    assert is_open == [True, False, False, True, True, True, True]


def test_cells_pass_into_a_voxel_in_proportion_to_how_far_it_has_opened(run):
    """From 0.1 to 1 the diffusivity rises linearly from 0: faces have the harmonic mean of both voxels'."""
    _, faces = medium_of(run, domain=[1.0, 0.55, 0.28, 1.0, 0.1, 1.0])

    # Openings 1, 1/2, 1/5, 1, 0, 1.
    assert faces == pytest.approx([2 / 3, 2 / 7, 1 / 3, 0.0, 0.0], rel=1e-5)


def test_the_domain_counts_as_a_part_of_what_is_in_the_voxel(run):
    """Tissue pressed to half its volume, or thinned to twice, is as open as at rest when all of it is domain."""
    is_open, faces = medium_of(run, domain=[2.0, 0.5, 0.15, 0.5], volume=[2.0, 0.5, 2.0, 5.0])

    assert is_open == [True, True, False, False]
    assert faces == pytest.approx([1.0, 0.0, 0.0])


def predictions(sizes, stretches):
    """What is predicted for each step before its increment, all of one size, is known."""
    increments = _Increments(np.zeros((3, 2, 2, 2), np.float32))
    found = []
    for size, stretch in zip(sizes, stretches, strict=True):
        found.append(float(increments.next(stretch).mean()))
        increments.add(np.full((3, 2, 2, 2), size, np.float32))
    return found


def test_the_first_increments_are_predicted_in_proportion_to_growth():
    """The one before times the stretch; nothing for the first."""
    assert predictions([1.0, 2.0, 4.0, 5.0], [0.0, 1.0, 2.0, 0.5]) == pytest.approx([0.0, 1.0, 4.0, 2.0])


def test_later_increments_are_predicted_by_a_straight_line():
    """Those that grow evenly exactly, also where a step is shorter than the one before."""
    even = predictions([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, *[1.0] * 5])
    # An increment per growth that rises by 1 a step: 4 in the fourth step, whose middle lies 3/4 before that of the
    # fifth, half as long: half of 4.75.
    shorter = predictions([1.0, 2.0, 3.0, 4.0, 2.375], [0.0, 1.0, 1.0, 1.0, 0.5])

    assert even[4:] == pytest.approx([5.0, 6.0])
    assert shorter[4] == pytest.approx(2.375)
