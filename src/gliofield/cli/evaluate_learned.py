"""``gliofield evaluate inverse`` and ``gliofield evaluate surrogate``: trained networks against the solver."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import DatabaseAtlasOption, MovedAtlasOption, RegistrationOption, TablesOption, ThreadsOption
from gliofield.cli.train_surrogate import FIRST_TEST_ANATOMY, brains_of_patients, moved_brains
from gliofield.cli.training_options import DeviceOption, FlairThresholdsOption, PerturbOption, T1gdThresholdsOption
from gliofield.progress import Reporter

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.database import SimulationDatabase
    from gliofield.experiments import MatchingQueries

CheckpointsOption = Annotated[list[Path], typer.Option("--checkpoint", help="Trained network; repeatable.")]
FiguresOption = Annotated[
    Path | None, typer.Option(help="Also draw figures, into this new folder, with the numbers behind them.")
]
QuickOption = Annotated[bool, typer.Option("--quick", help="Fewer tumors: a first look.")]


def evaluate_inverse_command(
    database: Annotated[Path, typer.Argument(help="Simulation database whose test tumors are asked about.")],
    checkpoint: CheckpointsOption,
    tumors: Annotated[int | None, typer.Option(min=1, help="Test tumors; default 500, or 30 with --quick.")] = None,
    queries: Annotated[
        list[Path] | None, typer.Option(help="File of queries with names (.npz), by infer and query; repeatable.")
    ] = None,
    patients: Annotated[
        list[Path] | None, typer.Option(help="BraTS folder, or a folder of such, by infer and query; repeatable.")
    ] = None,
    atlas: DatabaseAtlasOption = None,
    registration: RegistrationOption = None,
    quick: QuickOption = False,
    t1gd_thresholds: T1gdThresholdsOption = (0.5, 0.85),
    flair_thresholds: FlairThresholdsOption = (0.05, 0.5),
    perturb: PerturbOption = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of thresholds and errors of the masks.")] = 0,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    out: TablesOption = None,
    figures: FiguresOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Inverse networks: errors of what they predict, as in the paper's Table 1, location, seconds; real patients."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.database import SimulationDatabase
        from gliofield.experiments import InverseEvaluationSettings, compare_with_query, evaluate_inverse
        from gliofield.inverse import MaskPerturbation, ObservationSettings
        from gliofield.report import inverse_report, methods_record, methods_report, write_inverse_figures
        from gliofield.report.inverse_figures import MOST_PAIRS
        from gliofield.report.learned_folders import INVERSE_MARKER

        _require_outputs(out, figures, marker=INVERSE_MARKER, force=force)
        opened = SimulationDatabase.open(database)
        loaded = load_atlas(atlas or opened.header.atlas_name, report=report)
        preset = InverseEvaluationSettings.quick() if quick else InverseEvaluationSettings()
        settings = dataclasses.replace(
            preset,
            num_tumors=tumors or preset.num_tumors,
            seed=seed,
            observation=ObservationSettings(
                t1gd_thresholds=t1gd_thresholds,
                flair_thresholds=flair_thresholds,
                perturbation=MaskPerturbation() if perturb else None,
            ),
            num_threads=threads,
        )
        fitting, other = _by_growth_model(checkpoint, opened, has_masks=bool(queries or patients))
        evaluation = evaluate_inverse(opened, loaded, fitting, settings=settings, device=device, report=report)
        asked, left_out = _queries(opened, loaded, queries or [], patients or [], registration, threads, report)
        answers = (
            ()
            if asked is None
            else compare_with_query(
                opened,
                loaded,
                [*fitting, *other],
                asked,
                num_threads=threads,
                device=device,
                num_slices=0 if figures is None else MOST_PAIRS,
                report=report,
            )
        )
        sections = [inverse_report(evaluation), *([methods_report(answers)] if answers else [])]
        text = "\n\n".join(sections)
        _write(out, text)
        notes: tuple[str, ...] = ()
        if figures is not None:
            notes = write_inverse_figures(
                evaluation, figures, atlas=loaded, grid=opened.header.grid, answers=answers, force=force
            )
    print_notices(
        [
            *(f"left out: {name} ({reason})" for name, reason in left_out.items()),
            *(f"{path} was trained on another grid or growth model: asked about the masks alone" for path in other),
            *notes,
        ]
    )
    content = {
        "file": out,
        "figures": figures,
        **dataclasses.asdict(evaluation),
        "methods": methods_record(answers),
        "patients_left_out": left_out,
    }
    print_result(content, as_json=as_json, text=lambda: text)


def evaluate_surrogate_command(
    checkpoint: CheckpointsOption,
    atlas: MovedAtlasOption = "sri24",
    anatomies: Annotated[int, typer.Option(min=1, help="Moved brains of the atlas that nobody trained in.")] = 5,
    patients: Annotated[
        list[Path] | None,
        typer.Option(help="BraTS folder, or a folder of such: brains to test in as well, by registration; repeatable."),
    ] = None,
    registration: RegistrationOption = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Test tumors; default 2,000, or 50 with --quick.")] = None,
    samples_dir: Annotated[Path | None, typer.Option(help="Where simulated tumors are kept; default: nowhere.")] = None,
    timed: Annotated[int, typer.Option(min=1, help="Tumors that are timed.")] = 24,
    quick: QuickOption = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the test tumors.")] = 0,
    device: DeviceOption = "auto",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads; default: all cores for tumors and registrations, one while timing."),
    ] = None,
    out: TablesOption = None,
    figures: FiguresOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Surrogates: errors and Dice in brains nobody trained in, and seconds beside the solver's on this machine."""
    with user_errors(as_json=as_json), progress_bars() as report, tempfile.TemporaryDirectory() as temporary:
        from gliofield.anatomy import load_atlas
        from gliofield.experiments import evaluate_surrogate, grow_at_times
        from gliofield.experiments.surrogate_checkpoints import load_surrogates, require_fitting_anatomies
        from gliofield.report import surrogate_record, surrogate_report, write_surrogate_figures
        from gliofield.report.learned_folders import SURROGATE_MARKER
        from gliofield.surrogate import simulate_samples

        _require_outputs(out, figures, marker=SURROGATE_MARKER, force=force)
        models = load_surrogates(checkpoint, device=device)
        header = models[0].header
        loaded = load_atlas(atlas, report=report)
        numbers = range(FIRST_TEST_ANATOMY, FIRST_TEST_ANATOMY + anatomies)
        moved = moved_brains(loaded, numbers, header.spacing_mm, report)
        require_fitting_anatomies(models, moved)
        registered, left_out = brains_of_patients(
            loaded, patients or [], header.spacing_mm, registration, threads, report
        )
        require_fitting_anatomies(models, registered)
        tests = simulate_samples(
            samples_dir or Path(temporary),
            [*moved, *registered],
            header.settings.ranges,
            number=samples or (50 if quick else 2000),
            part="test",
            crop_size=header.settings.network.crop_size,
            seed=seed,
            num_threads=threads,
            report=report,
        )
        evaluation = evaluate_surrogate(tests, models, num_timed=timed, num_threads=threads or 1, report=report)
        text = surrogate_report(evaluation)
        _write(out, text)
        notes: tuple[str, ...] = ()
        if figures is not None:
            tumor = grow_at_times(tests, models, evaluation, report=report)
            notes = write_surrogate_figures(evaluation, figures, tumor=tumor, force=force)
    print_notices([*(f"left out: {name} ({reason})" for name, reason in left_out.items()), *notes])
    content = {"file": out, "figures": figures, **surrogate_record(evaluation), "patients_left_out": left_out}
    print_result(content, as_json=as_json, text=lambda: text)


