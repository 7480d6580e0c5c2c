"""A package outside the tree plugs in an index, a growth model, a method and a command by its metadata alone."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from outside_package import install_outside_package
from phantom_brain import write_phantom_atlas, write_phantom_patient

from gliofield.database import named_design, named_model, recorded_model
from gliofield.database.models import model_names
from gliofield.database.schema import describe_settings
from gliofield.errors import DatabaseError, ParameterError, PluginError
from gliofield.imaging import VisibilityThresholds
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import QueryMethod, method_names, options_named, personalize
from gliofield.pipeline.method_options import options_class
from gliofield.plugins import find_plugins, load_plugin
from gliofield.retrieval import index_names, open_index
from gliofield.retrieval.named_indexes import index_kind
from gliofield.testing import build_phantom_database, check_growth_model, check_index, phantom_atlas
from gliofield.volume import Volume

ORIGIN = r"outside_plugins \(package outside 1\.5\)"
_MODULES = ("center_index", "richards_growth", "travel_time_method", "outside_plugins", "outside_broken")


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """The package on the path of this process; its modules are gone again afterwards."""
    monkeypatch.syspath_prepend(install_outside_package(tmp_path / "site"))
    yield tmp_path / "site"
    for module in _MODULES:
        sys.modules.pop(module, None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The package, an atlas, a patient, a database and a mask."""
    folder = tmp_path_factory.mktemp("files")
    install_outside_package(folder / "site")
    write_phantom_atlas(folder / "atlas")
    write_phantom_patient(folder / "PATIENT")
    database = build_phantom_database(folder / "DB")
    write_volume(folder / "whole.nii.gz", Volume(database.cell_density(1) > 0.2, database.header.grid))
    return folder


