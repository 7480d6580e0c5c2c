"""Builds the documentation site, build/site, from docs/, the examples and the docstrings.

    python scripts/build_site.py

Pages are copied to build/pages first, because pages link to files beside docs/ and a site can only hold what lies
below its root: CONTRIBUTING.md and CHANGELOG.md become pages, other files downloads, examples/ the gallery. The
navigation is the page list of docs/README.md. A broken link, a page outside the list and a docstring that is no
reStructuredText are errors. Needs the extra `docs`, and no network.

Sphinx, for it imports what it documents, and so sees names that load when they are first used; tools that read source
alone see none of the root's.
"""

import importlib
import os
import pkgutil
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import gallery

import gliofield

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES, SITE = ROOT / "build" / "pages", ROOT / "build" / "site"
#: Pages beside docs/ that the site has, too.
ROOT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
#: Where links to the repository's front page and to the folder of examples lead.
STAND_INS = {
    "README.md": "index.md",
    "docs/README.md": "index.md",
    "examples": "gallery.md",
    "examples/gallery": "gallery.md",
}
_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(#[^)\s]*)?(?=\))")
_VALUE_LENGTH = 100


def main() -> int:
    """Copy, generate, build; 0 if there was not one warning."""
    shutil.rmtree(PAGES, ignore_errors=True)
    write_pages(PAGES)
    from sphinx.cmd.build import build_main

    shutil.rmtree(SITE, ignore_errors=True)
    arguments = ["-b", "html", "-c", str(DOCS / "site"), "-W", "--keep-going", "-q", str(PAGES), str(SITE)]
    failed = build_main(arguments)
    if not failed:
        print(f"site: {SITE / 'index.html'}")
    return failed


def write_pages(folder: Path) -> None:
    """Everything that Sphinx reads."""
    for page in sorted(DOCS.rglob("*.md")):
        _write(folder / staged(page), moved_links(page))
    for name in ROOT_PAGES:
        _write(folder / name, moved_links(ROOT / name))
    shutil.copytree(DOCS / "images", folder / "images")
    gallery.write_pages(folder)
    packages = dict(public_packages())
    homes: dict[int, str] = {}
    for package, names in packages.items():
        _write(folder / "api" / f"{package}.md", api_page(package, names, homes))
    _write(folder / "api" / "index.md", api_index(list(packages)))
    index = folder / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + navigation(), encoding="utf-8")


def staged(path: Path) -> Path:
    """Where a file of the repository lies in the site, relative to its root."""
    inside = path.relative_to(ROOT)
    if str(inside) in STAND_INS:
        return Path(STAND_INS[str(inside)])
    if inside.parts[0] == "docs":
        return inside.relative_to("docs")
    return inside if str(inside) in ROOT_PAGES else Path("files") / inside


def moved_links(page: Path) -> str:
    """Text of a page whose relative links lead to the same places in the site; linked files are copied there.

    A link that leads nowhere stays as it is, for Sphinx to find.
    """
    here = staged(page).parent

    def moved(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(page.parent / link[1]))
        if not target.is_relative_to(ROOT) or not (target.is_file() or str(target.relative_to(ROOT)) in STAND_INS):
            return link[0]
        place = staged(target)
        if place.parts[0] == "files":
            (PAGES / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, PAGES / place)
        return os.path.relpath(place, here) + (link[2] or "")

    return _LINK.sub(moved, page.read_text(encoding="utf-8"))


def navigation() -> str:
    """Tables of contents: one for each heading below `## Pages` in docs/README.md, of the pages its table links."""
    text = (DOCS / "README.md").read_text(encoding="utf-8").split("\n## Pages\n")[1]
    parts = []
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, rows = section.split("\n", maxsplit=1)
        linked = re.findall(r"^\| \[[^\]]+\]\(([^)]+\.md)\)", rows, flags=re.MULTILINE)
        pages = [str(staged(Path(os.path.normpath(DOCS / page)))) for page in linked]
        pages += {"Tutorials": ["gallery.md"], "Reference": ["api/index.md"]}.get(title, [])
        parts.append("\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""]))
    return "\n".join(parts)


def public_packages() -> Iterator[tuple[str, list[str]]]:
    """Packages of the product with their public names; the command line has its help pages instead."""
    inner = pkgutil.walk_packages(gliofield.__path__, "gliofield.")
    for package in ["gliofield", *(module.name for module in inner if module.ispkg)]:
        names = sorted(importlib.import_module(package).__all__) if package != "gliofield.cli" else []
        if names:
            yield package, names
    yield "gliofield.errors", [name for name in dir(gliofield.errors) if name.endswith("Error")]


def api_page(package: str, names: list[str], homes: dict[int, str]) -> str:
    """Module docstring, a line for each name, and the names; what an earlier page explains is linked there.

    `homes` has the page of each object by its identity, and gets those of this one.
    """
    lines = [f"# {package}", "", "```{eval-rst}", f".. automodule:: {package}", ""]
    module = importlib.import_module(package)
    entries = []
    for name in names:
        value = getattr(module, name)
        is_documented = callable(value)
        home = homes.setdefault(id(value), package) if is_documented else package
        lines.append(f"* :py:obj:`~{home}.{name}`: {_summary(value) if is_documented else 'a constant'}")
        if home == package:
            entries += _entry(f"{package}.{name}", value)
    return "\n".join([*lines, "", *entries, "```", ""])


def _entry(path: str, value: object) -> list[str]:
    if isinstance(value, type):
        return [f".. {'autoexception' if issubclass(value, Exception) else 'autoclass'}:: {path}", "   :members:", ""]
    if callable(value):
        return [f".. autofunction:: {path}", ""]
    return [f".. py:data:: {path}", f"   :value: {textwrap.shorten(repr(value), _VALUE_LENGTH)}", ""]


def _summary(value: object) -> str:
    """First paragraph of a docstring, without marks of references, which it does not have here."""
    first = (value.__doc__ or "").strip().split("\n\n")[0]
    return re.sub(r"\s+", " ", re.sub(r"\[\d+\]_", "", first)).replace("|", r"\|")


def api_index(packages: list[str]) -> str:
    """The page above those of the packages."""
    words = [f"- [{name}]({name}.md): {_first_line(name)}" for name in packages]
    tree = ["```{toctree}", ":hidden:", "", *(f"{name}.md" for name in packages), "```", ""]
    return "\n".join(["# Names in Python", "", *words, "", *tree])


def _first_line(package: str) -> str:
    return (importlib.import_module(package).__doc__ or "").strip().splitlines()[0]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
