"""A network of a few weights with samples made of their numbers, for tests of the training loop.

Run as a program it trains in a process of its own, which can be killed or joined by others:
    python training_tasks.py FOLDER EPOCHS SECONDS_PER_LOAD
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from gliofield.learning import TrainingSettings
from gliofield_training import Batch, Part, process_group, train

WIDTH = 4


class PlaneTask:
    """Learn the sum of four numbers.

    Parameters
    ----------
    num_training_samples, num_validation_samples : int
        Sizes of the parts.
    is_random : bool
        Jitter the inputs, add noise to the targets by the generator, and let the network drop units and keep running
        means: everything that has to survive an interruption. Otherwise a plain layer.
    before_load : callable, optional
        Called with the number of the load, from 0, before each.
    """

    def __init__(
        self,
        num_training_samples: int = 22,
        num_validation_samples: int = 7,
        *,
        is_random: bool = True,
        before_load: Callable[[int], None] | None = None,
    ) -> None:
        self._sizes = (num_training_samples, num_validation_samples)
        self._is_random = is_random
        self._before_load = before_load
        self.loads: list[tuple[Part, list[int]]] = []
        self.inputs: list[tuple[Part, torch.Tensor]] = []
        with torch.random.fork_rng():
            torch.manual_seed(1)
            hidden = [torch.nn.Linear(WIDTH, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2)]
            self._network = torch.nn.Sequential(*(hidden if is_random else []), torch.nn.LazyLinear(1))
            self._network.eval()(torch.zeros(2, WIDTH))

    @property
    def network(self) -> torch.nn.Module:
        return self._network

    @property
    def num_training_samples(self) -> int:
        return self._sizes[0]

    @property
    def num_validation_samples(self) -> int:
        return self._sizes[1]

    def load(self, samples: Sequence[int], *, part: Part, rng: np.random.Generator) -> Batch:
        if self._before_load is not None:
            self._before_load(len(self.loads))
        self.loads.append((part, list(samples)))
        rows = [np.random.default_rng((number, part == "training")).normal(size=WIDTH) for number in samples]
        inputs = torch.tensor(np.array(rows), dtype=torch.float32)
        targets = inputs.sum(dim=1, keepdim=True)
        if self._is_random:
            inputs = inputs + torch.tensor(0.1 * rng.normal(size=inputs.shape), dtype=torch.float32)
        self.inputs.append((part, inputs))
        return inputs, targets

    def losses(
        self, network: torch.nn.Module, batch: Batch, *, generator: torch.Generator | None
    ) -> Mapping[str, torch.Tensor]:
        inputs, targets = batch
        if self._is_random and generator is not None:
            targets = targets + 0.1 * torch.randn(targets.shape, generator=generator, device=targets.device)
        errors = network(inputs) - targets
        return {"loss": (errors**2).mean(), "absolute": errors.abs().mean()}


def weights_of(task: PlaneTask) -> dict[str, torch.Tensor]:
    """All weights and buffers of a task's network."""
    return {name: tensor.clone() for name, tensor in task.network.state_dict().items()}


def are_identical(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def settings(**changes: object) -> TrainingSettings:
    """Settings of a run that takes a fraction of a second."""
    values: dict[str, object] = {"num_epochs": 4, "batch_size": 5, "learning_rate": 0.01, "num_threads": 1}
    return TrainingSettings(**{**values, "device": "cpu", **changes})  # type: ignore[arg-type]


def main() -> None:
    folder, num_epochs, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    # Shares of several processes get noise of their own, so only a run without noise can be compared.
    with process_group("cpu") as group:
        task = PlaneTask(is_random=group.num_processes == 1, before_load=lambda number: time.sleep(seconds))
        train(task, settings(num_epochs=num_epochs, save_every_s=0.0), folder=folder, identity={"task": "plane"})
        if group.is_first:
            torch.save(weights_of(task), folder / "weights.pt")


if __name__ == "__main__":
    main()
