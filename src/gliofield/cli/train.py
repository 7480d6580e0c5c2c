"""``gliofield train``: networks trained on simulated tumors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import ThreadsOption
from gliofield.cli.train_inverse import train_inverse_command
from gliofield.cli.train_surrogate import train_surrogate_command
from gliofield.cli.training_options import (
    MixedPrecisionOption,
    OutOption,
    PatienceOption,
    RestartOption,
    best_epoch_line,
    with_given,
)

app = typer.Typer(help="Train networks on simulated tumors (needs PyTorch, extra 'learn').", no_args_is_help=True)

_DESCRIPTIONS = {
    "ae": "Autoencoder of tumor masks, for index ae.",
    "vae": "Variational autoencoder of tumor masks, for index vae.",
    "hash": "Autoencoder whose encoding is bits (Bi-half layer), for index hash.",
}


def _embedding_command(kind: str) -> Callable[..., None]:
    """Command that trains one kind of embedding; they differ in name, default rate and description alone."""

    def command(
        out: OutOption,
        database: Annotated[
            Path | None, typer.Option(help="Simulation database; default: that of `personalize`, built on first use.")
        ] = None,
        small: Annotated[
            bool, typer.Option("--small", help="A setting for two cores; without it that of the papers, for a GPU.")
        ] = False,
        latent_size: Annotated[
            int | None, typer.Option(min=1, help="Numbers, or bits, per mask; default 1024.")
        ] = None,
        loss: Annotated[str | None, typer.Option(help="Reconstruction loss: dice (default), bce or mse.")] = None,
        training_tumors: Annotated[
            int | None, typer.Option(min=1, help="Tumors to train on; default 1500, --small 400.")
        ] = None,
        validation_tumors: Annotated[
            int | None, typer.Option(min=1, help="Tumors to validate on; default 150, --small 50.")
        ] = None,
        epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default 120, --small 20.")] = None,
        batch_size: Annotated[int | None, typer.Option(min=1, help="Tumors per batch; default 2, --small 4.")] = None,
        learning_rate: Annotated[
            float | None, typer.Option(help="Learning rate; default 1e-5 (vae 3e-5), --small 1e-3.")
        ] = None,
        patience: PatienceOption = None,
        mixed_precision: MixedPrecisionOption = False,
        t1gd_threshold: Annotated[float, typer.Option(help="Density above which T1Gd shows tumor.")] = 0.6,
        flair_threshold: Annotated[float, typer.Option(help="Density above which FLAIR shows tumor.")] = 0.2,
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
        atlas: Annotated[str, typer.Option(help="Atlas of the default database.")] = "sri24",
        seed: Annotated[int, typer.Option(min=0, help="Seed of weights, choice of tumors, order and noise.")] = 0,
        threads: ThreadsOption = None,
        restart: RestartOption = False,
        force: ForceOption = False,
        as_json: JsonOption = False,
    ) -> None:
        with user_errors(as_json=as_json), progress_bars() as report:
            from gliofield.anatomy import load_atlas
            from gliofield.database import SimulationDatabase
            from gliofield.imaging import VisibilityThresholds
            from gliofield.learning import require_torch
            from gliofield.personalize import open_or_build_database
            from gliofield.retrieval.embedding import EmbeddingSettings, train_embedding

            require_torch()
            preset = EmbeddingSettings.small(kind) if small else EmbeddingSettings.papers(kind)
            settings = with_given(
                preset,
                network=with_given(preset.network, latent_size=latent_size, loss=loss),
                training=with_given(
                    preset.training,
                    num_epochs=epochs,
                    batch_size=batch_size,
                    learning_rate=learning_rate,
                    patience_epochs=patience,
                    mixed_precision=mixed_precision,
                    device=device,
                    seed=seed,
                    num_threads=threads,
                ),
                num_training_tumors=training_tumors,
                num_validation_tumors=validation_tumors,
            )
            if database is None:
                opened = open_or_build_database(None, load_atlas(atlas, report=report), report=report)
            else:
                opened = SimulationDatabase.open(database)
            header = train_embedding(
                opened,
                settings,
                out,
                thresholds=VisibilityThresholds(t1gd_threshold=t1gd_threshold, flair_threshold=flair_threshold),
                replace=force,
                restart=restart,
                report=report,
            )
        if header.is_small:
            print_notices([f"{header.label} was trained with less than the papers' setting and is labelled small."])
        content = {"checkpoint": out, "label": header.label, **header.to_dict()}
        print_result(content, as_json=as_json, text=lambda: _summary(header, out))

    return command


for _kind, _description in _DESCRIPTIONS.items():
    app.command(_kind, help=f"{_description} Interrupted, the same command goes on.")(_embedding_command(_kind))
app.command("inverse")(train_inverse_command)
app.command("surrogate")(train_surrogate_command)


def _summary(header: Any, out: Path) -> str:
    lines = [best_epoch_line(name, history) for name, history in header.history.items()]
    return "\n".join([header.label, *lines, f"checkpoint: {out}"])
