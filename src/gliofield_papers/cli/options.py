"""Options that several commands of the papers share, and the names they choose from.

As in `gliofield.cli.options`, names stand here again because importing the modules that own them takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NETWORK_INDEXES = ("ae", "vae", "hash")
CLASSICAL_INDEXES = ("exact", "direct", "ds64", "ds32", "radiomics", "random-projection")
LOSSES = ("dice", "dice-squared", "jaccard", "bce", "mse")
MODALITIES = ("flair", "t1gd")
SURROGATE_LOSSES = ("tumor-and-csf", "whole-volume", "all-regions", "per-tumor")

#: What the papers' preset of each network and its preset ``--small`` hold.
EMBEDDING_PRESET = {"num_epochs": (120, 20), "batch_size": (2, 4), "learning_rate": (1e-5, 1e-3)}
PRESETS = {
    "ae": EMBEDDING_PRESET,
    "vae": {**EMBEDDING_PRESET, "learning_rate": (3e-5, 1e-3)},
    "hash": EMBEDDING_PRESET,
    "surrogate": {"num_epochs": (30, 10), "batch_size": (16, 8), "learning_rate": (1e-4, 1e-3)},
}

MovedAtlas = Annotated[str, typer.Option(help="Name or folder of the atlas whose brain is moved at random.")]
Checkpoints = Annotated[list[Path], typer.Option("--checkpoint", help="A trained network; repeatable.")]
