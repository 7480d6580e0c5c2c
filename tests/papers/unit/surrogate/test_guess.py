"""The physical guess: ways of least time, and the radial solution, against what is known of both."""

import numpy as np
import pytest
from mass_effect_phantoms import uniform_anatomy_with_skull

from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield_papers.surrogate.guess import _DIRECTIONS, NO_TUMOR, guess_logits, seed_shells, travel_times
from gliofield_papers.surrogate.guess import radial_densities as radial

CENTER = np.array([8.0, 8.0, 8.0])


def times_through(conductance, seed=CENTER):
    return travel_times(conductance, seed, _DIRECTIONS, 1.8)


def test_in_uniform_tissue_the_time_is_the_distance():
    """3 % too long on average, 16 % where the second step bends the way; a tenth of D takes √10 times as long."""
    seed = CENTER + (0.3, -0.2, 0.4)
    distance = np.linalg.norm(np.moveaxis(np.indices((17, 17, 17)), 0, -1) - seed, axis=-1)
    times = times_through(np.ones((17, 17, 17)), seed)

    assert np.all(times >= distance * (1.0 - 1e-9))
    assert np.all(times <= distance * 1.16)
    assert np.mean(times / distance) < 1.04
    np.testing.assert_allclose(times_through(np.full((17, 17, 17), 0.1), seed), times * np.sqrt(10.0), rtol=1e-9)


def test_ways_lead_around_csf():
    """Behind a wall with a window the way is longer than the straight one; behind a closed one there is none."""
    open_, closed = np.ones((17, 17, 17)), np.ones((17, 17, 17))
    open_[11, 2:] = 0.0
    closed[11] = 0.0

    assert times_through(open_)[14, 8, 8] > 10.0
    assert not np.isfinite(times_through(closed)[12:]).any()
    assert np.isfinite(times_through(closed)[:11]).all()


def test_the_fastest_way_keeps_to_white_matter():
    """A bent road of white matter beats the straight way through gray matter."""
    conductance = np.full((17, 17, 17), 0.1)
    straight = times_through(conductance)[14, 8, 8]
    conductance[8, 8:12, 8] = conductance[8:15, 11, 8] = conductance[14, 8:12, 8] = 1.0

    assert times_through(conductance)[14, 8, 8] < 0.75 * straight


def test_no_cells_are_lost_without_proliferation():
    """Diffusion keeps the mass of the seed."""
    seed = seed_shells(100, 1.0)
    volumes = np.diff(np.arange(101.0) ** 3)
    grown = radial(np.array([0.01, 0.1]), 1e-9, 300.0, seed, 1.0)

    np.testing.assert_allclose(grown @ volumes, seed @ volumes, rtol=1e-5)
    assert np.all(grown[1, :1] < grown[0, :1])


def test_the_front_runs_as_fast_as_the_theory_says():
    """2 √(D ρ), less the slowdown of a young round front, for which 15 % are left."""
    seed, places = seed_shells(200, 0.5), []
    for days in (400.0, 800.0):
        (density,) = radial(np.array([0.06]), 0.03, days, seed, 0.5)
        places.append(0.5 * np.count_nonzero(density > 0.5))
    speed = (places[1] - places[0]) / 400.0

    assert 0.85 < speed / (2.0 * np.sqrt(0.06 * 0.03)) < 1.0


@pytest.mark.parametrize("days", [300.0, 900.0])
def test_in_uniform_tissue_the_guess_is_the_solvers_tumor(days):
    """Dice at 0.2 and 0.4 in a ball of white matter, where only the steps of the ways and of the grid differ."""
    anatomy = uniform_anatomy_with_skull(24, 3.75)
    white = anatomy.white_matter
    seed = tuple(float(mm) for mm in anatomy.grid.world_of(np.array([12.0, 12.0, 12.0])))
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.04, proliferation_rate_per_day=0.015, seed_mm=seed
    )
    truth = FisherKolmogorov().simulate(anatomy, parameters, [days]).cell_density[0]
    tissues = np.stack([white, np.zeros_like(white), 1.0 - white])
    logits = guess_logits(
        tissues, np.zeros(3), np.array([[0.04, 0.015, days]]), spacing_mm=3.75, diffusivity_ratio=10.0
    )[0]
    density = 1.0 / (1.0 + np.exp(-logits))

    assert np.all(logits[~anatomy.domain] == NO_TUMOR)
    for level in (0.2, 0.4):
        own, true = density > level, truth > level
        assert true.any()
        assert 2.0 * (own & true).sum() / (own.sum() + true.sum()) > 0.8
