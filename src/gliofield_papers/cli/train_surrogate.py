"""``gliofield papers train surrogate``: a growth model that a network learns from the solver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.options import panel
from gliofield.cli.settings_options import with_given
from gliofield.progress import ProgressEvent, Reporter
from gliofield_papers.cli.options import SURROGATE_LOSSES
from gliofield_training.cli import training_options
from gliofield_training.cli.training_options import best_epoch_line, network, network_choice, tumors, tumors_choice

if TYPE_CHECKING:
    from gliofield.anatomy import Anatomy, Atlas
    from gliofield_papers.surrogate import SurrogateSettings

#: Spacing of ``--small`` [mm]: its crops of 32³ then cover as much of the brain as the paper's.
SMALL_SPACING_MM = 3.75
#: Number of the first anatomy for tests, far from those for training and validation.
FIRST_TEST_ANATOMY = 1_000_000
_SMALL_NOTE = "the surrogate was trained with less than the paper's preset and is labelled small."

_brains, _brains_choice = panel("Brains")


_NumSamples = Annotated[
    int | None, tumors("--samples", min=1, help="Tumors to learn from; default 20,000, --small 400.")
]
_NumValidation = Annotated[
    int | None, tumors("--validation-samples", min=1, help="Tumors to validate on; default 2,000, --small 50.")
]
_SamplesFolder = Annotated[
    Path | None,
    tumors(
        help="Folder of simulated tumors, which trainings of several sizes may share; default: OUT with .samples "
        "added. The paper's 22,000 take 11.5 GB. They are kept: remove the folder when all training is done."
    ),
]
_SolverDevice = Annotated[str, tumors_choice(*options.DEVICES, kind="device", help="Where tumors are simulated.")]
_OwnAnatomies = Annotated[
    Path | None, _brains("--anatomies-dir", help="Folder of atlas folders: brains to train in as well.")
]
_Patients = Annotated[
    list[Path] | None,
    _brains(help="BraTS folder, or a folder of such, to train in those brains too; repeatable."),
]
_Registration = Annotated[
    str, _brains_choice(*options.REGISTRATIONS, kind="registration preset", help="How patients are registered.")
]
_Loss = Annotated[
    str | None,
    network_choice(*SURROGATE_LOSSES, kind="loss", help="Where errors count; default tumor-and-csf, the paper's."),
]
_CsfOnly = Annotated[
    bool, network("--csf-only", help="The paper's ablation: the network knows CSF and no other tissue.")
]

_FromGuess = Annotated[
    bool,
    network(
        "--from-guess",
        help="Beyond the paper: a small network that corrects the radial solution at the time of travel, for one core, "
        "at 3.75 mm: 8 filters, 640 tumors, 3 epochs, loss per-tumor.",
    ),
]


def train_surrogate(
    console: Console,
    out: training_options.Out,
    num_training_samples: _NumSamples = None,
    num_validation_samples: _NumValidation = None,
    samples_dir: _SamplesFolder = None,
    solver_device: _SolverDevice = "cpu",
    restart: training_options.Restart = False,
    force: training_options.Force = False,
    atlas: Annotated[str, _brains(help="Name or folder of the atlas whose brain is moved at random.")] = "sri24",
    anatomies: Annotated[int, _brains(min=1, help="Brains to train in.")] = 10,
    validation_anatomies: Annotated[int, _brains(min=1, help="Other brains to validate in.")] = 5,
    own_anatomies: _OwnAnatomies = None,
    patients: _Patients = None,
    registration: _Registration = options.DEFAULT_REGISTRATION,
    spacing_mm: Annotated[float | None, _brains(help="Voxel spacing [mm]; default 1.875, --small 3.75.")] = None,
    loss: _Loss = None,
    csf_only: _CsfOnly = False,
    from_guess: _FromGuess = False,
    small: training_options.Small = False,
    channels: Annotated[int | None, network(min=4, help="Filters; default 128, --small 16.")] = None,
    *,
    training: dict[str, Any],
) -> None:
    """Train a network that grows tumors in any brain, in place of the solver.

    Tumors are simulated first, and kept. A training that was stopped goes on when the same command is run again.
    """
    if not patients:
        console.refuse("registration", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield.anatomy.atlas import DEFAULT_SPACING_MM
    from gliofield.learning import require_torch
    from gliofield_papers.surrogate import SurrogateSettings
    from gliofield_training.outputs import checkpoint_path

    require_torch()
    path = checkpoint_path(out, replace=force)
    if from_guess:
        console.refuse("small", because="with --from-guess, which is small")
    presets = SurrogateSettings
    preset = presets.correcting() if from_guess else presets.small() if small else presets.papers()
    settings = with_given(
        preset,
        network=with_given(preset.network, channels=channels, tissues=("csf",) if csf_only else None),
        loss=loss,
        training=with_given(preset.training, **training),
        num_training_samples=num_training_samples,
        num_validation_samples=num_validation_samples,
    )
    usual_mm = SMALL_SPACING_MM if small or from_guess else DEFAULT_SPACING_MM
    chosen_mm = usual_mm if spacing_mm is None else spacing_mm
    loaded = load_atlas(atlas, report=console.report)
    registered, left_out = brains_of_patients(
        loaded, patients or [], chosen_mm, registration, training.get("num_threads"), console.report
    )
    brains = {
        "training": [
            *moved_brains(loaded, range(anatomies), chosen_mm, console.report),
            *_own_brains(own_anatomies, chosen_mm),
            *registered,
        ],
        "validation": moved_brains(
            loaded, range(anatomies, anatomies + validation_anatomies), chosen_mm, console.report
        ),
    }
    folder = samples_dir or path.with_name(path.name + ".samples")
    header = _simulate_and_train(
        settings, brains, folder, path, loaded, solver_device, force=force, restart=restart, report=console.report
    )
    notes = [f"left out: {name} ({reason})" for name, reason in left_out.items()]
    console.notes([*notes, *([_SMALL_NOTE] if header.is_small else [])])
    console.result(
        {"checkpoint": out, "samples": folder, **header.to_dict()},
        lambda: "\n".join([best_epoch_line("surrogate", header.history), f"checkpoint: {out}"]),
    )


def _simulate_and_train(
    settings: SurrogateSettings,
    brains: dict[str, list[Anatomy]],
    folder: Path,
    path: Path,
    atlas: Atlas,
    solver_device: str,
    *,
    force: bool,
    restart: bool,
    report: Reporter,
) -> Any:
    """Header of the network trained on tumors simulated in some brains, which are kept in a folder."""
    from gliofield_papers.surrogate import simulate_samples
    from gliofield_papers.surrogate import train_surrogate as train
    from gliofield_training import process_group

    numbers = {"training": settings.num_training_samples, "validation": settings.num_validation_samples}
    with process_group(settings.training.device) as processes:
        made = {
            part: simulate_samples(
                folder / part,
                brains[part],
                settings.ranges,
                number=number,
                part=part,
                crop_size=settings.network.crop_size,
                seed=settings.training.seed,
                device=solver_device,
                num_threads=settings.training.num_threads,
                processes=processes,
                report=report,
            )
            for part, number in numbers.items()
        }
        return train(
            made["training"],
            made["validation"],
            settings,
            path,
            atlas=atlas,
            replace=force,
            restart=restart,
            report=report,
        )


def moved_brains(atlas: Atlas, numbers: range, spacing_mm: float, report: Reporter) -> list[Anatomy]:
    """The atlas's brain, moved at random, for some numbers."""
    from gliofield_papers.surrogate import patient_like_anatomy

    grid = atlas.simulation_grid(spacing_mm=spacing_mm)
    brains = []
    for done, number in enumerate(numbers, start=1):
        brains.append(patient_like_anatomy(atlas, number, grid=grid))
        report(ProgressEvent(task="move the atlas's brain", completed=done, total=len(numbers)))
    return brains


def brains_of_patients(
    atlas: Atlas, folders: list[Path], spacing_mm: float, registration: str, threads: int | None, report: Reporter
) -> tuple[tuple[Anatomy, ...], dict[str, str]]:
    """The atlas's brain, moved onto real patients, and patients that were left out with the reason."""
    from gliofield.pipeline import PersonalizationSettings, find_patients
    from gliofield_papers.queries.patient_anatomies import patient_anatomies

    if not folders:
        return (), {}
    # Deterministic: samples of the same patients are recognized by their anatomies.
    settings = PersonalizationSettings(registration=registration, deterministic=True, num_threads=threads)
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
