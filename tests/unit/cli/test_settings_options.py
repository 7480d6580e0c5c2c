"""Options made from a dataclass of settings, by a small one of its own kind, and the names options choose from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from gliofield.cli import options
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.settings_options import OptionGroup, describe_fields, with_given
from gliofield.errors import ParameterError
from gliofield_training.cli.train_inverse import PRESETS


@dataclass(frozen=True, kw_only=True)
class Baking:
    """How to bake.

    Parameters
    ----------
    heat_k : float
        Heat of the oven [K]. Ovens differ.
    num_loaves, num_rolls : int
        How many of each.
    grain : {"rye", "wheat"}
        What the flour is made of.
    recipe : Path or None
        Book to look into; None: by heart.
    steam : bool
        Whether there is steam.

    Raises
    ------
    ParameterError
        If it is too cold.
    """

    heat_k: float = 500.0
    num_loaves: int = 1
    num_rolls: int = 0
    grain: Literal["rye", "wheat"] = "rye"
    recipe: Path | None = None
    steam: bool = False

    def __post_init__(self):
        if self.heat_k < 273.0:
            raise ParameterError(f"heat_k must be at least 273 K, got {self.heat_k:g}.")


def baker(group, **described):
    """A command line with one command, whose result is what it was given."""
    app = make_group("bakery", "Bread.")

    def bake(
        console, name: Annotated[str, typer.Option(help="Of whom.")] = "x", *, baking: Annotated[object, "replaced"]
    ):
        """Bake bread."""
        if name == "nobody":
            console.refuse("heat_k", because="without a baker")
        console.result({"baking": str(baking)}, lambda: repr(baking))

    add_command(app, "bake", bake, examples=["bakery bake"], options={"baking": lambda words: group}, **described)
    add_command(app, "rest", lambda console: None, examples=["bakery rest"], help_text="Rest.")
    return lambda *words: CliRunner().invoke(app, [*words], env={"COLUMNS": "80"})


@pytest.fixture
def bake():
    return baker(OptionGroup(settings=Baking, panel="Baking", spellings={"num_loaves": "-l, --loaves"}))


def test_fields_become_options(bake):
    """Spelling, type, choices, default and the first sentence about each; a flag has no second spelling."""
    page = bake("bake", "--help").output

    assert "--heat-k X" in page
    assert "Heat of the oven [K].  [default: 500.0]" in page
    assert "Ovens differ" not in page
    assert "-l, --loaves N" in page
    assert page.count("How many of each.") == 2
    assert "--grain rye|wheat" in page
    assert "Book to look into; left out: by heart." in page
    assert "--steam" in page
    assert "--no-steam" not in page


def test_what_is_given_fills_the_settings(bake):
    """All that is not given is the class's default."""
    given = bake("bake", "-l", "3", "--grain", "wheat", "--recipe", "book.txt", "--steam")

    assert given.stdout.strip() == repr(Baking(num_loaves=3, grain="wheat", recipe=Path("book.txt"), steam=True))
    assert bake("bake").stdout.strip() == repr(Baking())


def test_partial_settings_hold_what_was_given():
    """For a preset that is changed in places; the help says what the preset holds."""
    group = OptionGroup(
        settings=Baking,
        panel="Baking",
        fields=("heat_k", "num_rolls", "steam"),
        is_partial=True,
        presets={"heat_k": "400"},
    )
    run = baker(group)

    assert run("bake", "--heat-k", "450").stdout.strip() == repr({"heat_k": 450.0})
    assert run("bake", "--num-rolls", "0", "--steam").stdout.strip() == repr({"num_rolls": 0, "steam": True})
    assert run("bake").stdout.strip() == "{}"
    assert "Heat of the oven [K]. Default: 400." in run("bake", "--help").output
    assert with_given(Baking(), heat_k=300.0, recipe=None) == Baking(heat_k=300.0)


def test_an_error_of_the_class_names_the_option(bake):
    """Not the field; exit code 2."""
    result = bake("bake", "--heat-k", "20")

    assert result.exit_code == 2
    assert result.stderr == "Error: --heat-k must be at least 273 K, got 20.\n"


def test_a_choice_that_is_none_is_answered_with_the_closest(bake):
    """And with all there are."""
    result = bake("bake", "--grain", "wheet")

    assert result.exit_code == 2
    assert "grain 'wheet' is unknown: expected one of rye, wheat. Did you mean 'wheat'?" in result.stderr


