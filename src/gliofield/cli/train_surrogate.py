"""``gliofield train surrogate``: a growth model that a network learns from the solver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import MovedAtlasOption, RegistrationOption, ThreadsOption
from gliofield.cli.training_options import (
    BatchSizeOption,
    DeviceOption,
    EpochsOption,
    LearningRateOption,
    MixedPrecisionOption,
    OutOption,
    PatienceOption,
    RestartOption,
    SaveEveryOption,
    SeedOption,
    SmallOption,
    SolverDeviceOption,
    best_epoch_line,
    with_given,
)
from gliofield.progress import ProgressEvent, Reporter

if TYPE_CHECKING:
    from gliofield.anatomy import Anatomy, Atlas

#: Spacing of ``--small`` [mm]: its crops of 32³ then cover as much of the brain as the paper's.
SMALL_SPACING_MM = 3.75
#: Number of the first anatomy for tests, far from those for training and validation.
FIRST_TEST_ANATOMY = 1_000_000


def train_surrogate_command(
    out: OutOption,
    atlas: MovedAtlasOption = "sri24",
    anatomies: Annotated[int, typer.Option(min=1, help="Brains to train in.")] = 10,
    validation_anatomies: Annotated[int, typer.Option(min=1, help="Other brains to validate in.")] = 5,
    own_anatomies: Annotated[
        Path | None,
        typer.Option("--anatomies-dir", help="Folder of atlas folders: brains to train in as well."),
    ] = None,
    patients: Annotated[
        list[Path] | None,
        typer.Option(help="BraTS folder, or a folder of such: brains to train in too, by registration; repeatable."),
    ] = None,
    registration: RegistrationOption = None,
    spacing_mm: Annotated[float | None, typer.Option(help="Voxel spacing [mm]; default 1.875, --small 3.75.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Tumors to learn; default 20,000, --small 400.")] = None,
    validation_samples: Annotated[
        int | None, typer.Option(min=1, help="Tumors to validate on; default 2,000, --small 50.")
    ] = None,
    samples_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of simulated tumors, which trainings of several sizes may share; default: OUT with .samples "
            "added. The paper's 22,000 take 11.5 GB. They are kept: remove the folder when all training is done."
        ),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="tumor-and-csf (the paper), whole-volume (its ablation) or all-regions.")
    ] = "tumor-and-csf",
    csf_only: Annotated[
        bool, typer.Option("--csf-only", help="The paper's ablation: the network knows CSF and no other tissue.")
    ] = False,
    small: SmallOption = False,
    channels: Annotated[int | None, typer.Option(min=4, help="Filters; default 128, --small 16.")] = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    patience: PatienceOption = None,
    save_every: SaveEveryOption = None,
    mixed_precision: MixedPrecisionOption = False,
    device: DeviceOption = "auto",
    solver_device: SolverDeviceOption = "cpu",
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    restart: RestartOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Network that grows tumors in any brain, in place of the solver.

    Tumors are simulated first and kept. Interrupted, the same command goes on.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.anatomy.atlas import DEFAULT_SPACING_MM
        from gliofield.database import named_model
        from gliofield.growth import FisherKolmogorov
        from gliofield.learning import process_group, require_torch
        from gliofield.learning.outputs import checkpoint_path
        from gliofield.surrogate import SurrogateSettings, simulate_samples, train_surrogate

        require_torch()
        path = checkpoint_path(out, replace=force)
        solver = named_model("fk", device=solver_device)
        assert isinstance(solver, FisherKolmogorov)
        preset = SurrogateSettings.small() if small else SurrogateSettings.papers()
        settings = with_given(
            preset,
            network=with_given(preset.network, channels=channels, tissues=("csf",) if csf_only else None),
            loss=loss,
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
            num_training_samples=samples,
            num_validation_samples=validation_samples,
        )
        default_mm = SMALL_SPACING_MM if small else DEFAULT_SPACING_MM
        chosen_mm = default_mm if spacing_mm is None else spacing_mm
        loaded = load_atlas(atlas, report=report)
        registered, left_out = brains_of_patients(loaded, patients or [], chosen_mm, registration, threads, report)
        brains = {
            "training": [
                *moved_brains(loaded, range(anatomies), chosen_mm, report),
                *_own_brains(own_anatomies, chosen_mm),
                *registered,
            ],
            "validation": moved_brains(loaded, range(anatomies, anatomies + validation_anatomies), chosen_mm, report),
        }
        numbers = {"training": settings.num_training_samples, "validation": settings.num_validation_samples}
        folder = samples_dir or path.with_name(path.name + ".samples")
        with process_group(device) as processes:
            made = {
                part: simulate_samples(
                    folder / part,
                    brains[part],
                    settings.ranges,
                    number=numbers[part],
                    part=part,
                    crop_size=settings.network.crop_size,
                    seed=seed,
                    model=solver,
                    num_threads=threads,
                    processes=processes,
                    report=report,
                )
                for part in numbers
            }
            header = train_surrogate(
                made["training"],
                made["validation"],
                settings,
                path,
                atlas=loaded,
                replace=force,
                restart=restart,
                report=report,
            )
    print_notices(f"left out: {name} ({reason})" for name, reason in left_out.items())
    if header.is_small:
        print_notices(["the surrogate was trained with less than the paper's setting and is labelled small."])
    print_result(
        {"checkpoint": out, "samples": folder, **header.to_dict()},
        as_json=as_json,
        text=lambda: "\n".join([best_epoch_line("surrogate", header.history), f"checkpoint: {out}"]),
    )


def moved_brains(atlas: Atlas, numbers: range, spacing_mm: float, report: Reporter) -> list[Anatomy]:
    """The atlas's brain, moved at random, for some numbers."""
    from gliofield.surrogate import patient_like_anatomy

    grid = atlas.simulation_grid(spacing_mm=spacing_mm)
    brains = []
    for done, number in enumerate(numbers, start=1):
        brains.append(patient_like_anatomy(atlas, number, grid=grid))
        report(ProgressEvent(task="move the atlas's brain", completed=done, total=len(numbers)))
    return brains


def brains_of_patients(
    atlas: Atlas,
    folders: list[Path],
    spacing_mm: float,
    registration: str | None,
    threads: int | None,
    report: Reporter,
) -> tuple[tuple[Anatomy, ...], dict[str, str]]:
    """The atlas's brain, moved onto real patients, and patients that were left out with the reason."""
    from gliofield.experiments import find_patients
    from gliofield.experiments.patient_anatomies import patient_anatomies
    from gliofield.personalize import PersonalizationSettings
    from gliofield.registration import DEFAULT_PRESET

    if not folders:
        return (), {}
    # Deterministic: samples of the same patients are recognized by their anatomies.
    settings = PersonalizationSettings(
        registration=registration or DEFAULT_PRESET, deterministic=True, num_threads=threads
    )
    found, left_out = find_patients(folders)
    brains, not_registered = patient_anatomies(atlas, found, spacing_mm=spacing_mm, settings=settings, report=report)
    return brains, left_out | not_registered


def _own_brains(folder: Path | None, spacing_mm: float) -> list[Anatomy]:
    from gliofield.anatomy import read_atlas_folder
    from gliofield.errors import ParameterError

    if folder is None:
        return []
    inner = sorted(path.parent for path in folder.glob("*/atlas.json"))
    if not inner:
        raise ParameterError(f"{folder} holds no atlas folders: expected folders with an atlas.json in it.")
    atlases = [read_atlas_folder(path) for path in inner]
    return [each.anatomy(each.simulation_grid(spacing_mm=spacing_mm)) for each in atlases]
