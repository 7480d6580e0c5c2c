"""The benchmark's schemes solve the same equation, so its table compares like with like."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliomap.growth import FisherKolmogorov

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks" / "growth"
ANATOMY = mixed_anatomy((14, 16, 15), 3.0)


@pytest.fixture
def bench(monkeypatch):
    """The benchmark modules, imported from their folder and forgotten again."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("alternatives", "bench_reaction_diffusion")
    yield [importlib.import_module(name) for name in names]
    for name in names:
        sys.modules.pop(name, None)


def test_every_alternative_converges_to_the_solution_of_the_solver(bench):
    """With a step 20 times smaller all agree to 0.01, the first-order schemes included."""
    alternatives, _ = bench
    parameters = tumor_parameters(ANATOMY)
    expected = FisherKolmogorov(time_step_scale=0.05).simulate(ANATOMY, parameters, [60.0]).cell_density[0]

    for name, scheme in alternatives.ALTERNATIVES.items():
        density, evaluations = alternatives.simulate_with(scheme, ANATOMY, parameters, 60.0, 0.05)
        assert np.abs(density - expected).max() < 0.01, name
        assert evaluations > 50, name


def test_the_tables_can_be_printed(bench):
    """Each table has a header and a line per row."""
    _, tables = bench
    tumors = [tables.Tumor(tumor_parameters(ANATOMY), 120.0)]

    assert len(tables.speed_table(ANATOMY, 1)) == 1 + len(tables.TYPICAL)
    assert len(tables.convergence_table(ANATOMY, tumors, (1.0, 2.0))) == 3
    assert len(tables.alternatives_table(ANATOMY, tumors, (1.0,))) == 1 + 6
