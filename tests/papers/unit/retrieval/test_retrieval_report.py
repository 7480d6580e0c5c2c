"""The comparison of strategies on paper: tables, record, figures, sheets, folder."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from growing_ball import build_balls
from phantom_brain import phantom_atlas
from retrieval_fakes import fake_network, fake_strategy, queries_of

from gliofield.errors import GridMismatchError, OutputError
from gliofield.grid import Grid
from gliofield.imaging import Observation
from gliofield.report import plain_json
from gliofield.volume import Volume
from gliofield_papers.retrieval import folder as retrieval_folder
from gliofield_papers.retrieval.evaluation import RetrievalEvaluationSettings, evaluate_retrieval
from gliofield_papers.retrieval.figures import (
    best_dice_figure,
    compared_dice_figure,
    each_query_figure,
    learning_figure,
    rank_figure,
    reconstruction_figure,
)
from gliofield_papers.retrieval.folder import write_retrieval_folder
from gliofield_papers.retrieval.pipeline import PatientPipeline
from gliofield_papers.retrieval.report import retrieval_record, retrieval_report
from gliofield_papers.retrieval.sheets import SheetPanel, case_sheet
from gliofield_papers.retrieval.tables import accuracy_and_runtime, retrieval_tables, thesis_cases

GROUPS = ("real", "real", "synthetic", "synthetic", "synthetic")
SETTINGS = RetrievalEvaluationSettings(num_direct_queries=1, num_reconstructed=2, num_threads=1)
SPACING_MM = 6.0


@pytest.fixture(scope="module")
def atlas():
    """The phantom."""
    return phantom_atlas()


@pytest.fixture(scope="module")
def database(atlas, tmp_path_factory):
    """Twenty balls in the phantom."""
    return _balls(atlas, tmp_path_factory.mktemp("balls"), num_tumors=20, seed=7)


def _balls(atlas, folder, **settings):
    anatomy = atlas.anatomy(atlas.simulation_grid(spacing_mm=SPACING_MM))
    return build_balls(folder / "db", anatomy=anatomy, **settings)


@pytest.fixture(scope="module")
def queries(atlas, tmp_path_factory):
    """Balls of another seed, one of them without core."""
    return queries_of(_balls(atlas, tmp_path_factory.mktemp("others"), num_tumors=5, seed=8), GROUPS, without_core=(4,))


@pytest.fixture(scope="module")
def evaluation(database, queries):
    """Beside the same database as a second one, and with a patient whose times are known."""
    strategies = [
        fake_strategy("exact index", published="direct"),
        fake_strategy("DS64", shift=1, published="ds64"),
        fake_strategy("silent", finds_nothing=True),
        fake_strategy("slow", is_exhaustive=True),
        fake_strategy("VAE 8", shift=3, network=fake_network(), published="vae-8"),
    ]
    measured = evaluate_retrieval(database, queries, strategies, settings=SETTINGS, compare=database)
    patient = PatientPipeline(name="real-0", registration_s=10.0, masks_s=0.5, density_s=1.0)
    return dataclasses.replace(measured, patients=(patient,))


@pytest.fixture(scope="module")
def plain(database, queries):
    """Without networks, patients, second database."""
    return evaluate_retrieval(database, queries, [fake_strategy()], settings=SETTINGS)


def test_table_1_puts_the_papers_beside_what_was_measured(evaluation):
    """Top-n and seconds of the strategy that was published; the pipeline includes the registration."""
    table = accuracy_and_runtime(evaluation)
    rows = {row[0]: row for row in table.cells()}
    records = {record["label"]: record for record in table.records()}

    assert rows["DS64"][5] == "88.7/100/100"
    assert rows["DS64"][11] == "130"
    assert rows["silent"][2:6] == ["0.0% (0-66)", "0.0% (0-66)", "0.0% (0-66)", "-"]
    assert "VAE 8 (small)" in rows
    assert records["exact index"]["pipeline_s"] == pytest.approx(11.5 + records["exact index"]["with_loading_s"])


def test_synthetic_queries_stand_beside_what_was_published_for_synthetic_ones(evaluation):
    """In either table; radiomics and networks have no published figures of synthetic tumors."""
    no_patients = dataclasses.replace(
        evaluation, queries=dataclasses.replace(evaluation.queries, groups=("synthetic",) * len(GROUPS))
    )
    rows = {row[0]: row for row in accuracy_and_runtime(no_patients).cells()}

    assert rows["DS64"][5] == "93.5/100/100"
    assert rows["VAE 8 (small)"][5] == "-"


def test_table_1_says_what_was_timed(plain, database, queries):
    """The whole search, but of strategies that can rank without scoring."""
    ranking = evaluate_retrieval(database, queries, [fake_strategy("RF", ranks_alone=True)], settings=SETTINGS)

    assert "timed is the whole search. Pipeline" in accuracy_and_runtime(plain).note
    assert "of RF the ranking without the full-resolution Dice" in accuracy_and_runtime(ranking).note


def test_the_page_names_the_device_of_networks_and_what_is_missing(evaluation, plain):
    """Without networks there is no device to name."""
    text = retrieval_report(evaluation.with_notes(["Left out: case (no T1)"]))

    assert "\n- networks on cpu\n" in text
    assert "\n\nLeft out: case (no T1)\n\n" in text
    assert "networks on" not in retrieval_report(plain)
    assert "Left out" not in retrieval_report(plain)


def test_every_table_is_there_with_its_section(evaluation):
    """In the order of the papers; conditions come first."""
    text = retrieval_report(evaluation)
    headings = [line for line in text.splitlines() if line.startswith("### ")]

    assert text.startswith("- db: 20 tumors, design balls, model growing-ball")
    assert headings == [
        "### Table 1: accuracy and runtime (real)",
        "### Table 2: real and synthetic queries",
        "### Mean Dice of the exact best match",
        "### Rank of the best match, intersection of the top 15, Dice lost",
        "### Cases by Dice of the exact best",
        "### Growth models at equal N",
        "### Reconstruction by the networks",
        "### Latent sizes, losses and training sets",
        "### Around the query: real patients",
    ]
    assert "less than the papers' setting: VAE 8 (small)" in text
    assert "only the first 1 of each group" in text


def test_tables_without_rows_are_left_out(plain):
    """No networks, no patients, no second database."""
    names = [table.name for table in retrieval_tables(plain)]

    assert {"models_compared", "reconstructions", "networks", "patients"}.isdisjoint(names)


def test_every_place_where_a_small_network_appears_says_so(evaluation):
    """By its label or its setting."""
    for table in retrieval_tables(evaluation):
        for row in [[column.title for column in table.columns], *table.cells()]:
            if any("VAE" in cell for cell in row):
                assert any("small" in cell for cell in row), table.name
    networks = next(table for table in retrieval_tables(evaluation) if table.name == "networks")
    assert all("small" in row for row in networks.cells())


def test_csv_holds_the_numbers_of_the_table(evaluation):
    """A line per row; what is not defined is empty."""
    for table in retrieval_tables(evaluation):
        lines = list(csv.DictReader(io.StringIO(table.csv())))
        assert len(lines) == len(table.rows)
        assert not any(value == "nan" for line in lines for value in line.values())
    silent = next(
        line
        for line in csv.DictReader(io.StringIO(accuracy_and_runtime(evaluation).csv()))
        if line["label"] == "silent"
    )
    assert silent["dice_lost"] == ""
    assert silent["top1"] == "0.0"


def test_cases_show_rank_and_dice_lost(evaluation):
    """A search without an answer says so, a query that was not asked has a dash."""
    table = thesis_cases(evaluation)
    column = {column.title: number for number, column in enumerate(table.columns)}

    assert table.rows
    for row in table.cells():
        assert row[column["exact index"]] == "1 (Δ=0.00)"
        assert row[column["silent"]] == "no answer"
    assert {row[column["slow"]] for row in table.cells()} <= {"-", "1 (Δ=0.00)"}


def test_the_record_is_strict_json_of_everything(evaluation):
    """Conditions, tables, every query's answers, published figures."""
    record = json.loads(json.dumps(plain_json(retrieval_record(evaluation)), allow_nan=False))

    assert record["conditions"]["num_cores"] >= 1
    assert record["database"]["num_tumors"] == 20
    assert len(record["queries"]) == len(GROUPS)
    assert record["queries"][0]["strategies"]["exact index"]["rank"] == 1.0
    assert record["queries"][0]["strategies"]["silent"]["rank"] is None
    assert record["queries"][4]["dice_t1gd"] is None
    assert "slow" not in record["queries"][1]["strategies"]
    assert record["comparison"]["num_tumors"] == 20
    assert record["learning_curves"][0]["part"] == "loss"
    assert len(record["published"]["strategies"]) == 9


