"""Settings of the inverse network: the paper's values, what is refused, storage."""

import dataclasses

import pytest

from gliofield.errors import ParameterError
from gliofield.inverse import (
    InverseNetworkSettings,
    InverseSettings,
    MaskPerturbation,
    ObservationSettings,
    TargetSettings,
)
from gliofield.learning import ExponentialPerBatch
from gliofield.records import from_record, to_record


def test_the_papers_preset_has_the_papers_values():
    """AdamW 6e-5, decay 0.05 and 0.999997 per batch, batches of 32, thresholds, 64 channels; no additions of ours."""
    settings = InverseSettings.papers()
    training = settings.training

    assert (training.optimizer, training.learning_rate, training.weight_decay) == ("adamw", 6e-5, 0.05)
    assert (training.batch_size, training.schedule) == (32, ExponentialPerBatch(factor=0.999997))
    assert settings.observation == ObservationSettings(
        t1gd_thresholds=(0.5, 0.85), flair_thresholds=(0.05, 0.5), flips=False, perturbation=None
    )
    assert settings.network == InverseNetworkSettings(channels=64, pooling=1, is_cropped=False)
    assert settings.targets == TargetSettings(growth="invariants", scale="linear", is_joint=True)
    assert settings.num_members == 1
    assert not settings.is_small(80_000)


@pytest.mark.parametrize(
    ("settings", "num_tumors"),
    [
        (InverseSettings.small(), 80_000),
        (InverseSettings.papers(), 79_999),
        (dataclasses.replace(InverseSettings.papers(), network=InverseNetworkSettings(channels=32)), 80_000),
    ],
)
def test_less_than_the_paper_is_small(settings, num_tumors):
    """Fewer tumors, channels or voxels."""
    assert settings.is_small(num_tumors)


def test_settings_are_stored_as_json():
    """Equal after a round trip, additions included."""
    settings = dataclasses.replace(
        InverseSettings.small(),
        observation=ObservationSettings(flips=True, perturbation=MaskPerturbation(outline_mm=0.5)),
        targets=TargetSettings(growth="rates", scale="log", is_joint=False),
        num_members=3,
    )
    assert from_record(InverseSettings, to_record(settings)) == settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TargetSettings(growth="invariant"), "Did you mean 'invariants'"),
        (lambda: TargetSettings(scale="cubic"), "target scale 'cubic'"),
        (lambda: ObservationSettings(t1gd_thresholds=(0.9, 0.5)), "t1gd_thresholds must be"),
        (lambda: ObservationSettings(flair_thresholds=(0.0, 0.5)), "flair_thresholds must be"),
        (lambda: ObservationSettings(flair_thresholds=(0.05, 0.6)), "must not reach beyond"),
        (lambda: MaskPerturbation(displacement_mm=-1.0), "displacement_mm"),
        (lambda: MaskPerturbation(smoothness_mm=0.0), "smoothness_mm"),
        (lambda: InverseNetworkSettings(channels=0), "channels must be at least 1"),
        (lambda: InverseNetworkSettings(pooling=0), "pooling must be at least 1"),
        (lambda: dataclasses.replace(InverseSettings.small(), num_members=0), "num_members"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    """Each with its message."""
    with pytest.raises(ParameterError, match=message):
        make()
