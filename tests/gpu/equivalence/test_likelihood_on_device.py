"""Likelihoods of tumors grown on a device against those of the processor: by Triton's interpreter, and on a GPU."""

from types import SimpleNamespace

import numpy as np
import pytest
from growth_likelihoods import ANATOMY, NAMES, imaging_likelihood, rows_around_truth
from triton_interpreter import assert_passes_under_the_interpreter, compiled, interpreted

from gliofield.bayes import GrowthLikelihood
from gliofield.growth import FisherKolmogorov, VolumeLimit, many
from gliofield_gpu import cuda


def assert_same_likelihoods(rows):
    """Log-likelihoods agree to a hundredth nat of thousands; the failed seed and counts are the same."""
    rows[0, NAMES.index("seed_x_mm")] = -50.0
    likelihoods = [
        GrowthLikelihood(
            model=FisherKolmogorov(time_step_scale=4.0),
            anatomy=ANATOMY,
            likelihood=imaging_likelihood(),
            names=NAMES,
            volume_limit=VolumeLimit(threshold=0.05, max_volume_ml=700.0),
            device=device,
        )
        for device in ("cuda", "cpu")
    ]

    values, expected = (likelihood(rows) for likelihood in likelihoods)

    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert np.isneginf(values[0])
    assert likelihoods[0].counts.num_failed == likelihoods[1].counts.num_failed == 1


@compiled
def test_all_under_the_interpreter():
    """The tests marked `interpreted` pass in a process in which Triton interprets its kernels."""
    assert_passes_under_the_interpreter(__file__)


@interpreted
def test_interpreted_kernels_give_the_likelihoods_of_the_processor(monkeypatch):
    """Two rows, one of them off the grid."""
    rows = rows_around_truth(2)
    rows[:, NAMES.index("growth_time_days")] = 40.0
    interpreter = SimpleNamespace(
        simulate_many=lambda *tumors, device, **settings: cuda.simulate_many(*tumors, device="cpu", **settings)
    )
    monkeypatch.setattr(many, "load_device", lambda device: interpreter)
    assert_same_likelihoods(rows)


@pytest.mark.gpu
@compiled
def test_likelihoods_of_a_gpu_are_those_of_the_processor():
    """Forty rows in one batch."""
    assert_same_likelihoods(rows_around_truth(40))
