"""``gliofield papers surrogate``: trained growth networks beside the solver."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gliofield.cli import options
from gliofield.cli.console import Console
from gliofield.cli.options import shared
from gliofield.cli.outputs import write_tables
from gliofield_papers.cli.options import Checkpoints, MovedAtlas
from gliofield_papers.cli.outputs import require_tables_and_figures
from gliofield_papers.cli.train_surrogate import FIRST_TEST_ANATOMY, brains_of_patients, moved_brains


def evaluate_surrogate(
    console: Console,
    checkpoint: Checkpoints,
    atlas: MovedAtlas = "sri24",
    anatomies: Annotated[int, typer.Option(min=1, help="Moved brains to test in; no training has seen them.")] = 5,
    patients: options.Patients = None,
    registration: options.Registration = options.DEFAULT_REGISTRATION,
    samples: Annotated[int | None, typer.Option(min=1, help="Test tumors; default 2,000, or 50 with --quick.")] = None,
    samples_dir: Annotated[Path | None, typer.Option(help="Where simulated tumors are kept; default: nowhere.")] = None,
    timed: Annotated[int, typer.Option(min=1, help="Tumors that are timed.")] = 24,
    quick: options.Quick = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the test tumors.")] = 0,
    out: options.Tables = None,
    figures: options.Figures = None,
    force: options.Force = False,
    device: options.Device = "auto",
    threads: Annotated[
        int | None, shared(min=1, help="Threads; default: all cores for tumors and registrations, one while timing.")
    ] = None,
) -> None:
    """Test surrogates: their accuracy in brains no training has seen, and their speed beside the solver's."""
    from gliofield_papers.forward.folder import SURROGATE_MARKER

    require_tables_and_figures(console, out, figures, marker=SURROGATE_MARKER, replace=force)
    if not patients:
        console.refuse("registration", because="without --patients")

    from gliofield.anatomy import load_atlas
    from gliofield_papers.forward.checkpoints import load_surrogates, require_fitting_anatomies
    from gliofield_papers.forward.evaluation import evaluate_surrogate as evaluate
    from gliofield_papers.forward.folder import write_surrogate_figures
    from gliofield_papers.forward.tables import surrogate_record, surrogate_report
    from gliofield_papers.forward.times import grow_at_times
    from gliofield_papers.surrogate import simulate_samples

    models = load_surrogates(checkpoint, device=device)
    header = models[0].header
    loaded = load_atlas(atlas, report=console.report)
    numbers = range(FIRST_TEST_ANATOMY, FIRST_TEST_ANATOMY + anatomies)
    moved = moved_brains(loaded, numbers, header.spacing_mm, console.report)
    require_fitting_anatomies(models, moved)
    registered, left_out = brains_of_patients(
        loaded, patients or [], header.spacing_mm, registration, threads, console.report
    )
    require_fitting_anatomies(models, registered)
    with tempfile.TemporaryDirectory() as temporary:
        tests = simulate_samples(
            samples_dir or Path(temporary),
            [*moved, *registered],
            header.settings.ranges,
            number=samples or (50 if quick else 2000),
            part="test",
            crop_size=header.settings.network.crop_size,
            seed=seed,
            num_threads=threads,
            report=console.report,
        )
        evaluation = evaluate(tests, models, num_timed=timed, num_threads=threads or 1, report=console.report)
        text = surrogate_report(evaluation)
        write_tables(out, text, replace=force)
        notes: tuple[str, ...] = ()
        if figures is not None:
            tumor = grow_at_times(tests, models, evaluation, report=console.report)
            notes = write_surrogate_figures(evaluation, figures, tumor=tumor, force=force)
    console.notes([*(f"left out: {name} ({reason})" for name, reason in left_out.items()), *notes])
    content = {"file": out, "figures": figures, **surrogate_record(evaluation), "patients_left_out": left_out}
    console.result(content, lambda: text)
