"""Ctrl-C and SIGTERM while a training runs: noted, acted upon later, and handed back."""

import os
import signal
import threading

import pytest

from gliofield_training import TrainingInterruptedError
from gliofield_training.interrupts import Interrupts

USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def usual_handlers():
    """Python's own handlers, whatever the test runner has."""
    before = {number: signal.signal(number, handler) for number, handler in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)


def run_block(*numbers, seen, then=None):
    """A block in which signals come; `seen` gets what was noted of them if its end is reached."""
    with Interrupts() as interrupts:
        send(*numbers)
        if then is not None:
            raise then
        seen.append((interrupts.has_come, interrupts.is_termination))


@pytest.mark.parametrize(
    ("number", "is_termination", "raised"),
    [(signal.SIGINT, False, KeyboardInterrupt), (signal.SIGTERM, True, TrainingInterruptedError)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_the_first_signal_is_noted(number, is_termination, raised):
    """The block goes on; at its end the signal is not lost, and the handlers are what they were."""
    seen = []
    with pytest.raises(raised):
        run_block(number, seen=seen)
    assert seen == [(True, is_termination)]
    assert {number: signal.getsignal(number) for number in USUAL} == USUAL


@pytest.mark.parametrize("first", USUAL, ids=lambda number: number.name)
def test_ctrl_c_after_another_signal_does_not_wait(first):
    """Whoever asks twice means it."""
    seen = []
    with pytest.raises(KeyboardInterrupt):
        run_block(first, signal.SIGINT, seen=seen)
    assert seen == []


def test_sigterm_after_another_signal_waits():
    """`timeout` sends it twice, so the second says nothing new."""
    seen = []
    with pytest.raises(TrainingInterruptedError, match="The same command, or call, goes on"):
        run_block(signal.SIGTERM, signal.SIGTERM, seen=seen)
    assert seen == [(True, True)]


def test_an_error_of_the_block_comes_first():
    """It is what the caller has to know."""
    with pytest.raises(ZeroDivisionError):
        run_block(signal.SIGTERM, seen=[], then=ZeroDivisionError)


def test_handlers_of_others_stay():
    """A program with handlers of its own keeps them."""
    received = []
    for number in USUAL:
        signal.signal(number, lambda number, frame: received.append(number))
    with Interrupts() as interrupts:
        send(signal.SIGINT, signal.SIGTERM)
    assert not interrupts.has_come
    assert received == [signal.SIGINT, signal.SIGTERM]


def test_other_threads_leave_signals_alone():
    """Python lets the main thread alone set handlers."""
    seen = []

    def look():
        with Interrupts():
            seen.append({number: signal.getsignal(number) for number in USUAL})

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [USUAL]
