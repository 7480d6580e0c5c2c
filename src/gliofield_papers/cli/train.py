"""``gliofield papers train``: networks trained on simulated tumors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console
from gliofield.cli.settings_options import with_given
from gliofield_papers.cli.options import LOSSES, MODALITIES, PRESETS
from gliofield_papers.cli.train_surrogate import train_surrogate
from gliofield_training.cli import training_options
from gliofield_training.cli.training_options import best_epoch_line, network, network_choice, options_for, tumors

app = make_group("train", "Train networks on simulated tumors (needs PyTorch, extra 'learn').")

_DESCRIPTIONS = {
    "ae": "Train an autoencoder of tumor masks, for index ae.",
    "vae": "Train a variational autoencoder of tumor masks, for index vae.",
    "hash": "Train an autoencoder whose encoding is bits (Bi-half layer), for index hash.",
}


_KlWeight = Annotated[
    float | None,
    network(min=0.0, help="β, weight of a VAE's Kullback-Leibler divergence; default 0.001. With 0 it is reported."),
]
_Modality = Annotated[
    str | None,
    network_choice(*MODALITIES, kind="modality", help="Train one network alone, for tuning; it searches nothing."),
]
_NumHalvings = Annotated[
    int | None,
    network("--halvings", min=1, max=5, help="How often the resolution is halved, with twice the channels each time."),
]


def _channels(preset: tuple[int, ...], num_halvings: int) -> tuple[int, ...]:
    """Channels after each halving: those of the preset, and on as they double."""
    return tuple(preset[0] * 2**number for number in range(num_halvings))


def _embedding_command(kind: str) -> Callable[..., None]:
    """Command that trains one kind of embedding; they differ in name, presets and description alone."""

    def train_embedding_command(
        console: Console,
        out: training_options.Out,
        database: Annotated[
            Path | None, tumors(help="Simulation database; default: that of `personalize`, built on first use.")
        ] = None,
        atlas: Annotated[str, tumors(help="Atlas of the default database.")] = "sri24",
        num_training_tumors: Annotated[
            int | None, tumors("--training-tumors", min=1, help="Tumors to train on; default 1500, --small 400.")
        ] = None,
        num_validation_tumors: Annotated[
            int | None, tumors("--validation-tumors", min=1, help="Tumors to validate on; default 150, --small 50.")
        ] = None,
        t1gd_threshold: Annotated[float, tumors(help="Cell density above which T1Gd shows tumor.")] = 0.6,
        flair_threshold: Annotated[float, tumors(help="Cell density above which FLAIR shows tumor.")] = 0.2,
        restart: training_options.Restart = False,
        force: training_options.Force = False,
        small: training_options.Small = False,
        latent_size: Annotated[int | None, network(min=1, help="Numbers, or bits, per mask; default 1024.")] = None,
        loss: Annotated[str, network_choice(*LOSSES, kind="loss", help="Reconstruction loss.")] = "dice",
        kl_weight: _KlWeight = None,
        modality: _Modality = None,
        num_halvings: _NumHalvings = None,
        *,
        training: dict[str, Any],
    ) -> None:
        if database is not None:
            console.refuse("atlas", because="with --database")
        if kind != "vae":
            console.refuse("kl_weight", because=f"to train {kind}, whose loss has no divergence")

        from gliofield.anatomy import load_atlas
        from gliofield.database import SimulationDatabase
        from gliofield.imaging import VisibilityThresholds
        from gliofield.learning import require_torch
        from gliofield.pipeline import open_database
        from gliofield_papers.indexes.embedding import EmbeddingSettings, train_embedding
        from gliofield_training.outputs import checkpoint_path

        require_torch()
        checkpoint_path(out, replace=force)
        preset = EmbeddingSettings.small(kind) if small else EmbeddingSettings.papers(kind)
        channels = None if num_halvings is None else _channels(preset.network.channels, num_halvings)
        settings = with_given(
            preset,
            network=with_given(
                preset.network, latent_size=latent_size, loss=loss, kl_weight=kl_weight, channels=channels
            ),
            modalities=None if modality is None else (modality,),
            training=with_given(preset.training, **training),
            num_training_tumors=num_training_tumors,
            num_validation_tumors=num_validation_tumors,
        )
        if database is None:
            opened = open_database(atlas=load_atlas(atlas, report=console.report), report=console.report)
        else:
            opened = SimulationDatabase.open(database)
        header = train_embedding(
            opened,
            settings,
            out,
            thresholds=VisibilityThresholds(t1gd_threshold=t1gd_threshold, flair_threshold=flair_threshold),
            replace=force,
            restart=restart,
            report=console.report,
        )
        if header.is_small:
            console.notes([f"{header.label} was trained with less than the papers' preset and is labelled small."])
        lines = [best_epoch_line(name, history) for name, history in header.history.items()]
        console.result(
            {"checkpoint": out, "label": header.label, **header.to_dict()},
            lambda: "\n".join([header.label, *lines, f"checkpoint: {out}"]),
        )

    return train_embedding_command


for _kind, _description in _DESCRIPTIONS.items():
    add_command(
        app,
        _kind,
        _embedding_command(_kind),
        help_text=f"{_description}\n\nA training that was stopped goes on when the same command is run again.",
        examples=[f"gliofield papers train {_kind} --database DB --out {_kind}.safetensors --small"],
        runs_long=True,
        resumes=True,
        options={"training": options_for(PRESETS[_kind])},
    )
add_command(
    app,
    "surrogate",
    train_surrogate,
    examples=["gliofield papers train surrogate --out surrogate.safetensors --small --threads 2"],
    runs_long=True,
    resumes=True,
    options={"training": options_for(PRESETS["surrogate"])},
)
