"""The site and the gallery, as far as they can be looked at without Sphinx: links, navigation, current figures."""

import importlib.util
import sys

import pytest
from repository import ROOT

import gliofield


@pytest.fixture
def script(monkeypatch):
    """A script of the folder scripts, imported."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_the_figures_of_the_gallery_are_those_of_its_scripts(script):
    """`make gallery` draws anew what is not; figures are small, and each script is in the gallery."""
    gallery = script("gallery")
    kept = {path.stem for path in gallery.KEPT.glob("*.webp")}

    assert gallery.stale() == []
    assert kept == set(gallery.NAMES) == {path.stem for path in gallery.SCRIPTS.glob("*.py")}
    assert sum(path.stat().st_size for path in gallery.KEPT.iterdir()) < 2_000_000


def test_a_script_that_changed_is_noticed(script, monkeypatch, tmp_path):
    """By its content."""
    gallery = script("gallery")
    monkeypatch.setattr(gallery, "SCRIPTS", tmp_path)
    for name in gallery.NAMES:
        (tmp_path / f"{name}.py").write_bytes((ROOT / "examples" / "gallery" / f"{name}.py").read_bytes())
    (tmp_path / "targets.py").write_text('"""Another."""\n')

    assert gallery.stale() == ["targets"]


def test_scripts_of_the_gallery_are_short_and_explained(script):
    """A title, a text, and at most forty lines of code."""
    gallery = script("gallery")
    for name in gallery.NAMES:
        title, text = gallery.explanation(name)

        assert 5 < len(title) < 60
        assert len(text.split()) > 10
        assert len(gallery.code(name).splitlines()) <= 40


def test_links_lead_to_the_same_places_in_the_site(script, tmp_path, monkeypatch):
    """Between pages as before, to the front page and the examples by name, to other files as copies."""
    site = script("build_site")
    monkeypatch.setattr(site, "PAGES", tmp_path)
    monkeypatch.setattr(site, "ROOT", tmp_path / "repository")
    monkeypatch.setattr(site, "DOCS", tmp_path / "repository" / "docs")
    for name in ("docs/design/a.md", "docs/b.md", "README.md", "scripts/run.sh", "CONTRIBUTING.md"):
        (tmp_path / "repository" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repository" / name).write_text("x")
    page = tmp_path / "repository" / "docs" / "design" / "a.md"
    page.write_text(
        "[b](../b.md#part) [r](../../README.md) [s](../../scripts/run.sh) [c](../../CONTRIBUTING.md) "
        "[web](https://example.org/x) [here](#part) [lost](nowhere.md)"
    )

    assert site.moved_links(page) == (
        "[b](../b.md#part) [r](../index.md) [s](../files/scripts/run.sh) [c](../CONTRIBUTING.md) "
        "[web](https://example.org/x) [here](#part) [lost](nowhere.md)"
    )
    assert (tmp_path / "files" / "scripts" / "run.sh").read_text() == "x"


def test_the_navigation_has_every_page(script):
    """That of docs/README.md, under its headings."""
    site = script("build_site")
    tree = site.navigation()
    expected = {str(site.staged(page)) for page in site.DOCS.rglob("*.md") if page.name != "README.md"}
    listed = [line for line in tree.splitlines() if line.endswith(".md")]

    assert expected | {"CONTRIBUTING.md", "CHANGELOG.md", "gallery.md", "api/index.md"} == set(listed)
    assert len(listed) == len(set(listed))


def test_every_public_name_of_the_product_has_a_page(script):
    """The root's names on the first page; a name that two packages have is explained once."""
    pytest.importorskip("torch", reason="some names are of networks, which need PyTorch")
    site = script("build_site")
    packages = dict(site.public_packages())
    homes = {}
    texts = {package: site.api_page(package, names, homes) for package, names in packages.items()}

    assert set(packages["gliofield"]) == set(gliofield.__all__)
    assert ".. autofunction:: gliofield.personalize" in texts["gliofield"]
    assert ".. autofunction:: gliofield.pipeline.personalize" not in texts["gliofield.pipeline"]
    assert ":py:obj:`~gliofield.personalize`" in texts["gliofield.pipeline"]
    assert ".. py:data:: gliofield.pipeline.METHOD_OPTIONS" in texts["gliofield.pipeline"]


def test_a_docstring_that_breaks_a_page_fails_the_build():
    """Warnings are errors: the script says so to Sphinx."""
    assert '"-W"' in (ROOT / "scripts" / "build_site.py").read_text(encoding="utf-8")
