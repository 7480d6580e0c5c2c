"""Databases beside patients and published figures, as a figure and as a table."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from gliofield.errors import ParameterError
from gliofield_papers.databases.coverage import QUANTITIES, TumorCohort
from gliofield_papers.databases.coverage_figure import coverage_figure
from gliofield_papers.databases.coverage_tables import coverage_table
from gliofield_papers.databases.literature_volumes import PublishedVolume


def cohort(name="clinical", number=101, num_without_core=0):
    """Whole tumors of 1 to 101 ml with cores of a half of it, centers along a line."""
    whole_ml = np.linspace(1.0, 101.0, number)
    core_ml = whole_ml / 2
    core_ml[:num_without_core] = 0.0
    offset_mm = np.column_stack([np.linspace(-40.0, 40.0, number), whole_ml, -whole_ml])
    return TumorCohort(name=name, core_ml=core_ml, whole_ml=whole_ml, offset_mm=offset_mm)


PATIENTS = TumorCohort(
    name="patients",
    core_ml=np.array([0.4, 20.0, 30.0]),
    whole_ml=np.array([20.0, 40.0, 300.0]),
    offset_mm=np.array([[10.0, 20.0, -30.0]]),
)
PUBLISHED = (
    PublishedVolume(
        quantity="core_ml", source="A 2018", measured="enhancing part", num_tumors=61, median=18.0,
        interval=(8.0, 42.0), interval_name="25-75 %",
    ),
    PublishedVolume(quantity="core_ml", source="B 2025", measured="total", num_tumors=7, mean=33.0),
    PublishedVolume(
        quantity="whole_ml", source="A 2018", measured="FLAIR", num_tumors=61, median=90.0, interval=(20.0, 200.0),
        interval_name="5-95 %",
    ),
)  # fmt: skip


def pair(figure, key):
    """Curves and rows of a quantity."""
    position = [quantity.key for quantity in QUANTITIES].index(key)
    return figure.axes[2 * position], figure.axes[2 * position + 1]


def row(axes, name):
    """Lines of the row with this name."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    return [line for line in axes.lines if len(line.get_ydata()) and line.get_ydata()[0] == names.index(name)]


def test_there_is_a_pair_of_panels_per_quantity():
    """Six quantities, each with its words and unit."""
    figure = coverage_figure([cohort()])

    assert len(figure.axes) == 2 * len(QUANTITIES)
    assert [pair(figure, q.key)[1].get_xlabel() for q in QUANTITIES] == [q.label for q in QUANTITIES]
    assert pair(figure, "core_ml")[0].get_xscale() == "log"
    assert pair(figure, "superior_mm")[0].get_xscale() == "linear"


def test_the_curve_is_the_share_of_tumors_up_to_a_value():
    """Sorted values against rank, one line per database in its own color."""
    figure = coverage_figure([cohort("a"), cohort("b", number=11)])
    curves = pair(figure, "whole_ml")[0].lines

    assert [line.get_label() for line in curves] == ["a", "b"]
    np.testing.assert_allclose(curves[1].get_xdata(), np.linspace(1.0, 101.0, 11))
    np.testing.assert_allclose(curves[1].get_ydata(), 100.0 * np.arange(1, 12) / 11)
    assert to_hex(curves[0].get_color()) != to_hex(curves[1].get_color())


def test_the_bars_are_the_quantiles():
    """Thin from 5 to 95 %, thick from 25 to 75 %, a dot at the median."""
    thin, thick, dot = row(pair(coverage_figure([cohort()]), "whole_ml")[1], "clinical")

    assert list(thin.get_xdata()) == pytest.approx([6.0, 96.0])
    assert list(thick.get_xdata()) == pytest.approx([26.0, 76.0])
    assert list(dot.get_xdata()) == pytest.approx([51.0])
    assert thick.get_linewidth() > thin.get_linewidth()


def test_left_and_right_are_one():
    """The distance from the midline has no sign."""
    curves = pair(coverage_figure([cohort()]), "midline_distance_mm")[0]

    assert curves.lines[0].get_xdata().min() == 0.0
    assert curves.lines[0].get_xdata().max() == 40.0


