"""Surrogates small enough to train in a test: cubes of 8³ voxels, few filters, anatomies of 12 voxels along an axis."""

import dataclasses

import numpy as np
import pytest
from mass_effect_phantoms import phantom_anatomy

from gliofield.learning import TrainingSettings
from gliofield_papers.forward.checkpoints import load_surrogates
from gliofield_papers.surrogate import (
    ParameterRanges,
    SurrogateNetworkSettings,
    SurrogateSamples,
    SurrogateSettings,
    simulate_samples,
    train_surrogate,
)
from gliofield_papers.surrogate.samples import SAMPLES_PER_FILE

pytest.importorskip("torch", reason="networks need PyTorch, extra 'learn'")

SHAPE, SPACING_MM = (12, 14, 13), 5.0


def phantom(number=0):
    """Anatomies of one spacing; different numbers are different brains."""
    anatomy = phantom_anatomy(SHAPE, SPACING_MM)
    if number == 0:
        return anatomy
    white = np.where(anatomy.domain, np.roll(anatomy.white_matter, number, axis=1), 0.0).astype(np.float32)
    gray = np.where(anatomy.domain, np.float32(1.0) - white, 0.0).astype(np.float32)
    return dataclasses.replace(anatomy, white_matter=white, gray_matter=gray)


def tiny_surrogate(*, network=None, loss="tumor-and-csf", num_samples=(8, 4), **training):
    """Settings that train within seconds."""
    return SurrogateSettings(
        network=network or SurrogateNetworkSettings(crop_size=8, channels=8, num_halvings=1, block_length=1),
        loss=loss,
        training=TrainingSettings(
            **{"num_epochs": 2, "batch_size": 4, "learning_rate": 3e-3, "num_threads": 1, "device": "cpu"} | training
        ),
        num_training_samples=num_samples[0],
        num_validation_samples=num_samples[1],
    )


def tiny_samples(folder, settings=None, *, part="training", anatomies=None, number=None, crop_size=None):
    """Simulated samples of the phantoms: number 0 for training, 1 for validation."""
    chosen = tiny_surrogate() if settings is None else settings
    index = 0 if part == "training" else 1
    numbers = (chosen.num_training_samples, chosen.num_validation_samples)
    return simulate_samples(
        folder / part,
        anatomies or [phantom(index)],
        ParameterRanges(),
        number=numbers[index] if number is None else number,
        part=part,
        crop_size=crop_size or chosen.network.crop_size,
        num_threads=1,
    )


def repeated(samples, times, *, anatomy_name=None):
    """The same tumors several times over, as one epoch; `anatomy_name` passes their anatomies off as another one."""
    tumors = np.stack([samples.tumor(index) for index in range(len(samples))] * times).astype(np.float16)
    identity = samples.identity if anatomy_name is None else {**samples.identity, "anatomies": [anatomy_name]}
    return SurrogateSamples(
        samples.anatomies,
        samples.draws * times,
        [tumors[first : first + SAMPLES_PER_FILE] for first in range(0, len(tumors), SAMPLES_PER_FILE)],
        samples.ranges,
        identity,
    )


def poor_surrogates(folder):
    """A surrogate that has hardly learned, loaded."""
    samples = tiny_samples(folder), tiny_samples(folder, part="validation")
    train_surrogate(*samples, tiny_surrogate(num_epochs=1), folder / "poor.safetensors")
    return load_surrogates([folder / "poor.safetensors"], device="cpu")
