"""What commands say and where: lines without a terminal, the log, --quiet and --verbose, errors with options' names."""

import json
import re
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gliofield.cli import app as gliofield_app
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import ConsoleOptions, name_options
from gliofield.errors import DatabaseError, ParameterError
from gliofield.progress import ProgressEvent, StageClock
from gliofield.progress_lines import ProgressLines, called_regularly

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "


def say_everything(console, out: Annotated[str, typer.Option(help="What to do.")] = "bread", num_loaves: int = 1):
    """Bake, and say so."""
    console.steps = ("mix", "bake")
    clock = StageClock(console.report)
    for stage in ("mix", "bake"):
        with clock.stage(stage):
            pass
    console.notes(["the oven is old"])
    if out == "stop":
        raise KeyboardInterrupt
    if out == "full":
        raise OSError(28, "No space left on device")
    if out == "fail":
        raise DatabaseError("num_loaves is too large")
    console.result({"loaves": num_loaves}, lambda: f"{num_loaves} loaves")


@pytest.fixture
def run():
    """A command line with a command that runs long and one that does not."""
    app = make_group("bakery", "Bread.")
    add_command(app, "long", say_everything, examples=["bakery long"], runs_long=True, resumes=True)
    add_command(app, "short", say_everything, examples=["bakery short"])
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def event(task, completed, total, message=""):
    return ProgressEvent(task=task, completed=completed, total=total, message=message)


def test_without_a_terminal_a_long_run_writes_a_line_per_stage(run):
    """On stderr, with the step and the seconds; the result is alone on stdout, as text and as JSON."""
    result, as_json = run("long"), run("long", "--json")

    assert result.stdout == "1 loaves\n"
    assert json.loads(as_json.stdout) == {"loaves": 1}
    for stderr in (result.stderr, as_json.stderr):
        first, second, note = stderr.splitlines()
        assert re.fullmatch(r"step 1 of 2, mix: 0\.\d s", first)
        assert re.fullmatch(r"step 2 of 2, bake: 0\.\d s", second)
        assert note == "note: the oven is old"


def test_a_short_command_says_only_what_matters(run):
    """No line about a stage that took no time."""
    assert run("short").stderr == "note: the oven is old\n"


def test_quiet_leaves_the_result_and_errors(run):
    """Nothing else."""
    assert run("long", "--quiet").stderr == ""
    assert run("long", "--quiet").stdout == "1 loaves\n"
    assert run("long", "--quiet", "--out", "fail").stderr == "Error: --num-loaves is too large\n"


def test_verbose_begins_with_versions_and_settings(run):
    """And quiet cannot be had with it."""
    versions, settings, *_ = run("long", "--verbose", "--num-loaves", 3).stderr.splitlines()
    both = run("long", "--verbose", "--quiet")

    assert re.match(r"gliofield \S+, Python \S+, numpy \S+", versions)
    assert settings == "settings: out bread, num-loaves 3"
    assert both.exit_code == 2
    assert "--verbose and --quiet exclude each other" in both.stderr


def test_the_log_holds_what_was_said_with_the_time(run, tmp_path):
    """Appended, quiet or not, errors too; with versions and settings."""
    log = tmp_path / "log.txt"
    run("long", "--log", log)
    run("long", "--log", log, "--quiet", "--out", "fail")

    lines = log.read_text(encoding="utf-8").splitlines()
    assert all(re.match(STAMP, line) for line in lines)
    said = [re.sub(STAMP, "", line) for line in lines]
    assert len(said) == 11
    assert said[0].startswith("gliofield ")
    assert said[1] == "settings: out bread, num-loaves 1"
    assert said[4] == "note: the oven is old"
    assert said[-1] == "Error: --num-loaves is too large"


def test_a_log_that_cannot_be_written_is_an_error_before_any_work(run, tmp_path):
    """Its folder is not there; as JSON too."""
    result = run("long", "--log", tmp_path / "no folder" / "log.txt", "--json")

    assert result.exit_code == 1
    assert "log.txt cannot be written: No such file or directory. Choose another place." in result.stderr
    assert "step" not in result.stderr
    assert json.loads(result.stdout)["kind"] == "OutputError"


def test_an_interrupted_command_says_whether_it_resumes(run):
    """Exit code 130."""
    long, short = run("long", "--out", "stop"), run("short", "--out", "stop")

    assert long.exit_code == short.exit_code == 130
    assert long.stderr.endswith("Interrupted. The same command resumes from here.\n")
    assert short.stderr.endswith("Interrupted.\n")


def test_an_error_of_the_system_is_a_message(run):
    """No traceback where a disk is full or the current folder is gone; exit code 1."""
    result = run("long", "--out", "full", "--quiet")

    assert result.exit_code == 1
    assert result.stderr == "Error: No space left on device.\n"


