"""One test tumor at its times: which tumor, which times, and what is kept of it."""

import numpy as np
import pytest
from made_up_evaluations import surrogate_evaluation
from small_surrogates import phantom, poor_surrogates, tiny_samples

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov
from gliofield_papers.forward.times import MOST_TIMES, grow_at_times, median_sample, shown_times
from gliofield_papers.surrogate import ParameterRanges

pytest.importorskip("torch")

DICE = (0.9, 0.5, 0.1, float("nan"), 0.4)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A surrogate that has hardly learned."""
    return poor_surrogates(tmp_path_factory.mktemp("surrogate"))


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    """Samples in an anatomy that nobody trained on."""
    return tiny_samples(tmp_path_factory.mktemp("tests"), part="test", anatomies=[phantom(2)], number=len(DICE))


def test_the_tumor_is_the_one_of_median_dice():
    """The lower of two, undefined ones left out; the first tumor where none has a value."""
    assert median_sample(surrogate_evaluation(DICE).scores[0]) == 4
    assert median_sample(surrogate_evaluation(DICE[:3]).scores[0]) == 1
    assert median_sample(surrogate_evaluation(DICE[3:4] * 2).scores[0]) == 0


@pytest.mark.parametrize(("last_days", "number"), [(50.0, 1), (400.0, 8), (450.0, 8), (1000.0, 8)])
def test_times_are_those_of_the_training_up_to_its_own(last_days, number):
    """Multiples of 50 days from the first to the last, at most eight, none twice."""
    times = shown_times(ParameterRanges(), last_days)

    assert len(set(times)) == number <= MOST_TIMES
    assert (times[0], times[-1]) == (50.0, last_days)
    assert np.all(np.diff(times) > 0.0)
    assert all(time % 50.0 == 0.0 for time in times)


def test_slices_run_through_the_seed(models, tests):
    """Those of the solver and of the surrogate, at every time, and Dice of the whole tumors."""
    found = grow_at_times(tests, models, surrogate_evaluation(DICE))
    draw = tests.draws[found.sample]
    solved, learned = (
        model.simulate(phantom(2), draw.parameters, found.times_days).cell_density
        for model in (FisherKolmogorov(), *models)
    )
    (surrogate,) = found.surrogates

    assert (found.sample, found.slice_index, found.times_days[-1]) == (4, draw.center[2], draw.time_days)
    np.testing.assert_array_equal(found.solver[..., 0], solved[..., draw.center[2]])
    np.testing.assert_array_equal(surrogate.cell_density[..., 0], learned[..., draw.center[2]])
    both = np.count_nonzero((solved[-1] > 0.2) & (learned[-1] > 0.2))
    sizes = np.count_nonzero(solved[-1] > 0.2) + np.count_nonzero(learned[-1] > 0.2)
    assert surrogate.dice[-1] == pytest.approx(2.0 * both / sizes if sizes else float("nan"), nan_ok=True)
    assert found.solver.base is None, "a view would keep all densities in memory"


def test_another_evaluation_is_refused(models, tests):
    """Of other samples or checkpoints."""
    for other in (surrogate_evaluation(DICE[:2]), surrogate_evaluation(DICE, ["other.safetensors"])):
        with pytest.raises(ParameterError, match="of other samples or checkpoints"):
            grow_at_times(tests, models, other)
