"""Inverse networks small enough to train in a test: 16³ volumes, a few channels, balls as tumors."""

import numpy as np
import pytest

from gliofield.database import quantize_density
from gliofield.grid import Grid
from gliofield.inverse import InverseNetworkSettings, InverseSettings, TargetSettings
from gliofield.inverse.origin import TumorOrigin
from gliofield.learning import TrainingSettings
from gliofield_training.inverse.tumors import Tumor

pytest.importorskip("torch", reason="networks need PyTorch, extra 'learn'")


def tiny_inverse(*, channels=4, num_members=1, observation=None, network=None, targets=None, **training):
    """Settings that train within seconds."""
    chosen = {
        "targets": targets or TargetSettings(),
        "network": network or InverseNetworkSettings(channels=channels),
        "training": TrainingSettings(
            **{"num_epochs": 2, "batch_size": 4, "learning_rate": 1e-2, "num_threads": 1, "device": "cpu"} | training
        ),
        "num_members": num_members,
    }
    return InverseSettings(**chosen) if observation is None else InverseSettings(**chosen, observation=observation)


class FewBalls:
    """A source of a handful of balls on 16³ voxels, whose places and radii are in their parameters."""

    def __init__(self, num_training_tumors=8, num_validation_tumors=0, *, num_distinct=1000):
        self.num_training_tumors, self.num_validation_tumors = num_training_tumors, num_validation_tumors
        self._num_distinct = num_distinct
        self.origin = TumorOrigin(
            grid=Grid.axis_aligned((16, 16, 16), 2.0, (-15.0, 0.0, 10.0)),
            atlas_name="cube",
            atlas_hash="0" * 64,
            domain_rule="cube",
            model={"name": "fisher-kolmogorov", "settings": {}},
            occupied=((0, 16), (0, 16), (0, 16)),
            record={"source": "balls", "number": num_training_tumors},
        )

    def read(self, samples, *, part, rng):
        """Ball number i, whatever the random numbers."""
        return [self._ball(number % self._num_distinct + (1000 if part == "validation" else 0)) for number in samples]

    def _ball(self, number):
        rng = np.random.default_rng(number)
        center, radius = rng.uniform(5.0, 10.0, 3), rng.uniform(2.5, 5.0)
        distance = np.linalg.norm(np.moveaxis(np.indices((16, 16, 16)), 0, -1) - center, axis=-1)
        density = np.clip(0.5 + 0.25 * (radius - distance), 0.0, 1.0).astype(np.float32)
        time_days = 50.0 * radius**2
        parameters = np.array([0.2, 0.05, time_days, *self.origin.grid.world_of(center)])
        return Tumor(levels=quantize_density(density), parameters=parameters)
