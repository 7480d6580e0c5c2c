"""What each design draws and accepts; what all share is in tests/contract."""

import dataclasses
import math

import numpy as np
import pytest
from growing_ball import ball_anatomy
from scipy.stats import triang
from scipy.stats.qmc import discrepancy

from gliofield.database import ClinicalDesign, TumorDraw, named_design
from gliofield.database.clinical_design import scaled_time_of_reach, smallest_reach_mm
from gliofield.database.design import AttemptRng, seed_at
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorovParameters
from gliofield_papers.queries.papers_design import PapersDesign

# 1 ml voxels, so volumes are counts.
ML_GRID = Grid.axis_aligned((10, 10, 10), 10.0, (0, 0, 0))


def _tumor(num_core: int, num_whole: int) -> np.ndarray:
    """One snapshot (1, X, Y, Z) with so many voxels at 0.9 and, including those, above 0.3."""
    density = np.zeros(1000, dtype=np.float32)
    density[:num_whole] = 0.3
    density[:num_core] = 0.9
    return density.reshape(1, 10, 10, 10)


def _drawn_with(*thresholds: float) -> TumorDraw:
    """A draw of which only the filter thresholds matter."""
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.1, proliferation_rate_per_day=0.1, seed_mm=(0.0, 0.0, 0.0)
    )
    times_days = tuple(1.0 + index for index in range(len(thresholds)))
    return TumorDraw(parameters=parameters, times_days=times_days, filter_thresholds=thresholds)


def test_the_clinical_filter_keeps_what_patients_show():
    """Core 0.5-190 ml, whole 3-250 ml, ratio at most 40 here."""
    design = ClinicalDesign(max_whole_to_core_ratio=40.0)
    sizes = {(1, 3): True, (1, 40): True, (189, 249): True, (0, 30): False, (1, 2): False, (1, 41): False,
             (191, 200): False, (190, 251): False}  # fmt: skip
    assert {size: design.accepts(_drawn_with(0.0), _tumor(*size), ML_GRID) for size in sizes} == sizes


@pytest.mark.parametrize("design", [ClinicalDesign(snapshots_per_run=2), PapersDesign(snapshots_per_run=2)])
def test_one_bad_snapshot_rejects_the_run(design):
    """Snapshots are taken or left together."""
    good, bad = _tumor(30, 60), _tumor(0, 0)
    draw = _drawn_with(0.6, 0.6)
    assert design.accepts(draw, np.concatenate([good, good]), ML_GRID)
    assert not design.accepts(draw, np.concatenate([bad, good]), ML_GRID)


def test_clinical_draws_have_the_front_speed_and_lengths_asked_for():
    """log λ is triangular, v is fixed, and the time is that of a reach in the range."""
    design, anatomy = ClinicalDesign(), ball_anatomy()
    draws = [design.draw(AttemptRng(0, run, 0), anatomy) for run in range(300)]
    lengths_mm = np.array([draw.parameters.infiltration_length_mm for draw in draws])
    np.testing.assert_allclose([draw.parameters.front_speed_mm_per_day for draw in draws], 0.1, rtol=1e-12)
    assert lengths_mm.min() >= 0.5
    assert lengths_mm.max() <= 12.0
    # 300 evenly spread draws hold the quantiles of the distribution to a few percent.
    low, mode, high = np.log(design.infiltration_length_mm)
    expected = triang(c=(mode - low) / (high - low), loc=low, scale=high - low).ppf([0.1, 0.5, 0.9])
    np.testing.assert_allclose(np.quantile(np.log(lengths_mm), [0.1, 0.5, 0.9]), expected, atol=0.03)
    for draw, length_mm in zip(draws, lengths_mm, strict=True):
        earliest, latest = (scaled_time_of_reach(reach, length_mm, 0.2) for reach in (8.0, 60.0))
        scaled_time = draw.times_days[0] * draw.parameters.proliferation_rate_per_day
        assert earliest * (1 - 1e-9) <= scaled_time <= latest * (1 + 1e-9)


