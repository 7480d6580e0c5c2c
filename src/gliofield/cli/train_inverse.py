"""``gliofield train inverse``: the network of ``personalize --method infer``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import ThreadsOption
from gliofield.cli.training_options import (
    BatchSizeOption,
    DeviceOption,
    EpochsOption,
    FlairThresholdsOption,
    LearningRateOption,
    MixedPrecisionOption,
    OutOption,
    PatienceOption,
    PerturbOption,
    RestartOption,
    SaveEveryOption,
    SeedOption,
    SmallOption,
    T1gdThresholdsOption,
    best_epoch_line,
    with_given,
)

if TYPE_CHECKING:
    from gliofield.inverse import InverseHeader, InverseSettings, TumorSource
    from gliofield.progress import Reporter

# Tumors per epoch and for validation, simulated on the fly: as many as the paper learned from, and what two cores can.
_SIMULATED = (80_000, 1_000)
_SIMULATED_SMALL = (4_000, 200)


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
        typer.Option(
            min=1,
            help="Tumors per epoch; default: the training part of the database, or 80,000 on the fly, with --small "
            "4,000.",
        ),
    ] = None,
    validation_tumors: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Tumors to validate on; default: the database's validation part, or 1,000 on the fly, with --small "
            "200.",
        ),
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(help="Design of tumors with --on-the-fly: clinical or papers; default clinical."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Growth model with --on-the-fly: fk or mass-effect; default fk.")
    ] = None,
    atlas: Annotated[str | None, typer.Option(help="Atlas name or folder with --on-the-fly; default sri24.")] = None,
    spacing_mm: Annotated[
        float | None, typer.Option(help="Voxel spacing with --on-the-fly [mm]; default 1.875.")
    ] = None,
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
    perturb: PerturbOption = False,
    t1gd_thresholds: T1gdThresholdsOption = (0.5, 0.85),
    flair_thresholds: FlairThresholdsOption = (0.05, 0.5),
    channels: Annotated[int | None, typer.Option(min=1, help="Channels; default 64, --small 16.")] = None,
    pooling: Annotated[
        int | None, typer.Option(min=1, help="Voxels per axis averaged for the network; default 1, --small 2.")
    ] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    patience: PatienceOption = None,
    save_every: SaveEveryOption = None,
    mixed_precision: MixedPrecisionOption = False,
    device: DeviceOption = "auto",
    solver_device: Annotated[
        str | None, typer.Option(help="Where tumors are simulated with --on-the-fly: cpu or cuda; default cpu.")
    ] = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    restart: RestartOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Network that maps two masks to growth parameters, for `personalize --method infer`.

    Interrupted, the same command goes on.
    """
    simulation = SimulationOptions(
        design=design, model=model, atlas=atlas, spacing_mm=spacing_mm, solver_device=solver_device
    )
    with user_errors(as_json=as_json):
        from gliofield.inverse import InverseSettings, MaskPerturbation, train_inverse
        from gliofield.learning import require_torch

        require_torch()
        simulation.require_fitting(on_the_fly=on_the_fly, database=database)
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
                save_every_s=save_every,
                mixed_precision=mixed_precision,
                device=device,
                seed=seed,
                num_threads=threads,
            ),
            num_members=members,
        )
        with progress_bars() as report:
            if database is not None:
                source = _database_source(database, tumors, validation_tumors, threads)
            else:
                numbers = _SIMULATED_SMALL if small else _SIMULATED
                source = simulation.source(
                    num_training_tumors=numbers[0] if tumors is None else tumors,
                    num_validation_tumors=numbers[1] if validation_tumors is None else validation_tumors,
                    num_threads=threads,
                    report=report,
                )
        print_notices(_notices_of_source(source, settings))
        with progress_bars() as report:
            header = train_inverse(source, settings, out, replace=force, restart=restart, report=report)
    print_notices(_notices_of_network(header))
    lines = [best_epoch_line(name, history) for name, history in header.history.items()]
    print_result(
        {"checkpoint": out, **header.to_dict()},
        as_json=as_json,
        text=lambda: "\n".join([*lines, f"checkpoint: {out}"]),
    )


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """Options of tumors simulated on the fly, as given; None where left out."""

    design: str | None
    model: str | None
    atlas: str | None
    spacing_mm: float | None
    solver_device: str | None

    def require_fitting(self, *, on_the_fly: bool, database: Path | None) -> None:
        """Raise an error unless tumors come from one place, and the options speak of that place."""
        from gliofield.errors import ParameterError

        if on_the_fly == (database is not None):
            raise ParameterError("give either --database or --on-the-fly: where do the tumors come from?")
        given = [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value is not None]
        if database is not None and given:
            raise ParameterError(
                f"the tumors of a database are simulated already: leave {', '.join(given)} out, or give --on-the-fly "
                "in place of --database."
            )

    def source(
        self, *, num_training_tumors: int, num_validation_tumors: int, num_threads: int | None, report: Reporter
    ) -> TumorSource:
        """Tumors simulated with these options."""
        from gliofield.anatomy import load_atlas
        from gliofield.anatomy.atlas import DEFAULT_SPACING_MM
        from gliofield.database import named_design, named_model
        from gliofield.inverse import SimulatedTumors

        model = self.model or "fk"
        loaded = load_atlas(self.atlas or "sri24", report=report)
        spacing_mm = DEFAULT_SPACING_MM if self.spacing_mm is None else self.spacing_mm
        return SimulatedTumors(
            atlas=loaded,
            grid=loaded.simulation_grid(spacing_mm=spacing_mm),
            design=named_design(self.design or "clinical", mass_effect=model == "mass-effect"),
            model=named_model(model, device=self.solver_device or "cpu"),
            num_training_tumors=num_training_tumors,
            num_validation_tumors=num_validation_tumors,
            num_threads=num_threads,
        )


def _database_source(
    database: Path, tumors: int | None, validation_tumors: int | None, threads: int | None
) -> TumorSource:
    from gliofield.database import SimulationDatabase
    from gliofield.inverse import DatabaseTumors

    # The split is always that of its default seed, so that networks of all seeds share their test tumors.
    return DatabaseTumors(
        SimulationDatabase.open(database),
        num_training_tumors=tumors,
        num_validation_tumors=validation_tumors,
        num_threads=threads,
    )


def _notices_of_source(source: TumorSource, settings: InverseSettings) -> Iterator[str]:
    """What the user should know before hours of training."""
    speed = source.origin.front_speed_mm_per_day
    if settings.targets.growth == "rates" and speed is not None:
        yield (
            f"the design draws all tumors at one front speed, {speed:g} mm/day, so D_w and ρ follow from each other "
            "and the ablation --targets rates shows nothing. Use the design papers, which draws both."
        )


def _notices_of_network(header: InverseHeader) -> Iterator[str]:
    if header.trained_ranges is not None:
        for scaling in header.scalings.values():
            yield from (f"{claim}." for claim in header.trained_ranges.unreachable(scaling))
    if header.is_small:
        yield "the network was trained with less than the paper's setting and is labelled small."
