"""The code in README and docs is true: Python blocks run, command lines are understood, make targets exist."""

import ast
import importlib
import inspect
import re
import shlex
import textwrap

import pytest
import typer
from markdown_blocks import blocks, pages, understand
from repository import ROOT
from user_folder import as_a_user

import gliofield
from gliofield.cli.bids import app as bids_app
from gliofield.cli.bids import repeated

PYTHON = blocks("python")
CONSOLE = blocks("console")


def commands_of(text: str) -> list[list[str]]:
    """The commands of a console block: lines after `$ `, continued over backslashes."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(line[2:], comments=True) for line in joined.splitlines() if line.startswith("$ ")]


def test_the_pages_have_blocks_to_check():
    """The search for blocks finds those of the README, so an empty result is not a pass."""
    readme = ROOT / "README.md"

    assert readme in {block.page for block in PYTHON}
    assert readme in {block.page for block in CONSOLE}


@pytest.mark.parametrize("block", [b for b in PYTHON if b.reason_not_to_run is None], ids=str)
def test_a_python_block_runs(block, tmp_path, monkeypatch):
    """In an empty folder, or in a user's, in its own namespace; its asserts hold."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    if block.runs_as_a_user:
        as_a_user(tmp_path, monkeypatch)
        names["gliofield"] = gliofield

    exec(compile(block.text, str(block), "exec"), names)

    assert block.text.strip()


def test_the_first_page_shows_five_tasks_in_three_lines_each():
    """Personalize, build, search, simulate and sample; all of them run."""
    tasks = [block for block in PYTHON if block.page == ROOT / "docs" / "README.md"]

    assert len(tasks) == 5
    assert all(block.runs_as_a_user and len(block.text.splitlines()) <= 3 for block in tasks)


@pytest.mark.parametrize("block", [b for b in PYTHON if b.reason_not_to_run is not None], ids=str)
def test_a_python_block_that_is_not_run_fits_the_api(block):
    """Its imports exist and its calls of imported names fit their signatures."""
    tree = ast.parse(block.text)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            names |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    assert names
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            keywords = {keyword.arg: None for keyword in node.keywords}
            inspect.signature(names[node.func.id]).bind(*node.args, **keywords)


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_a_command_line_is_understood(block):
    """gliofield knows the command and its options, make knows the target, and named scripts exist."""
    commands = commands_of(block.text)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))

    assert commands, "a console block has lines that begin with '$ '"
    for program, *arguments in commands:
        if program == "gliofield":
            understand(arguments)
        elif program == "gliofield-bids":
            assert typer.main.get_command(bids_app).make_context(program, repeated(arguments)).params
        elif program in {"podman", "apptainer"}:
            named = [word for word in arguments if word.startswith("containers/")]
            assert all((ROOT / word).is_file() for word in named)
            assert arguments[0] in {"build", "run"}
        elif program == "make":
            assert {word for word in arguments if "=" not in word} <= targets
        elif program.startswith(("scripts/", ".ci/")):
            assert (ROOT / program).is_file()
        elif program == "python" and arguments[0].endswith(".py"):
            assert (ROOT / arguments[0]).is_file()
        else:
            unchecked = {"cd", "git", "pip", "python", "sbatch", "source"}
            assert program in unchecked, f"{program} is not checked: say so in the test"


def test_a_wrong_command_line_is_not_understood():
    """The check can fail: a misspelt option and an unknown command are found."""
    with pytest.raises(Exception, match="No such option"):
        understand(["personalize", "--flare", "x.nii.gz"])
    with pytest.raises(AssertionError, match="no command 'personalise'"):
        understand(["personalise"])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    """Relative links name files that exist, and headings that exist in them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), flags=re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{target} names no heading"


def test_a_block_may_only_be_left_out_with_a_reason():
    """The reason is a sentence of its own, not a word."""
    reasons = [block.reason_not_to_run for block in PYTHON if block.reason_not_to_run is not None]

    assert all(len(reason.split()) >= 3 for reason in reasons), textwrap.indent("\n".join(reasons), "  ")
