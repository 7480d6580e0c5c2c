"""Runs the scripts of examples/gallery, and keeps their figures and what they print in docs/gallery.

    python scripts/gallery.py                          all
    python scripts/gallery.py first_patient targets    some
    python scripts/gallery.py --stale                  those whose script is not the one that made its figure

They run in build/gallery, where PATIENT is a virtual patient and RESULT its result, as a reader's own folders would
be. Three become notebooks, which are what is run of them. Needs the extra `docs`.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS, KEPT = ROOT / "examples" / "gallery", ROOT / "docs" / "gallery"
WORK = ROOT / "build" / "gallery"
#: Shown in this order.
NAMES = (
    "first_patient",
    "how_sure",
    "targets",
    "rankings",
    "true_cells",
    "posterior",
    "growth",
    "mass_effect",
    "database",
    "own_method",
)
NOTEBOOKS = ("first_patient", "how_sure", "targets")
_DIGESTS = KEPT / "scripts.json"
_WIDTH_PIXELS, _QUALITY = 1000, 82
_PATIENT_SEED = "2"


def main(arguments: list[str]) -> int:
    """Run, keep, print the seconds of each."""
    chosen = [word for word in arguments if not word.startswith("-")] or list(NAMES)
    unknown = set(chosen) - set(NAMES) | {word for word in arguments if word.startswith("-")} - {"--stale"}
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; expected --stale or names of {', '.join(NAMES)}")
        return 2
    if "--stale" in arguments:
        chosen = [name for name in chosen if name in stale()]
    WORK.mkdir(parents=True, exist_ok=True)
    KEPT.mkdir(exist_ok=True)
    if chosen:
        _make_patient()
    for name in chosen:
        begin = time.perf_counter()
        printed = run_notebook(name) if name in NOTEBOOKS else _run("python", str(SCRIPTS / f"{name}.py"))
        _keep(name, printed)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return 0


def stale() -> list[str]:
    """Scripts that changed since their figure was made."""
    kept = json.loads(_DIGESTS.read_text(encoding="utf-8")) if _DIGESTS.is_file() else {}
    return [name for name in NAMES if kept.get(name) != digest(name)]


def digest(name: str) -> str:
    """SHA-256 of a script."""
    return hashlib.sha256((SCRIPTS / f"{name}.py").read_bytes()).hexdigest()


def explanation(name: str) -> tuple[str, str]:
    """Title and text of a script: the first line of its docstring and the rest."""
    docstring, _ = _split(name)
    title, _, text = docstring.partition("\n")
    return title.removesuffix("."), text.strip()


def code(name: str) -> str:
    """What a script does, without its docstring and without the marks of cells."""
    return re.sub(r"^# %%.*\n", "", _split(name)[1], flags=re.MULTILINE).strip() + "\n"


def notebook(name: str):
    """The script as a notebook: its docstring, then a cell at each ``# %%``, the words behind it above the cell."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    title, text = explanation(name)
    cells = [new_markdown_cell(f"# {title}\n\n{text}", id="title")]
    for number, part in enumerate(re.split(r"^# %%", _split(name)[1], flags=re.MULTILINE)):
        words, _, lines = part.partition("\n") if number else ("", "", part)
        if words.strip():
            cells.append(new_markdown_cell(words.strip(), id=f"words-{number}"))
        if lines.strip():
            cells.append(new_code_cell(lines.strip(), id=f"code-{number}"))
    return new_notebook(cells=cells)


def run_notebook(name: str) -> str:
    """Execute the notebook of a script, cell by cell, in the working folder, and return what it prints."""
    import nbformat

    nbformat.write(notebook(name), WORK / f"{name}.ipynb")
    return _run("python", "-c", _CELL_BY_CELL, f"{name}.ipynb")


# In a process of its own, without Jupyter, which would add twenty packages.
_CELL_BY_CELL = """
import sys, nbformat
names = {"__name__": "__main__"}
for number, cell in enumerate(nbformat.read(sys.argv[1], as_version=4).cells):
    if cell.cell_type == "code":
        exec(compile(cell.source, f"{sys.argv[1]}, cell {number}", "exec"), names)
"""


def write_pages(folder: Path) -> None:
    """The gallery as a page of the site, with its figures, scripts and notebooks, from what is kept."""
    import nbformat

    parts = ["# Gallery", "", "Short scripts, each with the figure it draws. " + _GIVEN, ""]
    (folder / "gallery").mkdir(parents=True)
    for name in NAMES:
        title, text = explanation(name)
        for kept in KEPT.glob(f"{name}.*"):
            (folder / "gallery" / kept.name).write_bytes(kept.read_bytes())
        (folder / "gallery" / f"{name}.py").write_bytes((SCRIPTS / f"{name}.py").read_bytes())
        loads = [f"[{name}.py](gallery/{name}.py)"]
        if name in NOTEBOOKS:
            nbformat.write(notebook(name), folder / "gallery" / f"{name}.ipynb")
            loads.append(f"[{name}.ipynb](gallery/{name}.ipynb)")
        parts += [f"## {title}", "", text, "", f"![{title}](gallery/{name}.webp)", ""]
        parts += ["```python", code(name).rstrip(), "```", ""]
        printed = (KEPT / f"{name}.txt").read_text(encoding="utf-8").rstrip()
        parts += ["It prints", "", "```text", printed, "```", ""] if printed else []
        parts += [f"Download: {', '.join(loads)}", ""]
    (folder / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


_GIVEN = (
    "`PATIENT` is a folder with a patient, as `gliofield virtual --out PATIENT` makes one, and `RESULT` what "
    "`gliofield personalize PATIENT --uncertainty --out RESULT` makes of it. "
    "For research use only; not a medical device."
)


def write_webp(drawn, path: Path, *, width_pixels: int) -> None:
    """A picture, from a file or a stream of one, as WebP of at most this width."""
    from PIL import Image

    from gliofield.output import atomic_file

    with Image.open(drawn) as image:
        width = min(image.width, width_pixels)
        height = round(image.height * width / image.width)
        smaller = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    with atomic_file(path, replace=True) as partial:
        smaller.save(partial, format="webp", quality=_QUALITY, method=6)


def _split(name: str) -> tuple[str, str]:
    _, docstring, rest = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8").split('"""', 2)
    return docstring.strip(), rest


def _make_patient() -> None:
    gliofield = ["python", "-m", "gliofield"]
    if not (WORK / "PATIENT").exists():
        _run(*gliofield, "virtual", "--out", "PATIENT", "--seed", _PATIENT_SEED, "--quiet")
    if not (WORK / "RESULT").exists():
        _run(*gliofield, "personalize", "PATIENT", "--uncertainty", "--out", "RESULT", "--quiet")


def _run(program: str, *arguments: str) -> str:
    command = [sys.executable if program == "python" else program, *arguments]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=WORK, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _keep(name: str, printed: str) -> None:
    """The figure, made smaller, what was printed, and of which script they are."""
    write_webp(WORK / f"{name}.png", KEPT / f"{name}.webp", width_pixels=_WIDTH_PIXELS)
    (KEPT / f"{name}.txt").write_text(printed, encoding="utf-8")
    kept = json.loads(_DIGESTS.read_text(encoding="utf-8")) if _DIGESTS.is_file() else {}
    kept = {each: value for each, value in (kept | {name: digest(name)}).items() if each in NAMES}
    _DIGESTS.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