def test_an_option_without_effect_is_refused(bake):
    """Where it was given, its default by hand included; not where it was left out."""
    result = bake("bake", "--name", "nobody", "--heat-k", "500")

    assert result.exit_code == 2
    assert result.stderr == "Error: --heat-k has no effect without a baker: leave it out.\n"
    assert bake("bake", "--name", "nobody").exit_code == 0


def test_an_unknown_option_can_be_explained():
    """By what the command knows of it; otherwise by the closest there is."""
    group = OptionGroup(settings=Baking, panel="Baking")
    run = baker(group, explain=lambda option, words: "Boil in a pot." if option == "--boil" else None)

    assert "Error: Boil in a pot." in run("bake", "--boil").stderr
    assert "No such option: --staem. Did you mean --steam?" in run("bake", "--staem").stderr


def test_choices_are_completed():
    """The names that begin as what was typed."""
    (grain,) = [p for p in OptionGroup(settings=Baking, panel="Baking").parameters() if p.name == "grain"]
    complete = grain.annotation.__metadata__[0].autocompletion

    assert complete("w") == ["wheat"]
    assert complete("") == ["rye", "wheat"]


def test_descriptions_are_those_of_the_docstring():
    """Under Parameters or Attributes, several fields at once too; nothing without a docstring."""

    class Plain:
        pass

    assert describe_fields(Baking)["num_rolls"] == "How many of each."
    assert set(describe_fields(Baking)) == {"heat_k", "num_loaves", "num_rolls", "grain", "recipe", "steam"}
    assert describe_fields(Plain) == {}


def test_a_usage_error_is_json_too_when_asked_for(bake):
    """As errors of the library are."""
    import json

    result = bake("bake", "--heat-k", "warm", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["kind"] == "UsageError"


def test_the_names_to_choose_from_are_those_of_the_library():
    """They stand twice, because asking the library would take seconds; here both are equal."""
    from gliofield.anatomy import DEFAULT_DOMAIN_RULE, DOMAIN_RULES
    from gliofield.database.designs import DEFAULT_DESIGN, design_names
    from gliofield.database.models import MODELS, model_names
    from gliofield.growth.many import PROCESSOR
    from gliofield.growth.reaction_diffusion import SCHEMES
    from gliofield.inverse import GROWTH_TARGETS, TARGET_SCALES
    from gliofield.learning import DEVICE_NAMES
    from gliofield.plugins import find_plugins
    from gliofield.registration import DEFAULT_PRESET, REGISTRATION_PRESETS
    from gliofield.retrieval import index_names

    assert set(options.REGISTRATIONS) == set(REGISTRATION_PRESETS)
    assert options.DEFAULT_REGISTRATION == DEFAULT_PRESET
    assert set(options.DOMAIN_RULES) == set(DOMAIN_RULES)
    assert options.DEFAULT_DOMAIN_RULE == DEFAULT_DOMAIN_RULE
    assert options.DESIGNS == design_names()
    assert options.DEFAULT_DESIGN == DEFAULT_DESIGN
    assert options.OWN_MODELS == MODELS
    assert options.MODELS == model_names()
    assert options.DEVICES == (PROCESSOR, *find_plugins("device"))
    assert options.NETWORK_DEVICES == DEVICE_NAMES
    assert set(options.SCHEMES) == set(SCHEMES)
    assert options.GROWTH_TARGETS == GROWTH_TARGETS
    assert options.TARGET_SCALES == TARGET_SCALES
    assert options.INDEXES == index_names()


@pytest.mark.parametrize("metric", options.METRICS)
def test_every_metric_exists(metric):
    """By its name."""
    from gliofield.retrieval import OverlapMetric

    assert OverlapMetric.named(metric, flair_weight=1.0, t1gd_weight=1.0).name == metric


def test_the_presets_in_the_help_are_those_of_the_settings():
    """Epochs, samples per batch and learning rate of the papers' preset and of --small."""
    from gliofield.inverse import InverseSettings

    papers, small = InverseSettings.papers().training, InverseSettings.small().training

    assert PRESETS == {name: (getattr(papers, name), getattr(small, name)) for name in PRESETS}