def test_figures_have_a_column_per_group(evaluation):
    """Three rows of Dice, two panels of ranks per group, both parts of the loss per modality."""
    assert len(best_dice_figure(evaluation).axes) == 6
    assert len(compared_dice_figure(evaluation).axes) == 6
    assert len(rank_figure(evaluation).axes) == 4
    # And the database's own tumors.
    assert len(reconstruction_figure(evaluation).axes) == 6
    titles = [axes.get_title() for axes in learning_figure(evaluation).axes]
    assert titles == ["FLAIR: loss", "FLAIR: kl", "T1Gd: loss", "T1Gd: kl"]


def test_each_query_is_marked_where_a_strategy_has_its_best(evaluation):
    """A line per strategy and n; of one that finds nothing no mark, of DS64 all of the group's queries."""
    upper, lower = each_query_figure(evaluation).axes[::2]
    names = [label.get_text() for label in lower.get_yticklabels()]
    marks = dict(zip(names, (line.get_xdata().tolist() for line in lower.lines), strict=True))

    assert len(names) == 3 * len(evaluation.strategies)
    assert marks["silent, top 15"] == []
    assert marks["DS64, top 1"] == [1, 2]
    assert len(upper.lines) == 6


def test_ranks_are_drawn_as_shares_of_all_queries(evaluation):
    """A strategy without an answer has no line; another's ends at all of them."""
    ranks = rank_figure(evaluation).axes[2]
    lines = {line.get_label(): line for line in ranks.lines}

    assert "silent" not in lines
    assert lines["DS64"].get_ydata()[-1] == 100.0


