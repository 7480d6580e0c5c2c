"""The examples keep the laws, do what they say, are short, and run as they stand."""

import importlib.util
import runpy
import sys

import numpy as np
import pytest
from growth_phantoms import uniform_anatomy
from repository import ROOT
from user_folder import as_a_user

from gliofield.anatomy import AtlasSpace
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield.imaging import Observation
from gliofield.progress import ignore_progress
from gliofield.testing import (
    build_phantom_database,
    check_growth_model,
    check_index,
    check_inverse_method,
    phantom_anatomy,
    phantom_tumor,
)

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
_LONGEST = 60


def example(name):
    """An example as a module; workers and pickles find it by its name."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_the_method_keeps_the_laws():
    """A density alone, in the atlas and in the patient."""
    check_inverse_method(example("travel_time_method").TravelTime())


def test_the_index_keeps_the_laws():
    """Prepared in memory."""
    check_index(example("center_index").CenterIndex)


def test_the_growth_model_keeps_the_laws():
    """Whatever its exponent."""
    check_growth_model(example("richards_growth").Richards(exponent=0.3))


def test_paths_through_uniform_tissue_are_distances():
    """Over 26 neighbors no detour is longer than 13 %, and in slow tissue the way is longer."""
    find = example("travel_time_method").shortest_path_mm
    domain = np.ones((15, 15, 15), bool)
    start = np.zeros_like(domain)
    start[7, 7, 7] = True
    distance_mm = 2.0 * np.linalg.norm(np.moveaxis(np.indices(domain.shape), 0, -1) - 7, axis=-1)

    path_mm = find(start, domain, np.ones(domain.shape), 2.0)

    assert np.all(path_mm >= distance_mm - 1e-9)
    assert np.all(path_mm <= 1.13 * distance_mm)
    np.testing.assert_allclose(find(start, domain, np.full(domain.shape, 0.5), 2.0), 2.0 * path_mm)


def test_the_method_spreads_less_into_gray_matter():
    """A ball of tumor at the border of white and gray matter."""
    space = AtlasSpace(anatomy=phantom_anatomy())
    anatomy = space.anatomy
    voxels = np.moveaxis(np.indices(anatomy.grid.shape), 0, -1)
    # In the cortex on the right, with white matter on its inner side.
    whole = (np.linalg.norm(anatomy.grid.world_of(voxels) - (50.0, 0.0, 0.0), axis=-1) < 7.0) & anatomy.domain
    seen = Observation(tumor_core=np.zeros_like(whole), whole_tumor=whole, grid=anatomy.grid, space=space)

    found = example("travel_time_method").TravelTime(decay_length_mm=6.0).estimate(seen, report=ignore_progress)

    inward, outward = (
        found.cell_density.data[tuple(np.rint(anatomy.grid.voxel_of((x, 0.0, 0.0))).astype(int))] for x in (38.0, 62.0)
    )
    assert inward > 2.0 * outward > 0.0


def test_logistic_growth_is_that_of_fisher_and_kolmogorov():
    """With ν = 1 the equation is the same, so volumes agree within the first-order error of the splitting."""
    ours = FisherKolmogorov().simulate(phantom_anatomy(), phantom_tumor(), 180.0).volume_ml(0.2)
    example_of_it = example("richards_growth").Richards(exponent=1.0)

    assert example_of_it.simulate(phantom_anatomy(), phantom_tumor(), 180.0).volume_ml(0.2) == pytest.approx(
        ours, rel=0.1
    )


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.0])
def test_growth_without_diffusion_is_the_richards_curve(exponent):
    """u(t) = [1 + (u₀^−ν − 1) exp(−ρ t)]^(−1/ν), voxel by voxel."""
    anatomy = uniform_anatomy((9, 9, 9))
    still = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.0, proliferation_rate_per_day=0.05, seed_mm=(8.0, 8.0, 8.0)
    )
    solution = example("richards_growth").Richards(exponent=exponent).simulate(anatomy, still, [1e-9, 40.0])

    first, last = solution.cell_density.astype(float)
    seeded = first > 1e-3
    expected = (1.0 + (first[seeded] ** -exponent - 1.0) * np.exp(-2.0)) ** (-1.0 / exponent)
    np.testing.assert_allclose(last[seeded], expected, rtol=1e-4)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_read_in_a_minute(path):
    """Below 60 lines, docstring and use included."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < _LONGEST


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_as_it_stands(path, tmp_path, monkeypatch, capsys):
    """In the folder of a user, with a patient, masks and a database."""
    as_a_user(tmp_path, monkeypatch)

    runpy.run_path(str(path), run_name="__main__")

    assert capsys.readouterr().out.strip()


def test_the_index_finds_what_the_direct_query_calls_near(tmp_path):
    """Equal tumors come first, at distance 0."""
    database = build_phantom_database(tmp_path / "tumors")
    index = example("center_index").CenterIndex(database)
    core, whole = index.masks_of(2)

    best = index.search(Observation(tumor_core=core, whole_tumor=whole, grid=database.header.grid), 1)[0]

    assert best.distance == 0.0
    assert best.dice_flair == 1.0
