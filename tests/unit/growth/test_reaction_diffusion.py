import math

import numpy as np
import pytest
from growth_phantoms import anatomy_of, mixed_anatomy, tumor_parameters

from gliofield.errors import ImageError, ParameterError
from gliofield.growth import FisherKolmogorov

ANATOMY = mixed_anatomy((12, 14, 13), 4.0)


@pytest.mark.parametrize("times", [[], [0.0], [-1.0, 5.0], [5.0, 5.0], [5.0, 4.0], [math.nan], [1.0, math.inf]])
def test_times_that_are_not_positive_and_increasing_are_refused(times):
    """Times are finite, > 0 and strictly increasing, at least one."""
    with pytest.raises(ParameterError, match="times_days must be finite, strictly increasing and > 0"):
        FisherKolmogorov().simulate(ANATOMY, tumor_parameters(ANATOMY), times)


def test_an_unknown_scheme_is_refused_with_the_closest_one():
    """A typing mistake is answered by the name meant."""
    with pytest.raises(ParameterError, match="scheme 'publishd' is unknown.*Did you mean 'published'"):
        FisherKolmogorov(scheme="publishd")


def test_an_unknown_backend_is_refused_with_the_closest_one():
    """Likewise for backends."""
    with pytest.raises(ParameterError, match="backend 'numbas' is unknown.*Did you mean 'numba'"):
        FisherKolmogorov(backend="numbas")


@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_a_number_of_threads_below_one_is_refused(value):
    """Threads are counted from one."""
    with pytest.raises(ParameterError, match="num_threads must be an integer ≥ 1"):
        FisherKolmogorov(num_threads=value)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 8.5])
def test_a_time_step_scale_out_of_range_is_refused(value):
    """The scale is > 0 and at most 8."""
    with pytest.raises(ParameterError, match="time_step_scale must be > 0 and at most 8"):
        FisherKolmogorov(time_step_scale=value)


def test_the_published_scheme_needs_diffusion():
    """Its time step follows from the diffusivity."""
    with pytest.raises(ParameterError, match="must be > 0 with the scheme 'published'"):
        FisherKolmogorov(scheme="published").simulate(ANATOMY, tumor_parameters(ANATOMY, d=0.0), [10.0])


def test_seeds_are_checked_by_simulate():
    """A seed in the CSF ends in an error, not in an empty tumor."""
    with pytest.raises(ParameterError, match="outside the tissue"):
        FisherKolmogorov().simulate(ANATOMY, tumor_parameters(ANATOMY, seed_mm=(0.0, 0.0, 0.0)), [10.0])


def test_an_anatomy_with_nan_cannot_be_made():
    """So no NaN reaches the solver, which would silently count it as no cells."""
    white = np.ones((4, 4, 4))
    white[1, 1, 1] = np.nan
    with pytest.raises(ImageError, match="must be 1 inside the domain"):
        anatomy_of(white, np.ones((4, 4, 4), bool))


def test_a_front_thinner_than_a_voxel_is_recorded():
    """Infiltration length over spacing is a field of the result, and nothing is refused."""
    solution = FisherKolmogorov().simulate(ANATOMY, tumor_parameters(ANATOMY, d=0.01, rho=0.25), [20.0])

    assert solution.front_resolution == pytest.approx(0.2 / 4.0)


def test_the_solution_says_how_it_was_made():
    """Scheme, backend, grid, times and cost are recorded."""
    solution = FisherKolmogorov(backend="numpy").simulate(ANATOMY, tumor_parameters(ANATOMY), [10.0, 30.0])

    assert solution.times_days == (10.0, 30.0)
    assert (solution.scheme, solution.backend) == ("strang-rkl2", "numpy")
    assert solution.grid is ANATOMY.grid
    assert solution.cell_density.shape == (2, *ANATOMY.grid.shape)
    assert solution.cell_density.dtype == np.float32
    assert solution.num_voxel_steps >= 2 * solution.num_steps


def test_the_published_scheme_reports_the_time_it_stopped_at():
    """Whole steps only: the first with t ≥ 0.9999 T."""
    parameters = tumor_parameters(ANATOMY, d=0.3)
    step = 0.99 * 16.0 / (6 * 0.3)

    solution = FisherKolmogorov(scheme="published").simulate(ANATOMY, parameters, [10.0, 4 * step, 50.0])

    assert solution.times_days == pytest.approx((2 * step, 4 * step, 6 * step))
    assert solution.num_steps == 6


def test_progress_reaches_the_end():
    """The reporter hears of every step; the last one completes the task."""
    events = []
    solution = FisherKolmogorov(report=events.append).simulate(ANATOMY, tumor_parameters(ANATOMY), [30.0])

    assert len(events) == solution.num_steps
    assert events[-1].completed == events[-1].total == 30.0


def test_a_single_time_may_be_a_number():
    """150 is as good as [150]."""
    parameters = tumor_parameters(ANATOMY)
    alone, listed = (FisherKolmogorov().simulate(ANATOMY, parameters, times) for times in (30, [30.0]))

    assert alone.times_days == listed.times_days == (30.0,)
    np.testing.assert_array_equal(alone.cell_density, listed.cell_density)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"times_days": "150"},
            r"times_days must be a number or a sequence of numbers .*got '150'\. Give",
        ),
        ({"times_days": None}, "times_days must be a number or a sequence of numbers .*got None"),
        ({"anatomy": "sri24"}, r"anatomy must be Anatomy, got 'sri24' \(str\)\. .*atlas\.anatomy\(\)"),
        ({"parameters": {"rate": 0.1}}, r"parameters must be FisherKolmogorovParameters, got dict\. Make them with"),
    ],
    ids=["times as text", "None", "name of an atlas", "parameters in a dictionary"],
)
def test_an_argument_of_another_type_is_refused(change, complaint):
    """With what was expected, what came and what to do."""
    call = {"anatomy": ANATOMY, "parameters": tumor_parameters(ANATOMY), "times_days": [30.0], **change}

    with pytest.raises(ParameterError, match=complaint):
        FisherKolmogorov().simulate(**call)
