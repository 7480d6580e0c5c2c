"""The benchmarks compare like with like: their schemes solve the same equation, their runs are those of the solver."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliofield.growth import FisherKolmogorov

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks" / "growth"
ANATOMY = mixed_anatomy((14, 16, 15), 3.0)


@pytest.fixture
def bench(monkeypatch):
    """The benchmark modules, imported from their folder and forgotten again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("alternatives", "bench_reaction_diffusion", "bench_floor_and_published")
    yield [importlib.import_module(name) for name in names]
    for name in (*names, "benchmark_tumors"):
        sys.modules.pop(name, None)


def test_every_alternative_converges_to_the_solution_of_the_solver(bench):
    """With a step 20 times smaller all agree to 0.01, the first-order schemes included."""
    alternatives, *_ = bench
    parameters = tumor_parameters(ANATOMY)
    expected = FisherKolmogorov(time_step_scale=0.05).simulate(ANATOMY, parameters, [60.0]).cell_density[0]

    for name, scheme in alternatives.ALTERNATIVES.items():
        density, evaluations = alternatives.simulate_with(scheme, ANATOMY, parameters, 60.0, 0.05)
        assert np.abs(density - expected).max() < 0.01, name
        assert evaluations > 50, name


def test_the_tables_can_be_printed(bench):
    """Each table has a header and a line per row."""
    _, tables, _ = bench
    tumors = [tables.Tumor(tumor_parameters(ANATOMY), 120.0)]

    assert len(tables.speed_table(ANATOMY, 1)) == 1 + len(tables.TYPICAL)
    assert len(tables.thread_table(ANATOMY, 2, 1)) == 1 + 3
    assert len(tables.convergence_table(ANATOMY, tumors, (1.0, 2.0))) == 3
    assert len(tables.alternatives_table(ANATOMY, tumors, (1.0,))) == 1 + 6


def test_the_default_floor_in_the_benchmark_is_the_solver(bench):
    """The run whose floor can be chosen equals `simulate` bit for bit at the default, and a high floor shrinks it."""
    *_, floors = bench
    tumor = floors.Tumor(tumor_parameters(ANATOMY), 120.0)
    solution = tumor.solve(FisherKolmogorov(), ANATOMY)

    density, num_voxel_steps = floors.grow_with_floor(ANATOMY, tumor, floors.DENSITY_FLOOR)
    smaller, fewer = floors.grow_with_floor(ANATOMY, tumor, 1e-2)

    np.testing.assert_array_equal(density, solution.cell_density[0])
    assert num_voxel_steps == solution.num_voxel_steps
    assert fewer < num_voxel_steps
    assert 0 < np.count_nonzero(smaller) < np.count_nonzero(density)
    assert len(floors.floor_table(ANATOMY, [tumor], (1e-12, 1e-4))) == 1 + 2 + 1


def test_the_published_scheme_falls_behind_where_its_step_is_long(bench):
    """Short steps give nearly the converged volume, ρ Δt ≈ 1 less than half of it; both tables have a line per row."""
    *_, floors = bench
    short = floors.Tumor(tumor_parameters(ANATOMY, d=0.9, rho=0.06), 100.0)
    long = floors.Tumor(tumor_parameters(ANATOMY, d=0.3, rho=0.2), 50.0)

    comparisons = [floors.compare_with_published(ANATOMY, tumor) for tumor in (short, long)]

    for comparison, growth_per_step in zip(comparisons, (0.99 * 9 * 0.06 / 5.4, 0.99 * 9 * 0.2 / 1.8), strict=True):
        assert comparison.growth_per_step == pytest.approx(growth_per_step)
    ratios = [c.converged_later_ml[0] / c.published_ml[0] for c in comparisons]
    assert 1.0 < ratios[0] < 1.1
    assert ratios[1] > 2.0
    assert len(floors.ratio_table(comparisons)) == 1 + 4
    assert len(floors.growth_per_step_table(comparisons)) == 1 + 2