def _by_growth_model(
    checkpoints: list[Path], database: SimulationDatabase, *, has_masks: bool
) -> tuple[list[Path], list[Path]]:
    """Networks whose tumors are like the database's, and others, which can be asked about masks."""
    from gliofield.inverse import read_inverse_header

    own = database.header
    fitting: list[Path] = []
    other: list[Path] = []
    for path in checkpoints:
        origin = read_inverse_header(path).origin
        is_like = origin.model["name"] == own.model["name"] and origin.grid.is_same_as(own.grid)
        (fitting if is_like else other).append(path)
    # Without masks, or without any that fits, the evaluation says what is wrong.
    return (fitting, other) if has_masks and fitting else (checkpoints, [])


def _require_outputs(out: Path | None, figures: Path | None, *, marker: str, force: bool) -> None:
    from gliofield.errors import ParameterError
    from gliofield.output import require_absent

    if figures is not None:
        require_absent(figures, replace=force, marker=marker)
    if out is None:
        return
    if out.suffix.lower() != ".md":
        raise ParameterError(f"--out {out} must end in .md.")
    require_absent(out, replace=force)
    if figures is not None and out.resolve().is_relative_to(figures.resolve()):
        raise ParameterError(
            f"--out {out} lies in the folder of --figures, which is written as a whole: expected another."
        )


def _write(out: Path | None, text: str) -> None:
    from gliofield.output import atomic_file

    if out is not None:
        with atomic_file(out) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


def _queries(
    database: SimulationDatabase,
    atlas: Atlas,
    files: list[Path],
    patients: list[Path],
    registration: str | None,
    threads: int | None,
    report: Reporter,
) -> tuple[MatchingQueries | None, dict[str, str]]:
    """Queries of files and of patients on the database's grid, and patients that were left out with the reason."""
    from gliofield.experiments import MatchingQueries, find_patients, on_grid_of, register_patients
    from gliofield.personalize import PersonalizationSettings
    from gliofield.registration import DEFAULT_PRESET

    sets = [on_grid_of(database, MatchingQueries.read(path)) for path in files]
    left_out: dict[str, str] = {}
    if patients:
        found, left_out = find_patients(patients)
        settings = PersonalizationSettings(registration=registration or DEFAULT_PRESET, num_threads=threads)
        real, _, not_registered = register_patients(database, atlas, found, settings=settings, report=report)
        left_out |= not_registered
        if real is not None:
            sets.append(real)
    return (MatchingQueries.joined(sets) if sets else None), left_out
