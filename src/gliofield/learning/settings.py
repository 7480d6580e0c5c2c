"""How a network is trained: numbers only, without the network, the data, or PyTorch.

`TrainingSettings` is what a user chooses and what a model card repeats. Learning rates follow a `Schedule`, a function
of the batch alone, so that a run continued in the middle has the rate it would have had.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gliofield.errors import ParameterError, unknown_name
from gliofield.learning.devices import require_device_name

OPTIMIZER_NAMES = ("adam", "adamw")


@dataclass(frozen=True)
class Constant:
    """The learning rate stays what it is."""

    def learning_rate(self, initial: float, *, step: int, num_steps: int) -> float:
        """Rate of batch `step`, counted from 0, of `num_steps`: `initial`."""
        return initial


@dataclass(frozen=True, kw_only=True)
class ExponentialPerBatch:
    """The learning rate is multiplied by `factor`, in (0, 1], after every batch."""

    factor: float = 0.999997

    def __post_init__(self) -> None:
        if not 0 < self.factor <= 1:
            raise ParameterError(f"factor of the exponential schedule must lie in (0, 1], got {self.factor}.")

    def learning_rate(self, initial: float, *, step: int, num_steps: int) -> float:
        """Rate of batch `step`, counted from 0, of `num_steps`: initial · factor^step."""
        return float(initial * self.factor**step)


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """The learning rate falls along half a cosine to `final_learning_rate` at the end of the last epoch.

    References
    ----------
    .. [1] Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, arXiv:1608.03983, Eq. 5,
       without restarts.
    """

    final_learning_rate: float = 1e-6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.final_learning_rate) and self.final_learning_rate >= 0):
            raise ParameterError(
                f"final_learning_rate must be finite and not negative, got {self.final_learning_rate}."
            )

    def learning_rate(self, initial: float, *, step: int, num_steps: int) -> float:
        """Rate of batch `step`, from 0, of `num_steps`: final + (initial − final) (1 + cos(π step / num_steps)) / 2."""
        fraction = 0.5 * (1.0 + math.cos(math.pi * step / num_steps))
        return self.final_learning_rate + (initial - self.final_learning_rate) * fraction


Schedule = Constant | ExponentialPerBatch | Cosine


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    num_epochs : int
        Passes over the training samples.
    batch_size : int
        Samples per step of the optimizer. The last batch of an epoch may be smaller.
    learning_rate : float
        Learning rate of the first batch.
    optimizer : str
        "adam" or "adamw".
    betas : (float, float)
        Decay of the two moments of Adam.
    weight_decay : float
        L2 penalty of Adam, decoupled decay of AdamW.
    schedule : Schedule
        How the learning rate changes from batch to batch.
    patience_epochs : int or None
        Stop after this many epochs in a row without a lower validation loss; None: never.
    seed : int
        Root of all randomness of the training. That is the order of the samples, augmentation, noise, dropout; the
        initial weights are the task's.
    mixed_precision : bool
        Compute in 16 bits on CUDA. In bfloat16 where the device has it, else in float16 with a scaled loss; weights
        stay float32. On the processor it has no effect, and the first progress message says so: what is trained in turn
        on both kinds of machine keeps one set of settings.
    device : str
        Where the network computes: "cpu", "cuda", or "auto" for CUDA where there is a device.
    save_every_s : float
        Time after which the state is saved within an epoch too [s]. Less often where saving would take more than a
        twentieth of the time; always at the end of an epoch.
    num_threads : int or None
        Threads of PyTorch on the processor; None: all cores, shared by the processes on this machine.
    """

    num_epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Schedule = Constant()
    patience_epochs: int | None = None
    seed: int = 0
    mixed_precision: bool = False
    device: str = "auto"
    save_every_s: float = 300.0
    num_threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size", "patience_epochs", "num_threads"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ParameterError(f"{name} must be at least 1, got {number}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ParameterError(f"learning_rate must be finite and positive, got {self.learning_rate}.")
        if self.optimizer not in OPTIMIZER_NAMES:
            raise ParameterError(unknown_name("optimizer", self.optimizer, OPTIMIZER_NAMES))
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ParameterError(f"betas must be two numbers in [0, 1), got {self.betas}.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise ParameterError(f"weight_decay must be finite and not negative, got {self.weight_decay}.")
        if self.seed < 0:
            raise ParameterError(f"seed must not be negative, got {self.seed}.")
        if not self.save_every_s >= 0:
            raise ParameterError(f"save_every_s must not be negative, got {self.save_every_s} s.")
        require_device_name(self.device)