def test_figures_without_content_are_none(plain):
    """Rather than empty axes."""
    assert compared_dice_figure(plain) is None
    assert reconstruction_figure(plain) is None
    assert learning_figure(plain) is None


def test_a_sheet_has_a_panel_for_the_query_and_each_match():
    """In rows of five, the titles above them; masks and background share a grid."""
    grid = Grid.axis_aligned((20, 20, 20), 4.0, (0.0, 0.0, 0.0))
    background = Volume(np.random.default_rng(0).random(grid.shape).astype(np.float32), grid)
    brain = np.zeros(grid.shape, dtype=bool)
    brain[2:18, 2:18, 2:18] = True
    core, whole = np.zeros_like(brain), np.zeros_like(brain)
    core[6:9, 6:9, 6:9], whole[5:11, 5:11, 5:11] = True, True
    panels = [SheetPanel(title=f"number {n}", tumor_core=core, whole_tumor=whole) for n in range(6)]
    query = Observation(tumor_core=core, whole_tumor=whole, grid=grid)

    figure = case_sheet(background=background, brain=brain, query=query, panels=panels, title="case")

    assert [axes.get_title() for axes in figure.axes] == ["query", *(panel.title for panel in panels)]
    other = Observation(tumor_core=core, whole_tumor=whole, grid=Grid.axis_aligned((20, 20, 20), 3.0, (0.0, 0.0, 0.0)))
    with pytest.raises(GridMismatchError):
        case_sheet(background=background, brain=brain, query=other, panels=panels, title="case")


def test_the_folder_holds_page_record_tables_figures_sheets_and_queries(evaluation, database, atlas, tmp_path):
    """Replaced only by force, and only if it was written by this command."""
    out = tmp_path / "out"
    evaluation = dataclasses.replace(evaluation, cases=evaluation.cases[:1], comparison=None)

    write_retrieval_folder(evaluation, out, database=database, atlas=atlas)

    names = {path.name for path in out.iterdir()}
    assert {"retrieval.md", "retrieval.json", "queries.npz", "ranks.png", "learning_curves.png"} <= names
    answers = list(csv.DictReader(io.StringIO((out / "answers.csv").read_text(encoding="utf-8"))))
    assert len(answers) == sum(int(result.answers.asked.sum()) for result in evaluation.strategies)
    assert {f"{table.name}.csv" for table in retrieval_tables(evaluation)} <= names
    assert [name for name in names if name.startswith("sheet_")] == [f"sheet_01_{evaluation.cases[0].name}.png"]
    with pytest.raises(OutputError, match="pass replace=True"):
        write_retrieval_folder(evaluation, out, database=database, atlas=atlas)
    (out / "retrieval.json").unlink()
    with pytest.raises(OutputError, match=r"holds no retrieval\.json"):
        write_retrieval_folder(evaluation, out, database=database, atlas=atlas, force=True)


def test_a_picture_that_fails_loses_nothing(plain, database, atlas, tmp_path, monkeypatch):
    """Numbers and other pictures are there; page and record say what is missing and why."""
    out = tmp_path / "out"
    evaluation = dataclasses.replace(plain, cases=plain.cases[:2])
    draw_sheet = retrieval_folder.case_sheet

    def fail(*_, **__):
        raise ValueError("no room for a legend")

    def fail_first(*, title, **content):
        if title.startswith(evaluation.cases[0].name):
            fail()
        return draw_sheet(title=title, **content)

    monkeypatch.setitem(retrieval_folder._FIGURES, "ranks", fail)
    monkeypatch.setattr(retrieval_folder, "case_sheet", fail_first)
    notes = write_retrieval_folder(evaluation, out, database=database, atlas=atlas)

    first = f"sheet_01_{evaluation.cases[0].name}"
    assert notes == tuple(f"Not drawn: {name} (ValueError: no room for a legend)" for name in ("figure ranks", first))
    names = {path.name for path in out.iterdir()}
    assert {"retrieval.md", "retrieval.json", "queries.npz", "answers.csv", "best_dice.png"} <= names
    assert f"sheet_02_{evaluation.cases[1].name}.png" in names
    assert names.isdisjoint({"ranks.png", f"{first}.png"})
    assert all(note in (out / "retrieval.md").read_text(encoding="utf-8") for note in notes)
    assert tuple(json.loads((out / "retrieval.json").read_text(encoding="utf-8"))["notes"]) == notes
