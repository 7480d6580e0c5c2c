"""``cohort.html``: one page that holds everything it shows and asks nobody for more.

Values are computed first (`distributions`); here they only become text. The page works from a disk and without a
network; sorting and filtering are a few lines of JavaScript in its template.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np

from gliofield import __version__
from gliofield.cohort.distributions import Distribution, distributions, outlying
from gliofield.cohort.numbers import Value
from gliofield.cohort.table import TABLE, Row
from gliofield.output import atomic_file

PAGE = "cohort.html"
# What the table on the page shows; the rest stands in the file. Heading, column, format.
_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("core [ml]", "core_ml", ".1f"),
    ("whole [ml]", "whole_ml", ".1f"),
    ("Dice core", "dice_t1gd", ".2f"),
    ("Dice whole", "dice_flair", ".2f"),
    ("without cells", "without_cells_share", ".1%"),
    ("√(DT) [mm]", "diffusion_length_mm", ".1f"),
    ("√(ρT)", "proliferation_number", ".2f"),
    ("brain overlap", "brain_overlap", ".3f"),
    ("time [s]", "seconds", ".1f"),
    ("memory [MB]", "peak_memory_mb", ".0f"),
)
_THUMBNAIL_WIDTH = 300
_BINS, _PLOT_WIDTH, _PLOT_HEIGHT = 24, 264, 64
# What is opened of a patient, the best first.
_LINKS = ("report.html", "overview.png", "quality.json")


def write_page(path: Path, rows: Sequence[Row], folder: Path) -> None:
    """Write the page of a cohort.

    Parameters
    ----------
    path : Path
        The file.
    rows : sequence of mapping
        Those of the table.
    folder : Path
        Of the cohort, for thumbnails and links.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_file(path, replace=True) as partial:
        partial.write_text(page_of(rows, folder), encoding="utf-8")


def page_of(rows: Sequence[Row], folder: Path) -> str:
    """Text of the page."""
    spreads = distributions(rows)
    odd = outlying(spreads)
    done = {str(row["patient"]): row for row in rows if row["status"] == "done"}
    order = [*odd, *(name for name in done if name not in odd)]
    template = resources.files("gliofield.cohort").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=f"Cohort of {len(rows)} patients",
        version=escape(__version__),
        table=TABLE,
        counts=_counts(rows),
        failures=_failures([row for row in rows if row["status"] == "failed"]),
        plots="\n".join(_plot(each) for each in spreads),
        headings="".join(f'<th data-kind="number" scope="col">{escape(each)}</th>' for each, _, _ in _COLUMNS),
        rows="\n".join(_row(done[name], odd.get(name, ()), folder) for name in order),
    )


def _counts(rows: Sequence[Row]) -> str:
    """How many there are of each status and verdict."""
    status = Counter(str(row["status"]) for row in rows)
    verdicts = Counter(str(row["verdict"]) for row in rows if row.get("verdict"))
    parts = [(f"{status[name]} {name}", name) for name in ("done", "failed", "missing") if status[name]]
    parts += [(f"{verdicts[each]} {each}", each) for each in ("no-concern", "check", "do-not-use") if verdicts[each]]
    return " ".join(f'<span class="chip {kind}">{escape(text)}</span>' for text, kind in parts)


def _failures(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>None.</p>"
    lines = (
        f"<tr><th scope='row'>{escape(str(row['patient']))}</th><td>{escape(str(row.get('kind') or ''))}</td>"
        f"<td>{escape(str(row.get('reason') or ''))}</td></tr>"
        for row in rows
    )
    heading = "<tr><th scope='col'>patient</th><th scope='col'>kind</th><th scope='col'>reason</th></tr>"
    return f'<table id="failures"><thead>{heading}</thead><tbody>{"".join(lines)}</tbody></table>'


def _row(row: Row, odd: Sequence[Distribution], folder: Path) -> str:
    name = str(row["patient"])
    place = str(row.get("folder") or "")
    link = next((each for each in _LINKS if (folder / place / each).is_file()), None)
    shown = escape(name) if link is None else f'<a href="{quote(f"{place}/{link}")}">{escape(name)}</a>'
    verdict = str(row.get("verdict") or "")
    remarks = ", ".join(f"{each.words}: {_short(each.values[name])}" for each in odd)
    concerns = ", ".join(str(row.get("concerns") or "").split(","))
    cells = "".join(_cell(row.get(column), form) for _, column, form in _COLUMNS)
    return (
        f'<tr data-verdict="{escape(verdict)}" class="{"odd" if odd else ""}">'
        f'<td data-value="{escape(name)}">{_thumbnail(folder / place / "overview.png")}{shown}</td>'
        f'<td data-value="{escape(verdict)}"><span class="chip {escape(verdict)}">{escape(verdict)}</span></td>'
        f'<td class="text" data-value="{escape(concerns)}">{escape(concerns)}</td>{cells}'
        f'<td class="text" data-value="{len(odd)}">{escape(remarks)}</td></tr>'
    )


def _cell(value: Value, form: str) -> str:
    if not isinstance(value, int | float):
        return '<td data-value="">–</td>'
    return f'<td data-value="{value!r}">{value:{form}}</td>'


def _short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 1000.0 else f"{value:.3g}"


def _thumbnail(path: Path) -> str:
    """A small copy of a picture, within the page; nothing where there is none."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
            small.thumbnail((_THUMBNAIL_WIDTH, _THUMBNAIL_WIDTH))
    except OSError:
        return ""
    content = io.BytesIO()
    small.save(content, "JPEG", quality=72)
    data = base64.b64encode(content.getvalue()).decode("ascii")
    return f'<img alt="" width="{small.width // 2}" src="data:image/jpeg;base64,{data}">'


def _plot(spread: Distribution) -> str:
    """Histogram of a number, its median, and a dot for each outlier."""
    values = np.array(list(spread.values.values()))
    low, high = float(values.min()), float(values.max())
    if low == high:
        words = f"all {len(values)} are {low:.3g}"
        return f'<figure><figcaption>{escape(spread.words)}</figcaption><p class="soft">{words}</p></figure>'
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    scale = _PLOT_WIDTH / (edges[-1] - edges[0])
    width, top = _PLOT_WIDTH / _BINS, max(int(counts.max()), 1)
    bars = "".join(
        f'<rect x="{place * width:.1f}" y="{_PLOT_HEIGHT * (1 - count / top):.1f}" width="{width - 1:.1f}" '
        f'height="{_PLOT_HEIGHT * count / top:.1f}"/>'
        for place, count in enumerate(counts)
        if count
    )
    middle = (spread.median - edges[0]) * scale
    dots = "".join(
        f'<circle cx="{(spread.values[name] - edges[0]) * scale:.1f}" cy="{_PLOT_HEIGHT + 6}" r="3">'
        f"<title>{escape(name)}: {spread.values[name]:.4g}</title></circle>"
        for name in spread.outliers
    )
    return (
        f'<figure><figcaption>{escape(spread.words)}</figcaption><svg viewBox="-4 0 {_PLOT_WIDTH + 8} '
        f'{_PLOT_HEIGHT + 12}" role="img"><title>{escape(spread.words)}: median {spread.median:.3g}</title>{bars}'
        f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{_PLOT_HEIGHT}"/>{dots}</svg>'
        f'<p class="range"><span>{_short(low)}</span><span>median {_short(spread.median)}, n = {len(values)}</span>'
        f"<span>{_short(high)}</span></p></figure>"
    )
