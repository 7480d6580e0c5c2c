"""``gliomap train inverse``: the network of ``personalize --method infer``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gliomap.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliomap.cli.options import ThreadsOption
from gliomap.cli.training_options import (
    BatchSizeOption,
    DeviceOption,
    EpochsOption,
    LearningRateOption,
    MixedPrecisionOption,
    OutOption,
    PatienceOption,
    RestartOption,
    SeedOption,
    SmallOption,
    SolverDeviceOption,
    best_epoch_line,
    with_given,
)


def train_inverse_command(
    out: OutOption,
    database: Annotated[
        Path | None, typer.Option(help="Simulation database, split 80 : 8 : 12; or give --on-the-fly.")
    ] = None,
    on_the_fly: Annotated[
        bool, typer.Option("--on-the-fly", help="Simulate new tumors for every batch instead of reading a database.")
    ] = False,
    tumors: Annotated[
        int | None,
        typer.Option(min=1, help="Tumors per epoch; default: the training part of the database, or 80,000."),
    ] = None,
    validation_tumors: Annotated[
        int | None,
        typer.Option(min=0, help="Tumors to validate on; default: the database's validation part, or 1,000."),
    ] = None,
    design: Annotated[str, typer.Option(help="Design of tumors with --on-the-fly: clinical or papers.")] = "clinical",
    model: Annotated[str, typer.Option(help="Growth model with --on-the-fly: fk or mass-effect.")] = "fk",
    atlas: Annotated[str, typer.Option(help="Atlas name or folder, with --on-the-fly.")] = "sri24",
    spacing_mm: Annotated[float, typer.Option(help="Voxel spacing [mm], with --on-the-fly.")] = 1.875,
    small: SmallOption = False,
    targets: Annotated[
        str, typer.Option(help="What is predicted besides the seed: invariants (μ1, μ2) or rates (D_w, ρ, T).")
    ] = "invariants",
    scale: Annotated[str, typer.Option(help="Scale of these targets: linear (the paper) or log.")] = "linear",
    separate: Annotated[
        bool, typer.Option("--separate", help="One network for growth and one for the seed, instead of one for both.")
    ] = False,
    members: Annotated[int, typer.Option(min=1, help="Networks of an ensemble; their spread is reported.")] = 1,
    flips: Annotated[bool, typer.Option("--flips", help="Mirror half of the samples, left to right.")] = False,
    perturb: Annotated[
        bool, typer.Option("--perturb", help="Imitate errors of registration and annotation on the masks.")
    ] = False,
    t1gd_thresholds: Annotated[
        tuple[float, float], typer.Option(help="Range of the densities above which T1Gd shows tumor.")
    ] = (0.5, 0.85),
    flair_thresholds: Annotated[
        tuple[float, float], typer.Option(help="Range of the densities above which FLAIR shows tumor.")
    ] = (0.05, 0.5),
    channels: Annotated[int | None, typer.Option(min=1, help="Channels; default 64, --small 16.")] = None,
    pooling: Annotated[
        int | None, typer.Option(min=1, help="Voxels per axis averaged for the network; default 1, --small 2.")
    ] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    patience: PatienceOption = None,
    mixed_precision: MixedPrecisionOption = False,
    device: DeviceOption = "auto",
    solver_device: SolverDeviceOption = "cpu",
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    restart: RestartOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Network that maps two masks to growth parameters, for `personalize --method infer`.

    Interrupted, the same command goes on.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.errors import ParameterError
        from gliomap.inverse import InverseSettings, MaskPerturbation, train_inverse
        from gliomap.learning import require_torch

        require_torch()
        if on_the_fly == (database is not None):
            raise ParameterError("give either --database or --on-the-fly: where do the tumors come from?")
        preset = InverseSettings.small() if small else InverseSettings.papers()
        settings = with_given(
            preset,
            targets=with_given(preset.targets, growth=targets, scale=scale, is_joint=not separate),
            observation=with_given(
                preset.observation,
                t1gd_thresholds=t1gd_thresholds,
                flair_thresholds=flair_thresholds,
                flips=flips,
                perturbation=MaskPerturbation() if perturb else None,
            ),
            network=with_given(preset.network, channels=channels, pooling=pooling),
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
            num_members=members,
        )
        if database is not None:
            source = _database_source(database, tumors, validation_tumors, threads)
        else:
            source = _simulated_source(
                atlas,
                spacing_mm,
                design,
                model,
                solver_device,
                80_000 if tumors is None else tumors,
                1_000 if validation_tumors is None else validation_tumors,
                threads,
                report,
            )
        header = train_inverse(source, settings, out, replace=force, restart=restart, report=report)
    if header.is_small:
        print_notices(["the network was trained with less than the paper's setting and is labelled small."])
    lines = [best_epoch_line(name, history) for name, history in header.history.items()]
    print_result(
        {"checkpoint": out, **header.to_dict()},
        as_json=as_json,
        text=lambda: "\n".join([*lines, f"checkpoint: {out}"]),
    )


def _database_source(database: Path, tumors: int | None, validation_tumors: int | None, threads: int | None) -> Any:
    from gliomap.database import SimulationDatabase
    from gliomap.inverse import DatabaseTumors

    # The split is always that of its default seed, so that networks of all seeds share their test tumors.
    return DatabaseTumors(
        SimulationDatabase.open(database),
        num_training_tumors=tumors,
        num_validation_tumors=validation_tumors,
        num_threads=threads,
    )


def _simulated_source(
    atlas: str,
    spacing_mm: float,
    design: str,
    model: str,
    solver_device: str,
    tumors: int,
    validation_tumors: int,
    threads: int | None,
    report: Any,
) -> Any:
    from gliomap.anatomy import load_atlas
    from gliomap.database import named_design, named_model
    from gliomap.inverse import SimulatedTumors

    loaded = load_atlas(atlas, report=report)
    return SimulatedTumors(
        anatomy=loaded.anatomy(loaded.simulation_grid(spacing_mm=spacing_mm)),
        atlas_name=loaded.name,
        atlas_hash=loaded.content_hash,
        design=named_design(design, mass_effect=model == "mass-effect"),
        model=named_model(model, device=solver_device),
        num_training_tumors=tumors,
        num_validation_tumors=validation_tumors,
        num_threads=threads,
    )
