"""Every command explains itself: each page shows its options whole, with their units, choices and examples."""

import ast
import json
import re
import subprocess
import sys

import pytest
import typer
from repository import ROOT
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.pipeline.method_options import DEFAULT_METHOD, METHOD_OPTIONS

WIDTHS = (80, 200)


def all_commands() -> list[tuple[str, ...]]:
    """Every command and group, as words after `gliofield`."""

    def walk(command, path):
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:  # the old name of a command
                yield from walk(inner, (*path, name))

    return list(walk(typer.main.get_command(app), ()))


PATHS = all_commands()


def context_of(path):
    """Context of a command, parsed as if nothing had been given."""
    command, context = typer.main.get_command(app), None
    for name in path:
        context = command.make_context("gliofield", [], parent=context, resilient_parsing=True)
        command = command.commands[name]
    return command.make_context(path[-1] if path else "gliofield", [], parent=context, resilient_parsing=True)


def is_group(path) -> bool:
    return hasattr(context_of(path).command, "commands")


def page_of(*words, columns=80) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(columns), "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return result.output


def one_line(page: str) -> str:
    return re.sub(r"\s+", " ", page)


def name_of(path) -> str:
    return " ".join(("gliofield", *path))


COMMANDS = [path for path in PATHS if not is_group(path)]
PAGES = [*PATHS, *(("personalize", "--method", name) for name in METHOD_OPTIONS)]


def test_the_documented_commands_exist():
    """The list found by introspection holds the main ones, so an empty list is not a pass."""
    documented = {("demo",), ("personalize",), ("simulate",), ("search",), ("atlas", "list"), ("database", "build")}

    assert documented <= set(COMMANDS)


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_a_help_page_begins_with_usage_and_a_sentence(path):
    """The same page for both spellings of help, and a full stop at the end of the sentence."""
    page = page_of(*path)

    assert CliRunner().invoke(app, [*path, "-h"], env={"COLUMNS": "80", "NO_COLOR": "1"}).output == page
    assert page.startswith("Usage: ")
    assert re.search(r"\w.*\.\n\n", page)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
@pytest.mark.parametrize("columns", WIDTHS)
def test_units_are_on_the_page(path, columns):
    """Every text in brackets of an option or a description, such as [mm²/day], however wide the page is."""
    page = one_line(page_of(*path, columns=columns))
    words = list(path)
    command = context_of(path[:1] if "--method" in path else path).command
    if "--method" in words:
        from gliofield.cli.personalize import options_of_method

        params = options_of_method(words[-1]).parameters()
        texts = [parameter.annotation.__metadata__[0].help for parameter in params]
    else:
        texts = [getattr(param, "help", "") or "" for param in command.params] + [command.help or ""]
    brackets = {bracket for text in texts for bracket in re.findall(r"\[[^\]]+\]", one_line(text))}

    assert [bracket for bracket in brackets if bracket not in page] == []


def test_the_units_of_a_simulation_are_those_of_its_parameters():
    """The list above would be empty without brackets in the texts: these four must be there."""
    page = one_line(page_of("simulate"))

    for words in ("D_w [mm²/day] (100 times that in cm²/day)", "[mm, RAS+]", "[days]", "ρ [1/day]", "γ [Pa]"):
        assert words in page


@pytest.mark.parametrize("path", PAGES, ids=name_of)
@pytest.mark.parametrize("columns", WIDTHS)
def test_options_are_shown_whole(path, columns):
    """No name is cut or broken, no type of Python stands in for a word, and lines fit (examples may be longer)."""
    page = page_of(*path, columns=columns)
    params = context_of(path[:1] if "--method" in path else path).command.params
    names = [name for param in params if param.param_type_name == "option" for name in param.opts]

    if "--method" not in path:
        assert [name for name in names if not re.search(rf"(?<!\S){name}(?=[\s,])", page)] == []
    assert "…," not in page.replace("edema=2,…", "")
    assert re.findall(r"<[a-z][^>]*>", page) == []
    lines = page.partition("\nExamples:\n")[0].splitlines()
    assert [line for line in lines if len(line) > columns] == []


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_every_option_says_what_it_is(path):
    """No option without a help text."""
    params = [param for param in context_of(path).command.params if param.name != "help"]

    assert [param.name for param in params if not (param.help or "").strip()] == []


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_the_first_panel_is_short(path):
    """At most 15 options, on the page a user sees first; what all commands share comes last."""
    panels = re.split(r"\n\n(?=\S[^\n]*:\n)", page_of(*path))[1:]
    names = [panel.partition(":\n")[0] for panel in panels]

    assert names[-1] == "Examples"
    assert len(re.findall(r"^  (?! )", panels[0], flags=re.MULTILINE)) <= 15
    assert "Shared" not in names or names[-2] == "Shared"


