"""The pages a project is judged by exist and agree with each other."""

import re
import tomllib

import pytest
from repository import ROOT

import gliofield

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "NOTICE",
        "docs/README.md",
        "docs/glossary.md",
        "docs/conventions.md",
        "docs/licences.md",
    ],
)
def test_a_page_exists_and_says_something(name):
    """Not a stub."""
    assert len(text_of(name).split()) > 40


def test_the_changelog_has_a_section_for_what_is_in_the_tree():
    """Either 'Unreleased' or the present version, with at least one line."""
    sections = re.findall(r"^## \[?([^\]\s]+)\]?.*\n((?:(?!^## ).*\n?)*)", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    title, body = sections[0]

    assert title in {"Unreleased", gliofield.__version__}
    assert re.search(r"^- \S", body, flags=re.MULTILINE)


def test_the_licence_is_the_one_declared():
    """Apache-2.0 in the file and in the metadata."""
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in text_of("LICENSE")
    assert "Version 2.0" in text_of("LICENSE")


def test_the_readme_says_what_it_is_not():
    """Research use only, not a medical device."""
    readme = text_of("README.md").lower()

    assert "research use only" in readme
    assert "not a medical device" in readme


@pytest.mark.parametrize("extra", ["core", *PROJECT["optional-dependencies"]])
def test_every_dependency_stands_in_the_licence_table(extra):
    """A new dependency comes with its licence."""
    requirements = PROJECT["dependencies"] if extra == "core" else PROJECT["optional-dependencies"][extra]
    table = text_of("docs/licences.md")

    names = [re.match(r"[A-Za-z0-9_.-]+", requirement).group() for requirement in requirements]
    assert [name for name in names if not re.search(rf"^\| {re.escape(name)} \|", table, flags=re.MULTILINE)] == []


@pytest.mark.parametrize("extra", ["core", "dev", "docs"])
def test_what_is_tested_is_pinned(extra):
    """Every dependency of core, dev and docs has an exact version in constraints.txt."""
    requirements = PROJECT["dependencies"] if extra == "core" else PROJECT["optional-dependencies"][extra]
    pinned = set(re.findall(r"^([a-z0-9-]+)==", text_of("constraints.txt"), flags=re.MULTILINE))

    assert {re.match(r"[A-Za-z0-9_.-]+", requirement).group().lower() for requirement in requirements} <= pinned


def test_constraints_are_names_and_versions_only():
    """No address, no hash, no range: any index or mirror will do."""
    lines = [line for line in text_of("constraints.txt").splitlines() if line and not line.startswith("#")]

    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)


def test_every_page_of_the_docs_is_in_their_index():
    """docs/README.md links each page of docs."""
    index = text_of("docs/README.md")
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"]

    assert [page for page in pages if f"({page})" not in index] == []


def test_the_documented_label_schemes_and_domain_rules_are_those_of_the_code():
    """docs/conventions.md names each scheme and each rule."""
    from gliofield.anatomy import DOMAIN_RULES, LABEL_SCHEMES

    conventions = text_of("docs/conventions.md")
    assert [name for name in (*LABEL_SCHEMES, *DOMAIN_RULES) if f"`{name}`" not in conventions] == []