@pytest.mark.parametrize("length_mm", [0.4, 1.0, 3.0, 12.0, 30.0])
@pytest.mark.parametrize("reach_mm", [4.0, 9.0, 60.0])
def test_scaled_times_solve_the_linear_theory(length_mm, reach_mm):
    """Put into the formula of the module, τ gives the reach back."""
    tau = scaled_time_of_reach(reach_mm, length_mm, 0.2)
    bracket = tau + math.log(31.2 / 0.2) - 1.5 * math.log(4 * math.pi * length_mm**2 * tau)
    assert math.sqrt(4 * length_mm**2 * tau * bracket) == pytest.approx(reach_mm, rel=1e-9)


def test_generators_differ_by_seed_run_and_attempt():
    """Every combination draws its own numbers, and the same combination the same."""
    first = {key: AttemptRng(*key).random() for key in np.ndindex(3, 3, 3)}
    assert len(set(first.values())) == 27
    assert AttemptRng(1, 2, 0).random() == first[1, 2, 0]


def test_the_smallest_reach_is_that_of_the_earliest_time():
    """No λ reaches further at τ = 3/2, and some λ reaches that far."""
    for threshold in (0.2, 0.05):
        lengths_mm = np.geomspace(0.1, 10.0, 20_001)
        bracket = 1.5 + np.log(31.2 / threshold) - 1.5 * np.log(6 * np.pi * lengths_mm**2)
        furthest_mm = np.sqrt(np.max(6 * lengths_mm**2 * bracket))
        assert smallest_reach_mm(threshold) == pytest.approx(furthest_mm, rel=1e-6)


@pytest.mark.parametrize("num_dimensions", [1, 3, 6])
def test_points_of_consecutive_runs_fill_the_cube_evenly(num_dimensions):
    """Their discrepancy is less than half of that of independent points, also when runs start anywhere."""
    for first_run in (0, 123_456_789):
        runs = range(first_run, first_run + 256)
        points = np.array([AttemptRng(4, run, 0).low_discrepancy_point(num_dimensions) for run in runs])
        independent = np.array([AttemptRng(4, run, 0).random(num_dimensions) for run in runs])
        assert points.min() >= 0.0
        assert points.max() < 1.0
        # L2 discrepancies; their squares for random points are about 1/n.
        assert discrepancy(points) < 0.5 * discrepancy(independent)


def test_points_depend_on_run_and_attempt_alone():
    """Whoever asks gets the same point; rejected attempts and other seeds lie elsewhere in the cube."""
    points = {key: tuple(AttemptRng(*key).low_discrepancy_point(5)) for key in np.ndindex(2, 3, 3)}
    assert len(set(points.values())) == 18
    assert tuple(AttemptRng(1, 2, 2).low_discrepancy_point(5)) == points[1, 2, 2]
    used = AttemptRng(1, 2, 0)
    used.random(7)
    assert tuple(used.low_discrepancy_point(5)) == points[1, 2, 0]


def test_every_number_of_a_point_is_spread_along_its_axis():
    """No clumps and no holes: the largest gap between 2,000 numbers is at most 8 times their mean distance."""
    points = np.array([AttemptRng(0, run, 0).low_discrepancy_point(8) for run in range(2000)])
    gaps = np.diff(np.sort(points, axis=0), axis=0, append=1.0 + points.min(axis=0, keepdims=True))
    assert 2000 * gaps.max() < 8.0


def test_runs_that_are_drawn_again_are_spread_anew():
    """Runs rejected for one number of their point get any number the next time."""
    rejected = [run for run in range(2000) if AttemptRng(3, run, 0).low_discrepancy_point(5)[4] < 0.1]
    again = [AttemptRng(3, run, 1).low_discrepancy_point(5)[4] for run in rejected]
    counts, _ = np.histogram(again, bins=5, range=(0.0, 1.0))
    assert counts.min() > 0.5 * len(rejected) / 5


@pytest.mark.parametrize("num_dimensions", [0, 17])
def test_points_have_1_to_16_dimensions(num_dimensions):
    """Others are refused."""
    with pytest.raises(ParameterError, match="num_dimensions must be 1 to 16"):
        AttemptRng(0, 0, 0).low_discrepancy_point(num_dimensions)