def run(files, *words, **environment):
    """The command line in a process that has the package on its path."""
    path = os.pathsep.join([str(files / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "gliofield", *(str(word) for word in words)],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=files,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


def test_names_are_known_and_nothing_is_imported(outside, monkeypatch):
    """Beside gliofield's own, and those of the papers; a name that gliofield has itself stays gliofield's."""
    for module in _MODULES:  # other tests of this process may have imported them
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert {"center", "exact", "ds64"} < set(index_names())
    assert index_names()[:2] == ("exact", "direct")
    assert {"fk", "mass-effect", "richards", "learned"} <= set(model_names())
    assert {"query", "travel-time"} < set(method_names())
    assert set(find_plugins("command")) >= {"papers", "greet", "broken"}
    assert not set(_MODULES) & set(sys.modules)
    assert index_kind("exact").open.__qualname__ == "BlockIndex.open"


def test_the_index_is_opened_by_its_name(outside, tmp_path):
    """It keeps the laws, as it does when it is made by hand, and is cited."""
    database = build_phantom_database(tmp_path / "db")

    check_index(lambda opened: open_index("center", opened, thresholds=VisibilityThresholds()), database=database)

    assert QueryMethod(database=database, index="center").references == ("Outside et al.",)


def test_the_growth_model_is_made_by_its_name(outside):
    """It keeps the laws, and a database that records it finds it again."""
    model = named_model("richards")
    check_growth_model(model)
    described = describe_settings(model)

    assert recorded_model(described, source="db") == model
    with pytest.raises(DatabaseError, match=r"'richards' with other settings .* \(exponent\)"):
        recorded_model({"name": "richards", "settings": {**described["settings"], "exponent": 0.9}}, source="db")


def test_the_method_is_prepared_by_its_name(outside, tmp_path):
    """With its default options; the density is the method's own."""
    from gliofield import PersonalizationSettings, read_case

    patient = read_case(write_phantom_patient(tmp_path / "PATIENT"))
    settings = PersonalizationSettings(registration="none")

    named = personalize(patient, method="travel-time", atlas=phantom_atlas(), settings=settings)
    wider = options_class("travel-time")(decay_length_mm=6.0)
    given = personalize(patient, method=wider, atlas=phantom_atlas(), settings=settings)

    assert named.method_name == given.method_name == "travel-time"
    assert given.density_patient.data.sum() > named.density_patient.data.sum()


def test_the_command_line_takes_all_four(files, tmp_path):
    """An index, a method with its own option, a growth model, a command."""
    cache = {"GLIOFIELD_CACHE_DIR": str(tmp_path / "cache")}
    found = run(files, "search", "DB", "--whole", "whole.nii.gz", "--index", "center", "-k", 2, "--json", **cache)
    place = ("--atlas", "atlas", "--spacing-mm", 5, "--seed-mm", 28, 10, 12)
    grown = run(
        files, "simulate", "--model", "richards", *place, "--diffusivity", 0.2, "--proliferation", 0.05, "--time", 60,
        "--out", tmp_path / "tumor.nii.gz",
    )  # fmt: skip
    mapped = run(
        files, "personalize", "PATIENT", "--method", "travel-time", "--decay-length-mm", 2, "--atlas", "atlas",
        "--registration", "none", "--out", tmp_path / "result",
    )  # fmt: skip

    assert [done.stderr for done in (found, grown, mapped) if done.returncode] == []
    assert json.loads(found.stdout)["hits"][0]["index"] == 1
    assert np.max(read_volume(tmp_path / "tumor.nii.gz").data) > 0.2
    assert (tmp_path / "result" / "density_patient.nii.gz").is_file()
    assert run(files, "greet", "Ada").stdout == "hello Ada\n"


def test_help_lists_what_a_package_adds(files):
    """With the package that it is of; one that cannot be imported is listed all the same. Our own say what they do."""
    root = run(files, "--help", NO_COLOR="1", COLUMNS="100")
    method = run(files, "personalize", "--method", "travel-time", "--help", NO_COLOR="1", COLUMNS="100")

    assert "Plug-in: outside_plugins (package outside 1.5)." in root.stdout
    assert "Plug-in: outside_broken (package outside 1.5)." in root.stdout
    assert "Measure how good maps are." in root.stdout
    assert "--decay-length-mm X" in method.stdout
    assert "[mm]" in method.stdout


def test_what_cannot_be_loaded_is_a_message(files):
    """With the package to blame; all else works."""
    broken = run(files, "broken", "--json")
    wrong = run(files, "wrong")

    assert broken.returncode == 1
    assert "command 'broken' of outside_broken (package outside 1.5) cannot be loaded: ModuleNotFo" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert json.loads(broken.stdout)["kind"] == "PluginError"
    assert "command 'wrong' of outside_plugins (package outside 1.5) is a IndexKind: expected a typer.Typer" in (
        wrong.stderr
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: index_kind("missing"), PluginError, rf"index 'missing' of {ORIGIN} cannot be loaded: AttributeError"),
        (lambda: index_kind("wrong"), PluginError, rf"'wrong' of {ORIGIN} is a str: expected a gliofield\.retrieval"),
        (lambda: index_kind("centre"), ParameterError, r"'centre' is unknown: .* Did you mean 'center'\?"),
        (lambda: index_kind("centre"), ParameterError, rf"center, missing, wrong: of {ORIGIN}"),
        (lambda: named_model("wrong"), PluginError, rf"growth model 'wrong' of {ORIGIN}"),
        (lambda: named_design("wrong"), PluginError, rf"design 'wrong' of {ORIGIN} is a type: expected the dataclass"),
        (lambda: named_model("fk", checkpoint="x"), ParameterError, "growth model 'fk' uses no network, but x was"),
        (lambda: named_model("learned"), ParameterError, "'learned' of .* needs a trained network"),
        (lambda: options_named("broken"), PluginError, r"method 'broken' of outside_broken \(package outside 1\.5\) c"),
        (lambda: options_named("travel"), ParameterError, r"method 'travel' is unknown: .*mean 'travel-time'\?"),
        (lambda: load_plugin("command", "nope"), ParameterError, "command 'nope' is unknown"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_work_is_explained(outside, call, error, message):
    """What there is, and which package offers what."""
    with pytest.raises(error, match=message):
        call()


def test_a_method_that_is_none_is_refused(outside, tmp_path, monkeypatch):
    """Options are a dataclass that prepares."""
    entries = "[gliofield.methods]\nodd = outside_plugins:WRONG\n"
    monkeypatch.syspath_prepend(install_outside_package(tmp_path / "other", name="other", entry_points=entries))

    with pytest.raises(PluginError, match=r"method 'odd' of .*package other 1\.5.*expected a dataclass of options"):
        options_named("odd")


def test_a_name_that_two_packages_offer_is_refused(outside, tmp_path, monkeypatch):
    """Both are named; to choose silently would change results with the order of an installation."""
    entries = "[gliofield.indexes]\ncenter = outside_plugins:WRONG\n"
    monkeypatch.syspath_prepend(install_outside_package(tmp_path / "other", name="other", entry_points=entries))

    with pytest.raises(PluginError, match=r"'center' is offered by .*(other|outside) 1\.5\) and .* 1\.5\)"):
        index_kind("center")
