import pytest

from gliofield_papers.measuring import MeasuredUnderLoad, is_machine_busy


@pytest.mark.parametrize(
    ("before", "after", "is_busy"),
    [(2.0, 2.5, False), (2.1, 0.0, True), (0.0, 2.6, True), (2.0, None, False), (2.1, None, True)],
)
def test_others_make_a_machine_busy_and_our_own_threads_do_not(before, after, is_busy):
    """Before a measurement two processes fill two cores; after it ours may still count."""
    assert is_machine_busy(2, before, after) is is_busy


def test_a_warning_names_the_larger_load_and_the_advice():
    """With the number of cores beside it."""

    class Conditions(MeasuredUnderLoad):
        busy_advice, num_cores, load_average_before, load_average_after = "Wait.", 2, 0.5, 3.14

    assert Conditions().busy_warning.endswith("(load average 3.1 on 2 cores). Wait.")
