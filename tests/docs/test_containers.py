"""What is said in containers is true of the commands in them: recipes, entry point, descriptor.

Images cannot be built here; their parts are run: the entry point with stand-ins, the descriptor by its validator and
against the options there are. Fresh environments are tried by scripts/try_entry_points.sh.
"""

import json
import os
import re
import subprocess
import tomllib

import pytest
import typer
from repository import ROOT

import gliofield
from gliofield.cli import bids
from gliofield.pipeline.method_options import METHOD_OPTIONS

FOLDER = ROOT / "containers"
RECIPES = ("Containerfile", "gliofield.def")
DESCRIPTOR = json.loads((FOLDER / "gliofield-bids.boutiques.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_copies_what_is_there(name):
    """Every file and folder it names exists, and the arguments of the build are used."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    named = re.findall(
        r"^COPY (?:--chmod=\d+ )?((?!--from)[\w. /-]+) \S+$|^    ([\w./-]+) /source/\S+$", text, re.MULTILINE
    )
    files = [word for pair in named for part in pair for word in part.split()]

    assert {"pyproject.toml", "src", "containers/entrypoint.sh"} <= set(files)
    assert [file for file in files if not (ROOT / file).exists()] == []
    for argument in ("EXTRAS", "SETUP", "DATABASE"):
        assert len(re.findall(rf"\b{argument}\b", text)) >= 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_calls_commands_that_exist(name):
    """And says what it is not."""
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert "gliofield setup --database" in text
    assert "For research use only; not a medical device." in text


def test_the_image_is_not_run_by_root():
    """Its last user is another one, and what it runs is the entry point."""
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")

    assert re.findall(r"^USER (\w+)$", text, re.MULTILINE) == ["gliofield"]
    assert text.rstrip().splitlines()[-1] == 'ENTRYPOINT ["gliofield-container"]'
    assert "/opt/gliofield/bin/gliofield-container" in text


def test_both_recipes_keep_the_cache_at_one_place():
    """The same variables with the same values."""
    found = [
        dict(re.findall(r"\b(GLIOFIELD_CACHE_DIR|NUMBA_CACHE_DIR|MPLCONFIGDIR|NUMBA_CPU_NAME)=(\S+)", text))
        for text in ((FOLDER / name).read_text(encoding="utf-8") for name in RECIPES)
    ]

    assert found[0] == found[1]
    assert len(found[0]) == 4


@pytest.mark.parametrize(
    ("words", "called"),
    [
        (["cohort", "IN", "--out", "OUT"], "gliofield cohort IN --out OUT"),
        (["BIDS DIR", "OUT", "participant", "-w", "W"], "gliofield-bids BIDS DIR OUT participant -w W"),
        (["BIDS", "OUT", "group"], "gliofield-bids BIDS OUT group"),
        (["--version"], "gliofield --version"),
        ([], "gliofield predictgbm MLCUBE_IN MLCUBE_OUT"),
    ],
)
def test_the_entry_point_knows_what_it_is_asked_for(tmp_path, words, called):
    """By its arguments alone; without any, the folders of PREDICT-GBM are there."""
    for name in ("gliofield", "gliofield-bids"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "in").mkdir()
    environment = os.environ | {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "GLIOFIELD_MLCUBE_IN": str(tmp_path / "in"),
        "GLIOFIELD_MLCUBE_OUT": "MLCUBE_OUT",
    }
    command = ["sh", FOLDER / "entrypoint.sh", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == called.replace("MLCUBE_IN", str(tmp_path / "in"))


def test_the_scripts_of_the_project_are_what_recipes_call():
    """Both commands are installed by the wheel."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]

    assert scripts["gliofield"] == "gliofield.cli:main"
    assert scripts["gliofield-bids"] == "gliofield.cli.bids:main"


def test_the_descriptor_is_one_of_boutiques():
    """By the validator of its project, which also looks for keys that are used twice or not at all."""
    validator = pytest.importorskip("boutiques.validator", reason="needs boutiques (extra dev)")

    assert validator.validate_descriptor(DESCRIPTOR)["name"] == "gliofield-bids"
    with pytest.raises(validator.DescriptorValidationError):
        validator.validate_descriptor({**DESCRIPTOR, "command-line": "gliofield-bids [BIDS_DIR]"})


def test_the_descriptor_is_that_of_the_command():
    """Its flags, methods and levels are those there are, and the version is this one."""
    command = typer.main.get_command(bids.app)
    context = command.make_context("gliofield-bids", [], resilient_parsing=True)
    options = {name for param in context.command.params for name in param.opts}
    inputs = {each["id"]: each for each in DESCRIPTOR["inputs"]}

    assert DESCRIPTOR["tool-version"] == gliofield.__version__
    assert [each["command-line-flag"] for each in DESCRIPTOR["inputs"] if "command-line-flag" in each]
    assert {each["command-line-flag"] for each in DESCRIPTOR["inputs"] if "command-line-flag" in each} <= options
    assert inputs["method"]["value-choices"] == list(METHOD_OPTIONS)
    assert tuple(inputs["level"]["value-choices"]) == bids._LEVELS


def test_the_help_of_the_bids_app_is_whole():
    """Usage with the three arguments, units and examples, as the pages of the other commands."""
    from typer.testing import CliRunner

    page = CliRunner().invoke(bids.app, ["--help"], env={"COLUMNS": "100", "NO_COLOR": "1"}).output

    assert "{BIDS_DIR} {OUT_DIR} {participant|group}" in page
    assert "--participant-label" in page
    assert page.rstrip().splitlines()[-1].strip() == "gliofield-bids BIDS derivatives/gliofield group"
