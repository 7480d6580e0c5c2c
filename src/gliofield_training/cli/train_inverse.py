"""``gliofield train inverse``: the network of ``personalize --method infer``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.options import panel
from gliofield.cli.settings_options import with_given
from gliofield_training.cli import training_options
from gliofield_training.cli.training_options import best_epoch_line, network, network_choice, tumors

if TYPE_CHECKING:
    from gliofield.inverse import InverseHeader, InverseSettings
    from gliofield_training.inverse import TumorSource

# Tumors per epoch and for validation, simulated on the fly: as many as the paper learned from, and what two cores can.
_SIMULATED = (80_000, 1_000)
_SIMULATED_SMALL = (4_000, 200)
#: What the paper's preset and ``--small`` hold.
PRESETS = {"num_epochs": (100, 20), "batch_size": (32, 16), "learning_rate": (6e-5, 1e-3)}

_fly, _fly_choice = panel("Tumors on the fly")
_masks, _ = panel("Masks")


_Database = Annotated[Path | None, tumors(help="Simulation database, split 80 : 8 : 12; or give --on-the-fly.")]
_OnTheFly = Annotated[
    bool, tumors("--on-the-fly", help="Simulate new tumors for every batch instead of reading a database.")
]
_NumTumors = Annotated[
    int | None,
    tumors("--tumors", min=1, help="Tumors per epoch; default: the database's; on the fly 80,000, --small 4,000."),
]
_NumValidation = Annotated[
    int | None,
    tumors(
        "--validation-tumors", min=0, help="Validation tumors; default: the database's; on the fly 1,000, --small 200."
    ),
]
_Design = Annotated[
    str, _fly_choice(*options.DESIGNS, kind="design", help="How the parameters of the tumors are drawn.")
]
_SolverDevice = Annotated[str, _fly_choice(*options.DEVICES, kind="device", help="Where tumors are simulated.")]
_Targets = Annotated[
    str,
    network_choice(*options.GROWTH_TARGETS, kind="growth target", help="Besides the seed: μ1, μ2, or D_w, ρ, T."),
]
_Scale = Annotated[
    str, network_choice(*options.TARGET_SCALES, kind="target scale", help="Scale of them; the paper's is linear.")
]
_Separate = Annotated[
    bool, network("--separate", help="One network for growth and one for the seed, instead of one for both.")
]
_PredictPush = Annotated[
    bool, network("--predict-push", help="Predict the push of tumors with mass effect too; beyond the paper.")
]
_NumMembers = Annotated[int, network("--members", min=1, help="Networks of an ensemble; their spread is reported.")]
_Pooling = Annotated[int | None, network(min=1, help="Voxels per axis averaged for the network; default 1, --small 2.")]


def train_inverse(
    console: Console,
    out: training_options.Out,
    database: _Database = None,
    on_the_fly: _OnTheFly = False,
    num_training_tumors: _NumTumors = None,
    num_validation_tumors: _NumValidation = None,
    restart: training_options.Restart = False,
    force: training_options.Force = False,
    design: _Design = options.DEFAULT_DESIGN,
    model: Annotated[str, _fly_choice(*options.MODELS, kind="growth model", help="Growth model.")] = "fk",
    push_pa: options.DesignPush = None,
    atlas: Annotated[str, _fly(help="Name or folder of the atlas.")] = "sri24",
    spacing_mm: Annotated[float, _fly(help="Voxel spacing of the simulation grid [mm].")] = 1.875,
    solver_device: _SolverDevice = "cpu",
    t1gd_thresholds: options.T1gdThresholds = (0.5, 0.85),
    flair_thresholds: options.FlairThresholds = (0.05, 0.5),
    flips: Annotated[bool, _masks("--flips", help="Mirror half of the samples, left to right.")] = False,
    perturb: options.Perturb = False,
    targets: _Targets = "invariants",
    scale: _Scale = "linear",
    separate: _Separate = False,
    predict_push: _PredictPush = False,
    num_members: _NumMembers = 1,
    small: training_options.Small = False,
    channels: Annotated[int | None, network(min=1, help="Channels; default 64, --small 16.")] = None,
    pooling: _Pooling = None,
    *,
    training: dict[str, Any],
) -> None:
    """Train a network that maps two masks to growth parameters, for `personalize --method infer`.

    A training that was stopped goes on when the same command is run again.
    """
    from gliofield.errors import ParameterError

    if (database is None) != on_the_fly:
        raise ParameterError("give either --database or --on-the-fly: where do the tumors come from?")
    if database is not None:
        console.refuse(
            *("design", "model", "push_pa", "atlas", "spacing_mm", "solver_device"),
            because="with --database, whose tumors are simulated already",
        )

    from gliofield.inverse import InverseSettings, MaskPerturbation
    from gliofield.learning import require_torch
    from gliofield_training.inverse import train_inverse as train
    from gliofield_training.outputs import checkpoint_path

    require_torch()
    checkpoint_path(out, replace=force)
    preset = InverseSettings.small() if small else InverseSettings.papers()
    settings = with_given(
        preset,
        targets=with_given(preset.targets, growth=targets, scale=scale, is_joint=not separate, has_push=predict_push),
        observation=with_given(
            preset.observation,
            t1gd_thresholds=t1gd_thresholds,
            flair_thresholds=flair_thresholds,
            flips=flips,
            perturbation=MaskPerturbation() if perturb else None,
        ),
        network=with_given(preset.network, channels=channels, pooling=pooling),
        training=with_given(preset.training, **training),
        num_members=num_members,
    )
    numbers, threads = (num_training_tumors, num_validation_tumors), training.get("num_threads")
    if database is not None:
        source = _database_source(database, numbers, threads)
    else:
        usual = _SIMULATED_SMALL if small else _SIMULATED
        chosen = (usual[0] if numbers[0] is None else numbers[0], usual[1] if numbers[1] is None else numbers[1])
        source = _simulated_source(
            console, design, model, push_pa, atlas, spacing_mm, solver_device, numbers=chosen, num_threads=threads
        )
    console.notes(_notices_of_source(source, settings))
    header = train(source, settings, out, replace=force, restart=restart, report=console.report)
    console.notes(_notices_of_network(header))
    lines = [best_epoch_line(name, history) for name, history in header.history.items()]
    console.result({"checkpoint": out, **header.to_dict()}, lambda: "\n".join([*lines, f"checkpoint: {out}"]))


def _simulated_source(
    console: Console,
    design: str,
    model: str,
    push_pa: float | None,
    atlas: str,
    spacing_mm: float,
    device: str,
    *,
    numbers: tuple[int, int],
    num_threads: int | None,
) -> TumorSource:
    from gliofield.anatomy import load_atlas
    from gliofield.database import named_design, named_model
    from gliofield_training.inverse import SimulatedTumors

    loaded = load_atlas(atlas, report=console.report)
    return SimulatedTumors(
        atlas=loaded,
        grid=loaded.simulation_grid(spacing_mm=spacing_mm),
        design=named_design(design, mass_effect=model == "mass-effect", push_pa=push_pa),
        model=named_model(model),
        device=device,
        num_training_tumors=numbers[0],
        num_validation_tumors=numbers[1],
        num_threads=num_threads,
    )


def _database_source(database: Path, numbers: tuple[int | None, int | None], num_threads: int | None) -> TumorSource:
    from gliofield.database import SimulationDatabase
    from gliofield_training.inverse import DatabaseTumors

    # The split is always that of its default seed, so that networks of all seeds share their test tumors.
    return DatabaseTumors(
        SimulationDatabase.open(database),
        num_training_tumors=numbers[0],
        num_validation_tumors=numbers[1],
        num_threads=num_threads,
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
        yield "the network was trained with less than the paper's preset and is labelled small."
