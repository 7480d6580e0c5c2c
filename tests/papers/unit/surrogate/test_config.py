"""Settings of the surrogate: the paper's values, what is refused, storage."""

import dataclasses
import json

import pytest

from gliofield.errors import ParameterError
from gliofield.learning import Cosine
from gliofield.records import from_record, to_record
from gliofield_papers.surrogate import ParameterRanges, SurrogateNetworkSettings, SurrogateSettings


def test_the_papers_preset_has_the_papers_values():
    """Ranges, 20 times, crop, filters, Adam (0.5, 0.999), cosine from 1e-4 to 1e-6, batch 16, 30 epochs, 20k and 2k."""
    settings = SurrogateSettings.papers()
    ranges, training = settings.ranges, settings.training

    assert ranges.white_matter_diffusivity_mm2_per_day == (0.001, 0.08)
    assert ranges.proliferation_rate_per_day == (0.001, 0.03)
    assert (ranges.growth_time_days, ranges.time_step_days, ranges.num_times) == ((50.0, 1000.0), 50.0, 20)
    assert settings.network == SurrogateNetworkSettings(crop_size=64, channels=128, num_halvings=3, block_length=4)
    assert settings.network.bottom_size == 8
    assert (training.optimizer, training.betas, training.learning_rate) == ("adam", (0.5, 0.999), 1e-4)
    assert training.schedule == Cosine(final_learning_rate=1e-6)
    assert (training.batch_size, training.num_epochs) == (16, 30)
    assert (settings.num_training_samples, settings.num_validation_samples) == (20_000, 2_000)
    assert not settings.is_small
    assert SurrogateSettings.small().is_small


def test_settings_are_stored_as_json():
    """Equal after a round trip, ablations included."""
    small = SurrogateSettings.small()
    settings = dataclasses.replace(
        small,
        network=dataclasses.replace(small.network, tissues=("csf",)),
        loss="whole-volume",
        ranges=ParameterRanges(time_step_days=10.0),
    )
    assert from_record(SurrogateSettings, to_record(settings)) == settings


def test_ranges_are_stored_with_step_and_ratio():
    """All five values, by name; equal after a round trip through JSON."""
    ranges = ParameterRanges(growth_time_days=(10.0, 30.0), time_step_days=10.0, diffusivity_ratio=5.0)
    stored = json.loads(json.dumps(to_record(ranges)))

    assert stored == {
        "white_matter_diffusivity_mm2_per_day": [0.001, 0.08],
        "proliferation_rate_per_day": [0.001, 0.03],
        "growth_time_days": [10.0, 30.0],
        "time_step_days": 10.0,
        "diffusivity_ratio": 5.0,
    }
    assert from_record(ParameterRanges, stored) == ranges


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParameterRanges(proliferation_rate_per_day=(0.03, 0.001)), "low < high"),
        (lambda: ParameterRanges(time_step_days=0.0), "time_step_days"),
        (lambda: SurrogateNetworkSettings(crop_size=60), "multiple of 8"),
        (lambda: SurrogateNetworkSettings(channels=3), "channels must be at least 4"),
        (lambda: SurrogateNetworkSettings(tissues=("csv",)), "Did you mean 'csf'"),
        (lambda: SurrogateNetworkSettings(tissues=()), "one or more different"),
        (lambda: dataclasses.replace(SurrogateSettings.small(), loss="l2"), "loss 'l2'"),
        (lambda: dataclasses.replace(SurrogateSettings.small(), num_training_samples=0), "num_training_samples"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    """Each with its message."""
    with pytest.raises(ParameterError, match=message):
        make()
