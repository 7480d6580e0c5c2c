"""``gliofield-bids``: the cohort as a BIDS app, with the arguments that BIDS apps have.

gliofield-bids BIDS_DIR OUT_DIR participant|group [--participant-label L …] [--session-label L …] [-w WORK]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gliofield.cli import cohort, options
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console
from gliofield.cli.options import panel
from gliofield.cli.personalize import explain_option, options_of_command
from gliofield.pipeline.method_options import DEFAULT_METHOD

_LEVELS = ("participant", "group")
# Options of BIDS apps that take several values after one name.
_SEVERAL = ("--participant-label", "--participant_label", "--session-label", "--session_label")
_work, _ = panel("Work")

app = make_group(None, "The cohort as a BIDS app.")


def bids(
    console: Console,
    dataset: Annotated[Path, typer.Argument(metavar="BIDS_DIR", help="BIDS data set.", rich_help_panel="Data set")],
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Derivatives.", rich_help_panel="Data set")],
    level: Annotated[
        str,
        typer.Argument(metavar="participant|group", help="Level of the analysis.", rich_help_panel="Data set"),
    ],
    participant: cohort.Participants = None,
    session: cohort.Sessions = None,
    bids_filter: cohort.BidsFilter = None,
    labels: cohort.Labels = None,
    method: cohort.Method = DEFAULT_METHOD,
    atlas: cohort.AtlasName = "sri24",
    registration: cohort.Registration = options.DEFAULT_REGISTRATION,
    seed: cohort.Seed = 0,
    deterministic: cohort.Deterministic = False,
    work: Annotated[
        Path | None, _work("--work-dir", "-w", help="Folder of intermediate results; default: OUT_DIR/.gliofield.")
    ] = None,
    workers: Annotated[
        int | None, _work("--nprocs", "--n_cpus", min=1, help="Processes; default: one for each core.")
    ] = None,
    threads: cohort.WorkerThreads = None,
    scheduler: cohort.Scheduler = None,
    retry_failed: cohort.RetryFailed = False,
    skip_validation: Annotated[
        bool,
        _work("--skip-bids-validator", "--skip_bids_validator", help="For other BIDS apps' sake: none is ever run."),
    ] = False,
    *,
    method_options: Any,
) -> None:
    """Map the tumor cells of the patients of a BIDS data set, as derivatives of it.

    The participant level personalizes patients, and may be called once for each; the group level then writes one table
    and one page of all. What is done already is not computed again.
    """
    from gliofield.errors import ParameterError, unknown_name

    del skip_validation
    if level not in _LEVELS:
        raise ParameterError(unknown_name("level", level, _LEVELS))
    from gliofield.cohort.bids_dataset import is_bids_dataset
    from gliofield.cohort.bids_derivatives import require_derivatives_folder, write_description

    if not is_bids_dataset(dataset):
        raise ParameterError(f"{dataset} is no BIDS data set: expected a dataset_description.json in it.")
    require_derivatives_folder(out)
    if level == "group":
        _group(console, out)
        return

    from gliofield.cohort import find_cohort, run_cohort
    from gliofield.cohort.bids_derivatives import write_derivatives
    from gliofield.pipeline import PersonalizationSettings

    patients = find_cohort(dataset, cohort.source_of(labels, participant, session, bids_filter))
    settings = PersonalizationSettings(
        registration=registration, seed=seed, deterministic=deterministic, num_threads=threads
    )
    run = cohort.run_of(console, workers, scheduler, None, retry_failed=retry_failed)
    place = (work or out / ".gliofield").absolute()
    write_description(out, dataset)
    result = run_cohort(
        patients, place, method=method_options, atlas=atlas, settings=settings, run=run, report=console.report
    )
    write_derivatives(out, patients, result.rows, place)
    cohort.print_cohort(console, result, {"derivatives": out})


def _group(console: Console, out: Path) -> None:
    from gliofield.cohort import CohortResult
    from gliofield.cohort.bids_derivatives import write_group

    result = CohortResult(folder=out, rows=write_group(out))
    cohort.print_cohort(console, result, {"table": out / "cohort.tsv", "page": out / "cohort.html"})


def repeated(arguments: Sequence[str]) -> list[str]:
    """Arguments with the name of an option before each of its values.

    Examples
    --------
    >>> repeated(["raw", "out", "participant", "--participant_label", "01", "02", "-w", "scratch"])
    ['raw', 'out', 'participant', '--participant_label', '01', '--participant_label', '02', '-w', 'scratch']
    """
    spelled: list[str] = []
    option = ""
    for word in arguments:
        if word.startswith("-"):
            option = word if word in _SEVERAL else ""
            spelled += [] if option else [word]
        else:
            spelled += [option, word] if option else [word]
    return spelled


add_command(
    app,
    "gliofield-bids",
    bids,
    examples=[
        "gliofield-bids BIDS derivatives/gliofield participant --participant-label 01 02",
        "gliofield-bids BIDS derivatives/gliofield group",
    ],
    runs_long=True,
    resumes=True,
    options={"method_options": options_of_command},
    explain=explain_option,
    reads_images=True,
)


def main() -> None:
    """Entry point of the ``gliofield-bids`` command."""
    app(args=repeated(sys.argv[1:]), prog_name="gliofield-bids")


if __name__ == "__main__":
    main()