def test_seeds_need_tissue_they_may_lie_in():
    """Gray matter alone, and a design that seeds white matter alone."""
    anatomy = ball_anatomy()
    gray = dataclasses.replace(anatomy, white_matter=0 * anatomy.white_matter, gray_matter=1.0 * anatomy.domain)
    with pytest.raises(DatabaseError, match="seeds lie in white matter alone, of which this anatomy has none"):
        seed_at(np.full(3, 0.5), gray, 0.0)


def test_seeds_lie_in_tissue_by_its_weight():
    """Seeds fill the domain; with a weight of ¼ gray matter gets a quarter of the white matter's density."""
    anatomy = ball_anatomy()
    for weight, share in ((1.0, 0.5), (0.25, 0.8), (0.0, 1.0)):
        points = [AttemptRng(0, run, 0).low_discrepancy_point(3) for run in range(1000)]
        seeds_mm = np.array([seed_at(point, anatomy, weight) for point in points])
        voxels = np.rint(anatomy.grid.voxel_of(seeds_mm)).astype(int)
        assert anatomy.domain[tuple(voxels.T)].all()
        assert np.mean(anatomy.white_matter[tuple(voxels.T)]) == pytest.approx(share, abs=0.02)
        # Within white matter every eighth holds an eighth.
        white = seeds_mm[anatomy.white_matter[tuple(voxels.T)] > 0.5]
        octant = (white > np.median(white, axis=0)) @ [1, 2, 4]
        np.testing.assert_allclose(np.bincount(octant, minlength=8) / len(white), 1 / 8, atol=0.03)


def test_the_very_last_place_is_a_place():
    """A point that rounding takes to the end of the unit cube still lies in the domain."""
    anatomy = ball_anatomy()
    seed_mm = seed_at(np.full(3, np.nextafter(1.0, 0.0)), anatomy, 1.0)
    assert anatomy.domain[tuple(np.rint(anatomy.grid.voxel_of(seed_mm)).astype(int))]


def test_unknown_designs_name_the_known_ones():
    """A typing error finds its way."""
    with pytest.raises(ParameterError, match=r"design 'clincal' is unknown: .*Did you mean 'clinical'\?"):
        named_design("clincal")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClinicalDesign(flair_threshold=0.01), "reach_mm must start at 10.1. mm or more"),
        (lambda: ClinicalDesign(reach_mm=(3.0, 20.0, 60.0)), "reach_mm must start at 3.72 mm or more"),
        (
            lambda: ClinicalDesign(infiltration_length_mm=(2.0, 1.0, 3.0)),
            "infiltration_length_mm must be .low, mode, high.",
        ),
        (
            lambda: ClinicalDesign(infiltration_length_mm=(2.0, 2.0, 2.0)),
            "infiltration_length_mm must be .low, mode, high.",
        ),
        (lambda: ClinicalDesign(gray_matter_seed_weight=-0.1), "gray_matter_seed_weight must be finite"),
        (lambda: ClinicalDesign(push_pa=(5.0, 4.0)), "push_pa must be None or .low, high."),
        (lambda: PapersDesign(push_pa=(-1.0, 5.0)), "push_pa must be None or .low, high."),
        (lambda: ClinicalDesign(front_speed_mm_per_day=0.0), "front_speed_mm_per_day must be > 0"),
        (lambda: ClinicalDesign(max_whole_to_core_ratio=0.5), "max_whole_to_core_ratio must be at least 1"),
        (lambda: ClinicalDesign(t1gd_threshold=0.1), "t1gd_threshold must be at least flair_threshold"),
        (lambda: ClinicalDesign(snapshots_per_run=0), "snapshots_per_run must be at least 1"),
        (lambda: named_design("papers", snapshots_per_run=0), "snapshots_per_run must be at least 1"),
        (lambda: named_design("papers", push_pa=5_000.0), "needs the growth model mass-effect"),
        (lambda: named_design("papers", mass_effect=True, push_pa=-1.0), "0 <= low <= high"),
    ],
)
def test_impossible_designs_are_refused(make, message):
    """The message names the setting."""
    with pytest.raises(ParameterError, match=message):
        make()
