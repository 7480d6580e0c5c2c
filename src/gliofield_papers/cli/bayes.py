"""``gliofield papers bayes``: whether posteriors mean what they say, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.options import panel
from gliofield.cli.settings_options import with_given

if TYPE_CHECKING:
    from gliofield_papers.bayes.evaluation import BayesEvaluationSettings

_case, _ = panel("Virtual cases")


_NumCases = Annotated[
    int | None, _case("--cases", min=1, help="Virtual cases; default 128, or 40 with --small. More may follow.")
]
_Spacing = Annotated[float | None, _case(help="Spacing of the virtual cases [mm]; default 3.75, or 5 with --small.")]


def evaluate_bayes(
    console: Console,
    out: Annotated[Path, typer.Option(help="Folder of all results; an interrupted evaluation goes on in it.")],
    patients: options.Patients = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Trained surrogate, compared with the solver on the patients.")
    ] = None,
    database: Annotated[Path | None, typer.Option(help="Simulation database, for its own posterior.")] = None,
    cost: Annotated[bool, typer.Option("--cost/--no-cost", help="Compare ways to sample on one case.")] = True,
    atlas: options.Atlas = "sri24",
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    small: Annotated[bool, typer.Option("--small", help="Coarser and fewer of everything; results say so.")] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Sample patients as the paper: in their own anatomy, 2,048 samples of one step (256 with --small), "
            "independent voxels, PET without background.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Root seed of cases and samplers.")] = 0,
    force: options.Force = False,
    num_cases: _NumCases = None,
    spacing_mm: _Spacing = None,
    num_samples: Annotated[
        int | None,
        _case("--samples", min=10, help="Effective samples of a virtual case; default 500, or 250 with --small."),
    ] = None,
    num_threads: options.Threads = None,
) -> None:
    """Test posteriors: ranks and coverage of known truths, costs, MAP of real patients beside the paper's.

    Every case is written as soon as it is done; the same command goes on with what is missing. It takes hours to days.
    """
    if not patients:
        console.refuse("registration", "checkpoint", "published", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield.database import SimulationDatabase
    from gliofield.pipeline import PersonalizationSettings, find_patients
    from gliofield_papers.bayes.evaluation import evaluate_bayes as evaluate
    from gliofield_papers.bayes.folder import bayes_record, write_bayes_folder
    from gliofield_papers.bayes.tables import bayes_report

    settings = _settings(
        small,
        {
            "seed": seed,
            "num_threads": num_threads,
            "num_cases": num_cases,
            "spacing_mm": spacing_mm,
            "is_published": published,
        },
        num_samples,
    )
    found, left_out = find_patients(patients) if patients else ({}, {})
    opened = None if database is None else SimulationDatabase.open(database)
    loaded = load_atlas(atlas, report=console.report)
    evaluation = evaluate(
        loaded,
        out,
        settings,
        database=opened,
        patients=found,
        checkpoint=checkpoint,
        registration=PersonalizationSettings(registration=registration, num_threads=num_threads),
        with_cost=cost,
        replace_older=force,
        report=console.report,
    )
    write_bayes_folder(evaluation, out, loaded)
    text = bayes_report(evaluation)
    console.notes(f"left out: {name} ({reason})" for name, reason in {**left_out, **evaluation.left_out}.items())
    console.result({"folder": out, **bayes_record(evaluation)}, lambda: text)


def _settings(is_small: bool, changes: dict[str, Any], num_case_samples: int | None) -> BayesEvaluationSettings:
    """Preset with what was asked for."""
    from gliofield_papers.bayes.evaluation import BayesEvaluationSettings

    preset = BayesEvaluationSettings.small() if is_small else BayesEvaluationSettings()
    num_samples = num_case_samples or preset.case.num_samples
    # Fewer samples hold fewer draws: one less than a power of two, so that all bins of the histogram are of one size.
    num_ranked = min(preset.case.num_ranked, (1 << (num_samples + 1).bit_length() - 1) - 1)
    settings: BayesEvaluationSettings = with_given(
        preset, case=with_given(preset.case, num_ranked=num_ranked, num_samples=num_samples), **changes
    )
    return settings