@pytest.mark.parametrize("path", COMMANDS, ids=name_of)
def test_every_command_can_answer_in_json(path):
    """`--json` is on all of them."""
    assert any("--json" in param.opts for param in context_of(path).command.params)


@pytest.mark.parametrize(
    ("path", "choices"),
    [
        (("personalize",), f"--method {'|'.join(METHOD_OPTIONS)}"),
        (("personalize",), "--registration fast|papers|affine|none"),
        (("personalize", "--method", "query"), "--prior paper|patient"),
        (("papers", "train", "ae"), "--device auto|cpu|cuda"),
        (("database", "build"), "--model fk|mass-effect"),
    ],
)
def test_choices_are_shown(path, choices):
    """Beside the option they belong to."""
    assert choices in page_of(*path)


def test_many_choices_stand_in_the_text():
    """A line of so many names would be longer than the page."""
    page = one_line(page_of("papers", "retrieval"))

    assert "--index NAME" in page
    assert "One of exact, direct, ds64, ds32, radiomics," in page


def test_no_help_page_loads_a_heavy_library():
    """All of them in one fresh interpreter; the list is that of the test of light imports."""
    source = (ROOT / "tests" / "architecture" / "test_light_imports.py").read_text(encoding="utf-8")
    (heavy,) = [ast.literal_eval(n.value) for n in ast.parse(source).body if "_HEAVY" in ast.unparse(n).split(" = ")[0]]
    script = (
        "import json, sys; from typer.testing import CliRunner; from gliofield.cli import app\n"
        f"codes = [CliRunner().invoke(app, [*page, '--help']).exit_code for page in {PAGES!r}]\n"
        "print(json.dumps([codes, sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    codes, loaded = json.loads(done.stdout.splitlines()[-1])

    assert codes == [0] * len(PAGES)
    assert "gliofield" in loaded
    assert set(loaded).isdisjoint(heavy)


def test_options_of_a_method_are_shown_with_that_method_only():
    """The default method's by default, with a word about the others'."""
    querying, sampling = (page_of("personalize", "--method", name) for name in ("query", "sample"))

    assert page_of("personalize") == page_of("personalize", f"--method={DEFAULT_METHOD}")
    assert "Method query (another method has other options: --method NAME --help):" in querying
    assert "--candidates" in querying
    assert "--samples" not in querying
    assert "Method sample" in sampling
    assert "--samples" in sampling
    assert "--candidates" not in sampling


def test_the_help_says_where_files_are_kept():
    """The variable that moves the cache, and its usual place."""
    page = one_line(page_of())

    assert "~/.cache/gliofield" in page
    assert "GLIOFIELD_CACHE_DIR" in page


def test_completion_can_be_installed():
    """Typer's two options are on."""
    assert "--install-completion" in page_of()
    assert "--show-completion" in page_of()


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("gliofield da", ["database"]),
        ("gliofield search db --met", ["--metric"]),
        ("gliofield personalize --method sample --sampl", ["--samples"]),
        ("gliofield personalize --method whole", ["whole-margin"]),
    ],
)
def test_commands_options_and_choices_are_completed(line, completed):
    """Of a method too, whose options are known only when it is named."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    environment = {**words, "_GLIOFIELD_COMPLETE": "complete_bash"}
    result = CliRunner().invoke(app, [], env=environment, prog_name="gliofield")

    assert result.output.split()[: len(completed)] == completed


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["personalize", "--flare", "x"], "No such option: --flare. Did you mean --flair?"),
        (["personalize", "x", "--metod", "query"], "No such option: --metod. Did you mean --method?"),
        (["personalise"], "Did you mean 'personalize'?"),
        (["personalize", "x", "--method", "quary"], "Did you mean 'query'?"),
        (["search", "db", "--whole", "x", "--index", "exakt"], "Did you mean 'exact'?"),
        (["atlas", "list", "--no-such-thing-at-all"], "No such option: --no-such-thing-at-all"),
    ],
)
def test_what_is_misspelt_is_answered_with_the_closest(words, answer):
    """Exit code 2 and no traceback."""
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    assert answer in one_line(result.stderr)
    assert "Traceback" not in result.output
