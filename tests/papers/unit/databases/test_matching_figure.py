"""The figure and the tables of what database designs buy."""

import csv
import io
import json

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.report.json_files import write_json
from gliofield_papers.databases.matching import MatchingCurve
from gliofield_papers.databases.matching_figure import matching_figure
from gliofield_papers.databases.matching_tables import (
    differences_table,
    matching_csv,
    matching_record,
    matching_table,
)

GROUPS = ("real", "real", "clinical", "papers", "virtual", "virtual")


def _curve(name="clinical", gain=0.0, groups=GROUPS, sizes=(500, 1000, 50_000)):
    """Best Dice that rises with N: 0.5, 0.6, … plus a gain; two blocks of tumors but at the largest size."""
    offsets = np.linspace(0.0, 0.2, len(groups))[:, np.newaxis]
    best = tuple(
        0.5 + 0.1 * step + gain + offsets + np.array([0.0, 0.02])[: 2 if step < len(sizes) - 1 else 1]
        for step in range(len(sizes))
    )
    return MatchingCurve(
        name=name,
        sizes=sizes,
        query_names=tuple(f"q{number}" for number in range(len(groups))),
        query_groups=groups,
        best=best,
        settings={"design": {"name": name}},
    )


def test_there_is_a_panel_per_group_and_a_line_per_database():
    """Real, all synthetic and each kind, N on a logarithmic axis; every database is in the legend once."""
    figure = matching_figure([_curve(), _curve("papers", 0.1)], title="T")
    panels = [axes for axes in figure.axes if axes.get_title()]

    assert [axes.get_title() for axes in panels] == [
        "real patients (2)",
        "all synthetic (4)",
        "held-out tumors, design clinical (1)",
        "held-out tumors, design papers (1)",
        "virtual patients (2)",
    ]
    for axes in panels:
        assert axes.get_xscale() == "log"
        assert [container.get_label() for container in axes.containers] == ["clinical", "papers"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["clinical", "papers", "published"]


def test_lines_show_the_means():
    """The line of the second database in the panel of the real patients."""
    curve = _curve("papers", 0.1)
    line = matching_figure([_curve(), curve]).axes[0].containers[1].lines[0]

    assert line.get_xdata().tolist() == [500, 1000, 50_000]
    assert line.get_ydata().tolist() == [curve.point("real", size).mean for size in curve.sizes]


def test_published_figures_are_marked_where_they_belong():
    """At 50,000: 1.07 for real patients, 1.69 for synthetic tumors and for those of the design of the papers."""
    panels = matching_figure([_curve()]).axes
    stars = [
        [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_label() == "published"]
        for axes in panels
    ]

    assert stars == [[(50_000, 1.07)], [(50_000, 1.69)], [], [(50_000, 1.69)], [], []]


def test_the_figure_can_be_drawn_without_real_patients(tmp_path):
    """Four panels, the first of all synthetic queries, and single queries without error bars."""
    figure = matching_figure([_curve(groups=GROUPS[2:5])])
    figure.savefig(tmp_path / "figure.png")

    assert figure.axes[0].get_title() == "all synthetic (3)"
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_the_table_has_a_row_per_size_and_database():
    """Mean ± standard error over queries (spread over blocks of tumors), and what was published."""
    lines = matching_table([_curve(), _curve("papers", 0.1, sizes=(500, 1000))]).splitlines()

    assert [line.split("|")[1].strip() for line in lines[2:]] == ["500", "500", "1,000", "1,000", "50,000", "50,000"]
    assert "real (2)" in lines[0]
    assert "0.530 ± 0.020 (0.014)" in lines[2]
    assert lines[-1].split("|")[2:5] == [" published ", " 1.07                  ", " 1.69                  "]


def test_differences_are_to_the_first_database():
    """At the sizes both have."""
    lines = differences_table([_curve(), _curve("papers", 0.1, sizes=(500, 1000))]).splitlines()

    assert len(lines) == 4
    assert "papers - clinical" in lines[2]
    assert "+0.100 ± 0.000" in lines[2]


def test_values_are_written_for_programs(tmp_path):
    """As many lines of CSV as points, and strict JSON that holds the same means and each query's best."""
    curves = [_curve(), _curve("papers", 0.1)]
    rows = list(csv.DictReader(io.StringIO(matching_csv(curves))))
    write_json(tmp_path / "matching.json", matching_record(curves))
    record = json.loads((tmp_path / "matching.json").read_text(encoding="utf-8"))

    assert len(rows) == 2 * 5 * 3
    assert float(rows[0]["mean"]) == pytest.approx(curves[0].point("real", 500).mean)
    points = record["databases"][1]["points"]
    assert points[0]["mean"] == pytest.approx(curves[1].point("real", 500).mean)
    assert record["databases"][0]["best"]["q0"]["500"] == pytest.approx(0.51)
    assert len(record["differences"]["papers"]) == 5 * 3


@pytest.mark.parametrize("show", [matching_figure, matching_table])
def test_curves_of_different_queries_do_not_share_a_figure_or_table(show):
    """Both lists of groups are shown; and there must be a curve."""
    with pytest.raises(ParameterError, match="of the same queries"):
        show([_curve(), _curve(groups=GROUPS[:3])])
    with pytest.raises(ParameterError, match="at least one database"):
        show([])
