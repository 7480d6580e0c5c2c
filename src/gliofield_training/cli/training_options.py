"""Options and lines of output that trainings share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from gliofield.cli.options import NETWORK_DEVICES, panel
from gliofield.cli.settings_options import OptionGroup

tumors, tumors_choice = panel("Tumors and output")
network, network_choice = panel("Network")

Out = Annotated[Path, tumors(help="Checkpoint to write (.safetensors).")]
Restart = Annotated[bool, tumors("--restart", help="Begin anew instead of going on with a stopped training.")]
Force = Annotated[bool, tumors("--force", help="Replace a checkpoint that exists.")]
Small = Annotated[bool, network("--small", help="A preset for two cores; without it the papers' preset, for a GPU.")]


def options_for(presets: Mapping[str, tuple[float, float]]) -> Callable[[Sequence[str]], OptionGroup]:
    """Maker of the options that fill `TrainingSettings`, begun from both presets of a network."""

    def make(arguments: Sequence[str]) -> OptionGroup:
        from gliofield.learning import TrainingSettings

        return OptionGroup(
            settings=TrainingSettings,
            panel="Training",
            spellings={
                "num_epochs": "--epochs",
                "patience_epochs": "--patience",
                "save_every_s": "--save-every",
                "num_threads": "--threads",
            },
            fields=(
                *("num_epochs", "batch_size", "learning_rate", "patience_epochs", "save_every_s"),
                *("mixed_precision", "device", "seed", "num_threads"),
            ),
            choices={"device": NETWORK_DEVICES},
            is_partial=True,
            presets={name: f"{papers:g}, or {small:g} with --small" for name, (papers, small) in presets.items()},
        )

    return make


def best_epoch_line(name: str, history: Any) -> str:
    """One line about how a training went."""
    best = history.epochs[history.best_epoch - 1]
    losses = ", ".join(f"{part} {value:.4f}" for part, value in (best.validation or best.training).items())
    kind = "validation" if best.validation else "training"
    return f"{name}: best of {len(history.epochs)} epochs is {history.best_epoch}; {kind} {losses}"
