"""Settings of a training: what is refused, and learning rates by their formulas."""

import json
import math

import pytest

from gliofield.errors import ParameterError
from gliofield.learning import Constant, Cosine, ExponentialPerBatch, TrainingSettings
from gliofield.records import from_record, to_record


def make(**changes) -> TrainingSettings:
    return TrainingSettings(**{"num_epochs": 2, "batch_size": 4, "learning_rate": 0.1, **changes})


@pytest.mark.parametrize("step", [0, 1, 17, 100])
def test_a_constant_rate_does_not_change(step):
    """The rate of every batch is the first one."""
    assert Constant().learning_rate(0.3, step=step, num_steps=100) == 0.3


@pytest.mark.parametrize("step", [0, 1, 17, 100])
def test_an_exponential_rate_is_a_power_of_its_factor(step):
    """The rate of batch n is factor^n times the first, as multiplying after every batch gives."""
    multiplied = 0.3
    for _ in range(step):
        multiplied *= 0.9

    rate = ExponentialPerBatch(factor=0.9).learning_rate(0.3, step=step, num_steps=100)

    assert rate == pytest.approx(multiplied, rel=1e-12)


def test_a_cosine_rate_falls_from_the_first_to_the_final_one():
    """At the ends the two rates, in the middle their mean, a quarter of the way at cos(π/4)."""
    rates = [Cosine(final_learning_rate=0.1).learning_rate(0.5, step=step, num_steps=8) for step in range(9)]

    assert rates[0] == pytest.approx(0.5, rel=1e-12)
    assert rates[2] == pytest.approx(0.3 + 0.2 * math.sqrt(0.5), rel=1e-12)
    assert rates[4] == pytest.approx(0.3, rel=1e-12)
    assert rates[8] == pytest.approx(0.1, rel=1e-12)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_epochs": 0}, "num_epochs must be at least 1, got 0"),
        ({"batch_size": -3}, "batch_size must be at least 1, got -3"),
        ({"patience_epochs": 0}, "patience_epochs must be at least 1"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be finite and positive"),
        ({"learning_rate": math.nan}, "learning_rate must be finite and positive"),
        ({"optimizer": "adma"}, "optimizer 'adma' is unknown.*Did you mean 'adam'"),
        ({"betas": (0.9, 1.0)}, r"betas must be two numbers in \[0, 1\)"),
        ({"betas": (0.9,)}, "betas must be two numbers"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        ({"seed": -1}, "seed must not be negative"),
        ({"save_every_s": math.nan}, "save_every_s must not be negative"),
        ({"device": "gpu"}, "device 'gpu' is unknown"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """The message names the setting and what came."""
    with pytest.raises(ParameterError, match=message):
        make(**changes)


def test_schedules_out_of_range_are_refused():
    """A factor above 1 and a negative final rate have no meaning."""
    with pytest.raises(ParameterError, match=r"factor of the exponential schedule must lie in \(0, 1\], got 1.5"):
        ExponentialPerBatch(factor=1.5)
    with pytest.raises(ParameterError, match="final_learning_rate must be finite and not negative"):
        Cosine(final_learning_rate=-1.0)


def test_settings_survive_json():
    """The values are JSON's own, and the schedule keeps its name."""
    settings = make(schedule=Cosine(final_learning_rate=0.01))
    stored = to_record(settings)

    assert json.loads(json.dumps(stored)) == stored
    assert stored["schedule"] == {"name": "Cosine", "final_learning_rate": 0.01}
    assert from_record(TrainingSettings, stored) == settings
