"""Runs end early when the tumor is too large, and only then."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy, tumor_parameters

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov, VolumeLimit

ANATOMY = mixed_anatomy()
TUMOR = tumor_parameters(ANATOMY)
SCHEMES = ("strang-rkl2", "published")


@pytest.mark.parametrize(("max_volume_ml", "num_voxels"), [(1.5, 1), (0.999, 0), (3.5, 3), (412.5, 412), (0.1, 0)])
def test_whole_voxels_count(max_volume_ml, num_voxels):
    """On voxels of 1 ml, as many fit as whole milliliters."""
    grid = Grid.axis_aligned((4, 4, 4), 10.0, (0, 0, 0))

    assert VolumeLimit(threshold=0.5, max_volume_ml=max_volume_ml).max_num_voxels(grid) == num_voxels


def test_the_limit_in_voxels_agrees_with_the_product_a_filter_compares():
    """n voxels are within the limit exactly if n times the volume of a voxel is, for limits that are such products."""
    grid = Grid.axis_aligned((4, 4, 4), 1.875, (0, 0, 0))
    for number in (1, 7, 1000, 62_503):
        limit = VolumeLimit(threshold=0.5, max_volume_ml=number * grid.voxel_volume_ml)
        assert limit.max_num_voxels(grid) == number


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_run_ends_at_the_first_step_that_exceeds_the_limit(scheme):
    """The volume at the time of the stop exceeds the limit; that of a run to the step before does not."""
    limit = VolumeLimit(threshold=0.6, max_volume_ml=2.0)
    events = []
    model = FisherKolmogorov(scheme=scheme, report=lambda event: events.append(event.completed))

    stopped = model.simulate(ANATOMY, TUMOR, [400.0], volume_limit=limit)

    ends_days = events if scheme == "strang-rkl2" else [stopped.stopped_at_days * e / events[-1] for e in events]
    assert stopped.stopped_at_days == pytest.approx(ends_days[-1])
    assert stopped.cell_density.shape == (0, *ANATOMY.grid.shape)
    assert stopped.times_days == ()
    assert stopped.num_steps == len(events)
    before, at = (
        FisherKolmogorov(scheme=scheme, time_step_scale=0.5).simulate(ANATOMY, TUMOR, [t * 0.9999]).volume_ml(0.6)[0]
        for t in ends_days[-2:]
    )
    # The runs to these times take other steps: a voxel or two of difference.
    slack_ml = 3 * ANATOMY.grid.voxel_volume_ml
    assert before <= 2.0 + slack_ml
    assert at > 2.0 - slack_ml


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_limit_that_is_not_exceeded_changes_no_bit(scheme):
    """The run is complete and says so."""
    model = FisherKolmogorov(scheme=scheme)
    free = model.simulate(ANATOMY, TUMOR, [80.0, 150.0])
    limit = VolumeLimit(threshold=0.2, max_volume_ml=ANATOMY.volume_ml)

    limited = model.simulate(ANATOMY, TUMOR, [80.0, 150.0], volume_limit=limit)

    assert limited.stopped_at_days is None
    np.testing.assert_array_equal(limited.cell_density, free.cell_density)


def test_times_reached_before_the_stop_are_kept():
    """Of two times the first comes before the tumor is too large; its density is that of a free run."""
    free = FisherKolmogorov().simulate(ANATOMY, TUMOR, [120.0, 400.0])
    limit = VolumeLimit(threshold=0.6, max_volume_ml=1.5 * free.volume_ml(0.6)[0])

    stopped = FisherKolmogorov().simulate(ANATOMY, TUMOR, [120.0, 400.0], volume_limit=limit)

    assert stopped.times_days == (120.0,)
    assert 120.0 < stopped.stopped_at_days < 400.0
    np.testing.assert_array_equal(stopped.cell_density[0], free.cell_density[0])


def test_a_tumor_too_large_only_at_the_last_time_is_returned():
    """Nothing is saved by a stop there, and the caller measures the density anyway."""
    free = FisherKolmogorov().simulate(ANATOMY, TUMOR, [150.0])
    limit = VolumeLimit(threshold=0.6, max_volume_ml=free.volume_ml(0.6)[0] - 0.5 * ANATOMY.grid.voxel_volume_ml)

    solution = FisherKolmogorov().simulate(ANATOMY, TUMOR, [150.0], volume_limit=limit)

    assert solution.stopped_at_days is None
    np.testing.assert_array_equal(solution.cell_density, free.cell_density)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.0, "max_volume_ml": 1.0}, "threshold must lie strictly between 0 and 1"),
        ({"threshold": float("nan"), "max_volume_ml": 1.0}, "threshold must lie strictly between 0 and 1"),
        ({"threshold": 0.5, "max_volume_ml": 0.0}, "max_volume_ml must be finite and > 0"),
        ({"threshold": 0.5, "max_volume_ml": float("inf")}, "max_volume_ml must be finite and > 0"),
    ],
)
def test_impossible_limits_are_refused(settings, message):
    """The message names the setting."""
    with pytest.raises(ParameterError, match=message):
        VolumeLimit(**settings)