def test_a_long_stage_writes_a_line_per_minute(clock):
    """With count, rate and the time left; not more often, however many events there are."""
    lines = []
    report = ProgressLines(lines.append, clock=clock)
    for second in range(0, 150):
        clock.now = float(second)
        report(event("build", 2 * second, 600, "at work"))
        report.tick()

    assert lines == [
        "build: 120 of 600, running for 1 min 0 s, 2/s, 4 min 0 s left, at work",
        "build: 240 of 600, running for 2 min 0 s, 2/s, 3 min 0 s left, at work",
    ]


def test_a_stage_without_events_is_heard_of_too(clock):
    """Registration is one step of minutes: its clock runs, and its end has its seconds."""
    lines = []
    report = ProgressLines(lines.append, clock=clock)
    report(event("register", 0, 1))
    clock.now = 61.0
    report.tick()
    clock.now = 130.0
    report(event("register", 1, 1))
    report.tick()

    assert lines == ["register: running for 1 min 1 s", "register: 2 min 10 s"]


def test_a_stage_that_comes_again_and_again_is_said_once_a_minute(clock):
    """A hundred patients of two seconds: no hundred lines; each is timed from its own beginning."""
    lines = []
    report = ProgressLines(lines.append, clock=clock)
    for patient in range(100):
        clock.now = 2.0 * patient
        report(event("move", 0, 1))
        clock.now += 1.5
        report(event("move", 1, 1))

    assert lines == ["move: 1.5 s"] * 4


def test_every_event_is_written_at_most_once_a_second(clock):
    """What --verbose asks for; a total that is not known is left out."""
    lines = []
    report = ProgressLines(lines.append, every_event=True, clock=clock)
    for tenth in range(25):
        clock.now = tenth / 10
        report(event("sample", tenth + 1, 0))

    assert lines == ["sample: 1, running for 0.0 s", "sample: 11, running for 1.0 s", "sample: 21, running for 2.0 s"]
    report(event("sample", 30, 30))
    assert lines[-1] == "sample: 30 of 30, 2.4 s"


def test_a_slow_stage_says_its_rate_per_minute(clock):
    """Where less than one is done per second."""
    lines = []
    report = ProgressLines(lines.append, clock=clock)
    report(event("train", 0, 10))
    clock.now = 3660.0
    report(event("train", 1, 10))
    report.tick()

    assert lines == ["train: 1 of 10, running for 1 h 1 min, 0.0164/min, 9 h 9 min left"]


def test_ticks_come_from_a_thread_of_their_own():
    """Until the block ends."""
    import threading

    heard = threading.Event()
    with called_regularly(heard.set, every_s=0.001):
        assert heard.wait(10.0)
    assert not any(thread.name == "gliofield-progress" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("num_steps must be at least 1, got 0.", "--steps must be at least 1, got 0."),
        ("a must lie below num_steps = 4.", "a must lie below --steps = 4."),
        ("seed must not be negative, got -1.", "--seed must not be negative, got -1."),
        ("Move the seed into the brain tissue.", "Move the seed into the brain tissue."),
        (
            "Choose another name, or pass replace=True to replace it.",
            "Choose another name, or pass --force to replace it.",
        ),
        ("start anew with resume=False.", "start anew with --restart."),
        ("num_steps_total is another name.", "num_steps_total is another name."),
    ],
)
def test_arguments_of_python_are_spelled_as_options(message, said):
    """Where they can be nothing else: a word such as seed only where the sentence begins with it."""
    assert name_options(message, {"num_steps": "--steps", "seed": "--seed", "move": "--move"}) == said


def test_the_old_name_of_the_cache_variable_is_noted(monkeypatch):
    """Any command says that it is not read; not where the new one is set."""
    monkeypatch.setenv("GLIOMAP_CACHE_DIR", "somewhere")
    silent = CliRunner().invoke(gliofield_app, ["atlas", "list"])
    monkeypatch.delenv("GLIOFIELD_CACHE_DIR")
    noted = CliRunner().invoke(gliofield_app, ["atlas", "list", "--json"])

    assert silent.stderr == ""
    assert "GLIOMAP_CACHE_DIR is not read any more: the variable is now called GLIOFIELD_CACHE_DIR" in noted.stderr
    assert json.loads(noted.stdout)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(option):
    """By both spellings."""
    from gliofield import __version__

    assert CliRunner().invoke(gliofield_app, [option]).stdout == f"gliofield {__version__}\n"


def test_options_of_the_console_exclude_each_other():
    """In Python, too."""
    with pytest.raises(ParameterError, match="--verbose and --quiet exclude each other"):
        ConsoleOptions(verbose=True, quiet=True)
