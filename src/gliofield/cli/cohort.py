"""``gliofield cohort``: many patients by one command, and ``gliofield cohort-compare``: two cohorts side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import EXIT_DOUBTED, Console
from gliofield.cli.options import panel
from gliofield.cli.personalize import explain_option, options_of_command
from gliofield.pipeline.method_options import DEFAULT_METHOD, method_names

if TYPE_CHECKING:
    from gliofield.cohort import CohortResult, CohortRun, CohortSource
    from gliofield.cohort.table import Row
    from gliofield.dask_tasks import DaskCluster

_which, _ = panel("Patients")
_method, _method_choice = panel("Method and output")
_work, _ = panel("Work")

_In = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="Folder of BraTS folders, a BIDS data set, or a table (.tsv, .csv): one row a patient.",
        rich_help_panel="Patients",
    ),
]
Labels = Annotated[
    str | None, _which(metavar="SCHEME", help="What labels mean in all segmentations; default: told from each.")
]
Sessions = Annotated[
    list[str] | None,
    _which(
        "--session-label",
        "--session_label",
        metavar="LABEL",
        help="Session of a BIDS data set, with or without ses-; repeatable, each is a patient of its own.",
    ),
]
Participants = Annotated[
    list[str] | None,
    _which(
        "--participant-label",
        "--participant_label",
        metavar="LABEL",
        help="Participant of a BIDS data set, with or without sub-; repeatable. Default: all.",
    ),
]
BidsFilter = Annotated[
    Path | None,
    _which(
        "--bids-filter",
        "--bids-filter-file",
        help="JSON file that says which files of a BIDS data set are meant, by input, suffix and entities.",
    ),
]
Scheduler = Annotated[
    str | None,
    _work(metavar="ADDRESS", help="Dask scheduler, or the .json file it writes; its workers must see IN and OUT."),
]
Workers = Annotated[int | None, _work(min=1, help="Processes of this machine; default: one for each core.")]
WorkerThreads = Annotated[
    int | None, _work("--threads", min=1, help="Threads of each worker; default: the cores, shared out.")
]
Part = Annotated[
    str | None, _work(metavar="K/P", help="Work on every P-th patient only, from the K-th on, as for job arrays.")
]
RetryFailed = Annotated[bool, _work("--retry-failed", help="Work again on patients that failed before.")]
Method = Annotated[
    str,
    _method_choice(*method_names(), kind="method", help="How tumors are found; --method NAME --help has its options."),
]
Registration = Annotated[
    str,
    _method_choice(
        *options.REGISTRATIONS, kind="registration preset", help="How patients are registered to the atlas."
    ),
]
AtlasName = Annotated[str, _method(help="Name or folder of the atlas.")]
Seed = Annotated[int, _method(help="Seed of whatever is random.")]
Deterministic = Annotated[
    bool, _method("--deterministic", help="The same results to the last bit from the same inputs; slower.")
]


def cohort(
    console: Console,
    place: _In,
    out: Annotated[
        Path | None, _method(help="Folder of the cohort; one of an earlier run is continued. Not for --dry-run.")
    ] = None,
    labels: Labels = None,
    participant: Participants = None,
    session: Sessions = None,
    bids_filter: BidsFilter = None,
    column: Annotated[
        list[str] | None,
        _which(metavar="INPUT=NAME", help="Name of a table's column, such as t1c=T1_POST; repeatable."),
    ] = None,
    method: Method = DEFAULT_METHOD,
    space: Annotated[
        str | None,
        _method_choice("atlas", "patient", kind="space", help="Whose brain tumors grow in; default: the method's own."),
    ] = None,
    atlas: AtlasName = "sri24",
    registration: Registration = options.DEFAULT_REGISTRATION,
    seed: Seed = 0,
    deterministic: Deterministic = False,
    workers: Workers = None,
    threads: WorkerThreads = None,
    scheduler: Scheduler = None,
    part: Part = None,
    retry_failed: RetryFailed = False,
    tables_only: Annotated[
        bool, _work("--tables-only", help="Compute nothing; write table and page of what is there.")
    ] = False,
    dry_run: Annotated[
        bool, _work("--dry-run", help="Read and check all inputs, print them as a table, and do nothing.")
    ] = False,
    *,
    method_options: Any,
) -> None:
    """Map the tumor cells of many patients, with one table and one page of them all.

    A patient that fails is recorded with its reason and does not stop the rest. The same command goes on after an
    interruption and computes nothing twice: what is done is known by its inputs, settings and version. It ends with
    code 3 if patients have failed.
    """
    from gliofield.cohort import find_cohort
    from gliofield.errors import ParameterError

    patients = find_cohort(place, source_of(labels, participant, session, bids_filter, column))
    if dry_run:
        _print_inputs(console, patients, workers)
        return
    if out is None:
        raise ParameterError("the results need a folder: give --out OUT, or --dry-run to check the inputs only.")

    from gliofield.cohort import run_cohort
    from gliofield.pipeline import PersonalizationSettings

    settings = PersonalizationSettings(
        registration=registration,
        space=space,  # type: ignore[arg-type]
        seed=seed,
        deterministic=deterministic,
        num_threads=threads,
    )
    run = run_of(console, workers, scheduler, part, retry_failed=retry_failed, tables_only=tables_only)
    result = run_cohort(
        patients, out, method=method_options, atlas=atlas, settings=settings, run=run, report=console.report
    )
    print_cohort(console, result, {"table": out / "cohort.tsv", "page": out / "cohort.html"})


def source_of(
    labels: str | None,
    participant: Sequence[str] | None,
    session: Sequence[str] | None,
    bids_filter: Path | None,
    column: Sequence[str] | None = None,
) -> CohortSource:
    """What options say of the input."""
    from gliofield.cohort import BidsChoice, CohortSource
    from gliofield.cohort.bids_dataset import read_filter
    from gliofield.errors import ParameterError

    columns = {}
    for each in column or ():
        what, equals, name = each.partition("=")
        if not (what and equals and name):
            raise ParameterError(f"--column must be INPUT=NAME, for example t1c=T1_POST, got {each!r}.")
        columns[what] = name
    choice = BidsChoice(
        filters={} if bids_filter is None else read_filter(bids_filter),
        participants=tuple(participant or ()),
        sessions=tuple(session or ()),
    )
    return CohortSource(bids=choice, columns=columns, labels=labels)


def run_of(
    console: Console,
    workers: int | None,
    scheduler: str | None,
    part: str | None,
    *,
    retry_failed: bool,
    tables_only: bool = False,
) -> CohortRun:
    """How to work, of the options that say so."""
    from gliofield.cohort import CohortRun
    from gliofield.dask_tasks import DaskCluster
    from gliofield.errors import ParameterError

    if workers is not None and scheduler is not None:
        raise ParameterError("--workers and --scheduler exclude each other: name one of them.")
    if tables_only:
        console.refuse("workers", "scheduler", "part", "retry_failed", because="with --tables-only")
    number, slash, parts = (part or "1/1").partition("/")
    if not (slash and number.isdecimal() and parts.isdecimal()):
        raise ParameterError(f"--part must be K/P, for example 2/8 for the second of eight, got {part!r}.")
    who: int | DaskCluster | None = workers if scheduler is None else DaskCluster(scheduler, report=console.report)
    return CohortRun(workers=who, part=(int(number), int(parts)), retry_failed=retry_failed, tables_only=tables_only)


def print_cohort(console: Console, result: CohortResult, places: dict[str, Path]) -> None:
    """Say what became of all patients; code 3 if some have failed."""
    failed = [row for row in result.rows if row["status"] == "failed"]
    counts = {status: result.count(status) for status in ("done", "failed", "missing")}
    verdicts = Counter(str(row["verdict"]) for row in result.rows if row.get("verdict"))
    content = {
        "folder": result.folder,
        **places,
        **counts,
        "computed": result.num_computed,
        "verdicts": dict(verdicts),
        "failures": {str(row["patient"]): row["reason"] for row in failed},
    }
    lines = [
        f"{len(result.rows)} patients: " + ", ".join(f"{number} {status}" for status, number in counts.items())
        + f" ({result.num_computed} by this run)"
    ]  # fmt: skip
    if verdicts:
        lines.append("verdicts: " + ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items())))
    lines += [f"  failed: {row['patient']}: {row['reason']}" for row in failed]
    lines += [f"{name + ':':<8}{path}" for name, path in places.items()]
    lines.append("For research use only; not a medical device.")
    console.result(content, lambda: "\n".join(lines))
    if failed:
        raise typer.Exit(EXIT_DOUBTED)


def _print_inputs(console: Console, patients: Sequence[Any], workers: int | None) -> None:
    """Check all inputs; code 3 if some cannot be used."""
    from gliofield.cohort.input_table import check_inputs
    from gliofield.cores import available_cores

    rows = check_inputs(patients, num_workers=workers or available_cores(), report=console.report)
    failed = sum(row["status"] == "failed" for row in rows)
    console.result(
        {"ready": len(rows) - failed, "failed": failed, "patients": [dict(row) for row in rows]},
        lambda: _input_lines(rows, failed),
    )
    if failed:
        raise typer.Exit(EXIT_DOUBTED)


def _input_lines(rows: Sequence[Row], failed: int) -> str:
    from gliofield.report.tables import Column, ResultTable

    columns = [
        Column("patient", lambda row: row["patient"]),
        Column("input", lambda row: row["status"]),
        Column("verdict", lambda row: row.get("verdict")),
        Column("core [ml]", lambda row: row.get("core_ml"), ".1f"),
        Column("whole [ml]", lambda row: row.get("whole_ml"), ".1f"),
        Column("labels", lambda row: row.get("label_scheme")),
        Column("images", lambda row: row.get("images")),
        Column("remarks", lambda row: row.get("reason") or row.get("concerns")),
    ]
    table = ResultTable(columns=columns, rows=rows)
    return f"{table.markdown()}\n\n{len(rows) - failed} ready, {failed} cannot be used"


def compare(
    console: Console,
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Folder of a cohort, or its cohort.tsv.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="That of the same patients done otherwise.")],
    number: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Column to compare; repeatable; all for every number. Default: the main ones."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    tables: options.Tables = None,
    force: options.Force = False,
) -> None:
    """Compare two cohorts of the same patients, such as two methods: paired differences, intervals, Wilcoxon's test."""
    import dataclasses

    from gliofield.cli.outputs import require_output_file, write_tables
    from gliofield.cohort import compare_cohorts, read_table

    require_output_file(tables, ending=".md", replace=force)
    names = [(each if each.is_dir() else each.parent).resolve().name for each in (first, second)]
    if names[0] == names[1]:
        names = [str(first), str(second)]
    found = compare_cohorts(
        read_table(first), read_table(second), names=(names[0], names[1]), numbers=number or (), seed=seed
    )
    text = found.table().markdown()
    write_tables(tables, text, replace=force)
    console.result(dataclasses.asdict(found), lambda: text)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        "cohort",
        cohort,
        examples=[
            "gliofield cohort PATIENTS --out COHORT",
            "gliofield cohort patients.tsv --dry-run",
            "gliofield cohort PATIENTS --out COHORT --part 2/16 --workers 8",
        ],
        runs_long=True,
        resumes=True,
        options={"method_options": options_of_command},
        explain=explain_option,
        reads_images=True,
    )
    add_command(
        app,
        "cohort-compare",
        compare,
        examples=[
            "gliofield cohort-compare COHORT COHORT2",
            "gliofield cohort-compare COHORT COHORT2 --number dice_flair --tables comparison.md",
        ],
    )