def test_patients_are_ticks_and_lines():
    """One of each per patient that has the quantity; places are known of one."""
    figure = coverage_figure([cohort()], patients=PATIENTS)
    curves, rows = pair(figure, "core_ml")

    assert list(row(rows, "patients (n = 3)")[0].get_xdata()) == [0.4, 20.0, 30.0]
    assert sorted(line.get_xdata()[0] for line in curves.lines[:3]) == [0.4, 20.0, 30.0]
    assert list(row(pair(figure, "superior_mm")[1], "patients (n = 1)")[0].get_xdata()) == [-30.0]


def test_published_figures_are_drawn_as_published():
    """Median with its interval, thick or thin by its quantiles; a mean is a diamond; sources stand in the key."""
    figure = coverage_figure([cohort()], published=PUBLISHED)
    core, whole = pair(figure, "core_ml")[1], pair(figure, "whole_ml")[1]

    interval, median = row(core, "[1] n = 61")
    assert (list(interval.get_xdata()), interval.get_linewidth()) == ([8.0, 42.0], 5.0)
    assert (list(median.get_xdata()), median.get_marker()) == ([18.0], "o")
    (mean,) = row(core, "[2] n = 7")
    assert (list(mean.get_xdata()), mean.get_marker()) == ([33.0], "D")
    assert row(whole, "[1] n = 61")[0].get_linewidth() < 5.0
    words = "\n".join(text.get_text() for text in figure.texts)
    assert "[1] A 2018 (enhancing part; FLAIR)" in words
    assert "[2] B 2025 (total)" in words


def test_everything_drawn_is_within_the_axis():
    """Also patients and published figures beyond all tumors of the database."""
    figure = coverage_figure([cohort()], patients=PATIENTS, published=PUBLISHED)

    low, high = pair(figure, "core_ml")[0].get_xlim()
    assert low < 0.4
    assert high > 50.5
    assert pair(figure, "whole_ml")[0].get_xlim()[1] > 300.0


def test_a_range_to_cover_is_shaded():
    """From its lower to its upper bound, in the panel of its quantity alone."""
    figure = coverage_figure([cohort()], ranges_to_cover={"whole_ml": (10.0, 250.0)})

    (band,) = pair(figure, "whole_ml")[0].patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (10.0, 250.0)
    assert not pair(figure, "core_ml")[0].patches
    assert "Shaded" in figure.texts[2].get_text()


@pytest.mark.parametrize("number", [1, 5])
def test_tumors_without_a_core_leave_their_curves_out(number):
    """Core and ratio have nothing to show, the number stands in the heading; the page can be drawn."""
    figure = coverage_figure([cohort(number=number, num_without_core=number)])
    figure.canvas.draw()

    assert not pair(figure, "core_ml")[0].lines
    assert not pair(figure, "whole_to_core_ratio")[0].lines
    assert pair(figure, "whole_ml")[0].lines
    assert f"{number} without core" in figure.texts[1].get_text()


def test_a_long_name_is_shortened_beside_its_row():
    """It would run into the next panel."""
    rows = pair(coverage_figure([cohort("a-very-long-name-of-a-database")]), "core_ml")[1]

    assert [label.get_text() for label in rows.get_yticklabels()] == ["a-very-long-name…"]


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_databases_need_names_of_their_own(names):
    """None, or one name twice, is refused."""
    with pytest.raises(ParameterError, match="cohorts must be one or more with names of their own"):
        coverage_figure([cohort(name) for name in names])


def test_no_figure_is_left_in_pyplot():
    """Figures are values, closed when forgotten."""
    from matplotlib import pyplot

    coverage_figure([cohort()], patients=PATIENTS)

    assert pyplot.get_fignums() == []


def test_the_table_counts_the_patients_inside():
    """A row per quantity and database, databases of a quantity together; 5 and 95 % as in the figure."""
    lines = coverage_table([cohort("a"), cohort("b")], PATIENTS).splitlines()

    assert len(lines) == 2 + 2 * len(QUANTITIES)
    cells = [cell.strip() for cell in lines[4].strip("|").split("|")]
    assert cells[:3] == ["whole tumor (FLAIR) [ml]", "a", "101"]
    assert cells[3:8] == ["6", "26", "51", "76", "96"]
    assert cells[8] == "2 of 3 (67%)"


def test_the_table_without_patients_has_dashes():
    """Nobody is inside or outside; quantiles of nothing are dashes as well."""
    lines = coverage_table([cohort(number=3, num_without_core=3)]).splitlines()

    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells == ["tumor core (T1Gd) [ml]", "clinical", "0", *["-"] * 6]
