"""``gliofield evaluate bayes``: whether posteriors mean what they say, and what they cost."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import AtlasOption, RegistrationOption, SampleImagingOption

if TYPE_CHECKING:
    from gliofield.experiments import BayesEvaluationSettings


def evaluate_bayes_command(
    out: Annotated[Path, typer.Option(help="Folder of all results; an interrupted evaluation goes on in it.")],
    patients: Annotated[
        list[Path] | None, typer.Option(help="BraTS folder, or a folder of such, of real patients; repeatable.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Trained surrogate, compared with the solver on the patients.")
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="Simulation database, for the start from it and its own posterior.")
    ] = None,
    cases: Annotated[
        int | None, typer.Option(min=1, help="Virtual cases; default 128, or 40 with --small. More may follow.")
    ] = None,
    spacing_mm: Annotated[
        float | None, typer.Option(help="Spacing of the virtual cases [mm]; default 3.75, or 5 with --small.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=2, help="Samples of a virtual case; default 256, or 128 with --small.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps per stage of a virtual case; default 20.")] = None,
    start_draws: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Draws of the prior around the best of which virtual cases start; 0 (default): start from the prior.",
        ),
    ] = None,
    sample_imaging: SampleImagingOption = False,
    cost: Annotated[bool, typer.Option("--cost/--no-cost", help="Compare ways to sample on one case.")] = True,
    atlas: AtlasOption = "sri24",
    registration: RegistrationOption = None,
    small: Annotated[bool, typer.Option("--small", help="Coarser and fewer of everything, and labelled so.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Root seed of cases and samplers.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Posteriors: ranks and coverage of known truths, costs, MAP of real patients beside the paper's.

    Every case is written as soon as it is done; the same command goes on with what is missing. Takes hours to days.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import load_atlas
        from gliofield.database import SimulationDatabase
        from gliofield.experiments import evaluate_bayes, find_patients
        from gliofield.personalize import PersonalizationSettings
        from gliofield.registration import DEFAULT_PRESET
        from gliofield.report import bayes_record, bayes_report, write_bayes_folder

        settings = _settings(
            small,
            {"seed": seed, "num_threads": threads, "num_cases": cases, "spacing_mm": spacing_mm},
            {
                "num_samples": samples,
                "num_steps": steps,
                "num_start_draws": start_draws,
                "integrates_imaging": not sample_imaging,
            },
        )
        found, left_out = find_patients(patients) if patients else ({}, {})
        opened = None if database is None else SimulationDatabase.open(database)
        loaded = load_atlas(atlas, report=report)
        evaluation = evaluate_bayes(
            loaded,
            out,
            settings,
            database=opened,
            patients=found,
            checkpoint=checkpoint,
            registration=PersonalizationSettings(registration=registration or DEFAULT_PRESET, num_threads=threads),
            with_cost=cost,
            replace_older=force,
            report=report,
        )
        write_bayes_folder(evaluation, out, loaded)
        text = bayes_report(evaluation)
    print_notices(f"left out: {name} ({reason})" for name, reason in {**left_out, **evaluation.left_out}.items())
    print_result({"folder": out, **bayes_record(evaluation)}, as_json=as_json, text=lambda: text)


def _settings(is_small: bool, changes: dict[str, Any], case_changes: dict[str, Any]) -> BayesEvaluationSettings:
    """Preset with what was asked for."""
    from gliofield.experiments import BayesEvaluationSettings

    preset = BayesEvaluationSettings.small() if is_small else BayesEvaluationSettings()
    changed = {name: value for name, value in case_changes.items() if value is not None}
    num_samples = changed.get("num_samples", preset.case.num_samples)
    # Fewer samples hold fewer draws: one less than a power of two, so that all bins of the histogram are of one size.
    num_ranked = min(preset.case.num_ranked, (1 << (num_samples + 1).bit_length() - 1) - 1)
    case = dataclasses.replace(preset.case, num_ranked=num_ranked, **changed)
    return dataclasses.replace(
        preset, case=case, **{name: value for name, value in changes.items() if value is not None}
    )
