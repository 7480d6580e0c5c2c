"""Options and lines of output that trainings share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

OutOption = Annotated[Path, typer.Option(help="Checkpoint to write (.safetensors).")]
SmallOption = Annotated[
    bool, typer.Option("--small", help="A setting for two cores; without it that of the paper, for a GPU.")
]
EpochsOption = Annotated[int | None, typer.Option(min=1, help="Epochs; default: the setting's.")]
BatchSizeOption = Annotated[int | None, typer.Option(min=1, help="Samples per batch; default: the setting's.")]
LearningRateOption = Annotated[float | None, typer.Option(help="First learning rate; default: the setting's.")]
PatienceOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many epochs without improvement; default: never.")
]
SaveEveryOption = Annotated[
    float | None,
    typer.Option("--save-every", min=0.0, help="Save within an epoch after so many seconds [s]; default 300."),
]
MixedPrecisionOption = Annotated[bool, typer.Option("--mixed-precision", help="Compute in 16 bits on a GPU.")]
DeviceOption = Annotated[str, typer.Option(help="Where the network computes: auto, cpu or cuda.")]
T1gdThresholdsOption = Annotated[
    tuple[float, float], typer.Option(help="Range of the densities above which T1Gd shows tumor.")
]
FlairThresholdsOption = Annotated[
    tuple[float, float], typer.Option(help="Range of the densities above which FLAIR shows tumor.")
]
PerturbOption = Annotated[
    bool, typer.Option("--perturb", help="Imitate errors of registration and annotation on the masks.")
]
SolverDeviceOption = Annotated[str, typer.Option(help="Where tumors are simulated: cpu or cuda.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of weights, samples, order and noise.")]
RestartOption = Annotated[bool, typer.Option("--restart", help="Begin anew where an interrupted training lies.")]


def with_given(settings: Any, **changes: Any) -> Any:
    """Settings with the values that were given."""
    return dataclasses.replace(settings, **{name: value for name, value in changes.items() if value is not None})


def best_epoch_line(name: str, history: Any) -> str:
    """One line about how a training went."""
    best = history.epochs[history.best_epoch - 1]
    losses = ", ".join(f"{part} {value:.4f}" for part, value in (best.validation or best.training).items())
    kind = "validation" if best.validation else "training"
    return f"{name}: best of {len(history.epochs)} epochs is {history.best_epoch}; {kind} {losses}"
