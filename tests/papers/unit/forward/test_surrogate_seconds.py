"""Seconds of surrogates and of the solver: threads, batches, and the device."""

import numpy as np
import pytest
from small_surrogates import phantom, poor_surrogates, tiny_samples

from gliofield.errors import DeviceError
from gliofield.growth import FisherKolmogorov
from gliofield.progress import ignore_progress
from gliofield_papers.forward import seconds as surrogate_seconds
from gliofield_papers.forward.seconds import TIMED_BATCH, time_surrogates
from gliofield_papers.measuring import RunCounter
from gliofield_papers.surrogate import LearnedFisherKolmogorov

torch = pytest.importorskip("torch")

NUM_TIMED = 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A surrogate that has hardly learned."""
    return poor_surrogates(tmp_path_factory.mktemp("surrogate"))


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """Samples in two anatomies."""
    return tiny_samples(tmp_path_factory.mktemp("tests"), part="test", anatomies=[phantom(2), phantom(3)], number=4)


def seconds_of(tests, models, num_threads=1):
    counter = RunCounter("time", NUM_TIMED, ignore_progress)
    return time_surrogates(tests, models, num_timed=NUM_TIMED, num_threads=num_threads, counter=counter)


@pytest.fixture
def predictions(monkeypatch):
    """PyTorch's number of threads and the tumors of every call of a network."""
    seen = []

    def note(self, tissues, growth):
        seen.append((torch.get_num_threads(), len(growth)))
        return np.zeros((len(growth), *tissues.shape[-3:]), np.float32)

    monkeypatch.setattr(LearnedFisherKolmogorov, "predict_cubes", note)
    return seen


@pytest.mark.parametrize("num_threads", [1, 2])
def test_network_and_solver_get_the_same_number_of_threads(tests, models, predictions, monkeypatch, num_threads):
    """The one asked for, and PyTorch's own is put back."""
    of_solver = []
    simulate = FisherKolmogorov.simulate

    def note(self, *arguments, **options):
        of_solver.append(self.num_threads)
        return simulate(self, *arguments, **options)

    monkeypatch.setattr(FisherKolmogorov, "simulate", note)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seconds_of(tests, models, num_threads)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

    assert {threads for threads, _ in predictions} == {num_threads} == set(of_solver)


def test_batches_are_whole(tests, models, predictions):
    """Of eight, however few tumors there are; nothing is timed that was not run before."""
    seconds_of(tests, models)

    warm_up, timed = predictions[:2], predictions[2:]
    assert [number for _, number in warm_up] == [1, TIMED_BATCH]
    assert [number for _, number in timed] == NUM_TIMED * [1] + [TIMED_BATCH]


def test_the_solver_is_not_timed_on_a_device_that_networks_do_not_use(tests, models):
    """On a processor there are no batches of the solver."""
    found = seconds_of(tests, models)

    assert np.isnan(found.solver_batched_s)
    assert found.solver_s > 0.0
    assert found.networks[0].single_s > 0.0 < found.networks[0].batched_s


def test_on_a_device_the_solver_grows_the_same_tumors_in_batches(tests, models, monkeypatch):
    """Those of an anatomy at once, each at its time, the second time on the clock."""
    grown = []

    def note(model, anatomy, tumors, *, device):
        grown.append((anatomy.content_hash, tuple(tumors), device))
        return iter(())

    monkeypatch.setattr(LearnedFisherKolmogorov, "device_type", "cuda")
    monkeypatch.setattr(surrogate_seconds, "simulate_many", note)
    found = seconds_of(tests, models)

    assert found.solver_batched_s > 0.0
    half = len(grown) // 2
    assert grown[:half] == grown[half:]
    draws = tests.draws[:NUM_TIMED]
    asked = {(tests.identity["anatomies"][draw.anatomy], draw.parameters.seed_mm, draw.time_days) for draw in draws}
    assert asked == {(content, each.seed_mm, days) for content, tumors, _ in grown for each, days in tumors}
    assert {device for _, _, device in grown} == {"cuda"}


def test_a_device_without_a_solver_is_skipped(tests, models, monkeypatch):
    """The kernels of the solver need more than PyTorch."""

    def fail(*arguments, **settings):
        raise DeviceError("no Triton")

    monkeypatch.setattr(LearnedFisherKolmogorov, "device_type", "cuda")
    monkeypatch.setattr(surrogate_seconds, "simulate_many", fail)

    assert np.isnan(seconds_of(tests, models).solver_batched_s)
