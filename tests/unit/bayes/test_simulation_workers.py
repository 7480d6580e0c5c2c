import pytest
from growth_likelihoods import Echo

from gliofield.bayes.simulation_workers import SimulationWorkers
from gliofield.errors import NumericalError, ParameterError


@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_the_order_of_the_arguments(num_workers):
    """Whoever computes them, and again after the processes were ended."""
    with SimulationWorkers(Echo(), num_workers) as workers:
        assert list(workers.map("doubled", range(20))) == [2 * number for number in range(20)]
        workers.close()
        assert list(workers.map("doubled", [4])) == [8]


def test_an_error_of_the_object_reaches_the_caller():
    """With its type and words, from another process too."""
    with SimulationWorkers(Echo(), 2) as workers, pytest.raises(ParameterError, match="not this one"):
        list(workers.map("refused", [1]))


def test_a_process_that_dies_is_an_error_and_not_a_hang():
    """The message says what may have happened; the next call starts new processes."""
    with SimulationWorkers(Echo(), 2) as workers:
        with pytest.raises(NumericalError, match="a worker process died"):
            list(workers.map("death", [1]))
        assert list(workers.map("doubled", [2])) == [4]


def test_there_is_at_least_one_process():
    """0 is refused."""
    with pytest.raises(ParameterError, match="num_workers must be at least 1"):
        SimulationWorkers(Echo(), 0)
