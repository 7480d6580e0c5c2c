"""The page that shows a database: what stands in its panels, and how it becomes a file."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from growing_ball import GrowingBall, build_balls
from matplotlib.figure import Figure
from phantom_brain import GRID, phantom_atlas

from gliofield.database import SimulationDatabase
from gliofield.errors import OutputError, ParameterError
from gliofield.report import database_figure, write_database_figure
from gliofield.report.database_figure import identifiable_numbers
from gliofield.report.database_scene import DatabaseScene
from gliofield.report.seed_projections import MOST_DOTS, draw_seed_projections
from gliofield.report.tumor_sheet import sheet_tumors

ATLAS = phantom_atlas()
NUM_TUMORS = 30
NUM_MARGINALS, NUM_PROJECTIONS, NUM_BARS = 9, 3, 1


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """30 balls in the phantom brain, their header naming the phantom atlas."""
    built = build_balls(
        tmp_path_factory.mktemp("figure") / "db",
        num_tumors=NUM_TUMORS,
        anatomy=ATLAS.anatomy(GRID),
        model=GrowingBall(edge_mm=12.0),
        atlas_name="phantom",
    )
    return dataclasses.replace(built, header=dataclasses.replace(built.header, atlas_hash=ATLAS.content_hash))


@pytest.fixture(scope="module")
def page(database):
    """The page with the atlas behind it; looked at, never changed."""
    return database_figure(database, atlas=ATLAS)


@pytest.fixture(scope="module")
def page_alone(database):
    """The page without an atlas."""
    return database_figure(database)


def with_table(database, **arrays):
    """The same database with other arrays in its table."""
    return dataclasses.replace(database, table=dataclasses.replace(database.table, **arrays))


def first_tumors(database, number):
    """The same database with its first tumors alone."""
    return dataclasses.replace(database, table=database.table.rows(0, number))


def panel(figure, label):
    """The panel with this text in the label of its horizontal axis."""
    return next(axes for axes in figure.axes if label in axes.get_xlabel())


def sheet_panels(figure):
    """Panels of the sheet: those with an image."""
    return [axes for axes in figure.axes if axes.images]


def chosen_tumors(database, seed=0):
    """Tumors of the sheet with this seed."""
    return sheet_tumors(database, np.random.default_rng(seed))


def captions(figure):
    """What stands in the panels of the sheet."""
    return [tuple(text.get_text() for text in axes.texts) for axes in sheet_panels(figure)]


def test_the_page_has_a_panel_for_everything(page):
    """Nine marginals, three projections, 24 tumors and a color bar."""
    assert len(sheet_panels(page)) == 24
    assert len(page.axes) == NUM_MARGINALS + NUM_PROJECTIONS + 24 + NUM_BARS
    titles = [axes.get_title() for axes in page.axes]
    assert [t for t in titles if "projection" in t] == [
        f"seeds, {name} projection" for name in ("axial", "coronal", "sagittal")
    ]
    assert f"{NUM_TUMORS} simulated tumors" in [text.get_text() for text in page.texts]


def test_mass_effect_adds_the_push(database):
    """A tenth marginal, in kPa."""
    pushing = dataclasses.replace(
        with_table(database, parameters=np.column_stack([database.parameters, np.linspace(0, 20_000, NUM_TUMORS)])),
        parameter_names=(*database.parameter_names, "push_pa"),
    )

    axes = panel(database_figure(first_tumors(pushing, 3)), "push")

    assert [line.get_xdata()[0] for line in axes.lines][1] == pytest.approx(20.0 / (NUM_TUMORS - 1))


def test_the_numbers_are_those_a_tumor_depends_on(database):
    """μ1 = √(D_w T), μ2 = √(ρ T), λ = √(D_w/ρ), from the columns of the table."""
    parameters = database.parameters.copy()
    parameters[:, :3] = (0.09, 0.04, 100.0)  # D_w, ρ, T

    numbers = identifiable_numbers(with_table(database, parameters=parameters))

    assert [values[0] for values in numbers.values()] == pytest.approx([3.0, 2.0, 1.5])


def test_volumes_are_drawn_with_the_quantiles_of_the_table(database, page):
    """All bins together are all tumors; the lines are their 5, 50 and 95 % quantiles."""
    axes = panel(page, "whole tumor (FLAIR)")
    whole_ml = database.volume_ml[:, 0].astype(float)

    shares = axes.patches[0].get_data()
    np.testing.assert_allclose(shares.values, 100.0 * np.histogram(whole_ml, shares.edges)[0] / NUM_TUMORS)
    assert shares.values.sum() == pytest.approx(100.0)
    drawn = [line.get_xdata()[0] for line in axes.lines]
    assert drawn == pytest.approx(list(np.quantile(whole_ml, [0.05, 0.5, 0.95])))


def test_every_seed_is_a_dot_in_the_radiological_view(database, page):
    """Dots of the axial projection are x and y of the table, with x running from right to left."""
    axial = next(axes for axes in page.axes if "axial" in axes.get_title())

    np.testing.assert_allclose(axial.lines[0].get_xydata(), database.parameters[:, 3:5])
    left, right = axial.get_xlim()
    assert left > right
    assert [text.get_text() for text in axial.texts][:4] == ["R", "L", "P", "A"]


def test_many_seeds_are_counted_in_cells(database):
    """Beyond the number at which dots hide each other, the cells of every projection hold all seeds."""
    repeats = MOST_DOTS // NUM_TUMORS + 1
    many = with_table(
        database, **{name: np.repeat(values, repeats, axis=0) for name, values in database.table.arrays().items()}
    )
    figure = Figure()

    draw_seed_projections(figure, DatabaseScene(many, None), {})

    counts = [axes.collections[0].get_array() for axes in figure.axes if "projection" in axes.get_title()]
    assert [int(values.sum()) for values in counts] == [many.num_tumors] * 3


def test_the_brain_stands_behind_only_with_an_atlas(page, page_alone):
    """Gray lines, silhouettes and the T1 image come from the atlas; without it the tumors stand alone."""
    assert "gray: the brain" in page.texts[1].get_text()
    assert "gray" not in page_alone.texts[1].get_text()
    assert page.axes[NUM_MARGINALS].collections
    assert not page_alone.axes[NUM_MARGINALS].collections
    assert np.ptp(np.asarray(sheet_panels(page)[0].images[0].get_array())) > 0
    assert np.ptp(np.asarray(sheet_panels(page_alone)[0].images[0].get_array())) == 0


def test_the_gray_line_is_the_share_of_the_brain(page):
    """Its steps add up to all of the brain, in the bins of the seeds, most of it in the middle."""
    seeds, brain = (patch.get_data() for patch in panel(page, "seed x").patches)

    assert brain.values.sum() == pytest.approx(100.0)
    np.testing.assert_array_equal(brain.edges, seeds.edges)
    assert len(brain.values) // 3 < np.argmax(brain.values) < 2 * len(brain.values) // 3


def test_the_sheet_follows_from_its_seed(database, page, page_alone):
    """The same tumors from the same seed, others from another; none twice, the largest first."""
    assert captions(page) == captions(page_alone)
    assert captions(database_figure(database, seed=4)) != captions(page_alone)
    chosen = chosen_tumors(database, seed=3)
    assert len(set(chosen.tolist())) == 24
    assert np.all(np.diff(database.volume_ml[chosen, 0]) <= 0)


def test_a_tumor_is_shown_where_it_is_largest(database, page):
    """The painted slice is the axial one with most voxels above the FLAIR threshold, and the caption its volumes."""
    index = int(chosen_tumors(database, seed=0)[0])
    whole = database.cell_density(index) > 0.2

    painted = np.ma.filled(sheet_panels(page)[0].images[1].get_array(), 0.0)

    assert np.count_nonzero(painted > 0.2) == whole.sum(axis=(0, 1)).max()
    whole_ml, core_ml = database.volume_ml[index]
    assert captions(page)[0][:2] == (f"{whole_ml:.1f} / {core_ml:.1f}", f"{index}")


def test_only_the_densities_of_the_sheet_are_read(database, monkeypatch):
    """24 of 30 tumors are opened, each once: the page of a large database costs no more."""
    opened = []
    read = SimulationDatabase.density_levels

    def counted(self, index, *, out=None):
        opened.append(index)
        return read(self, index, out=out)

    monkeypatch.setattr(SimulationDatabase, "density_levels", counted)

    database_figure(database)

    assert sorted(opened) == sorted(chosen_tumors(database, seed=0).tolist())


def test_tumors_without_a_core_are_counted_and_named(database):
    """They have no place on the axes of core and ratio; their number stands there, and `no core` in the sheet."""
    volume_ml = database.volume_ml.copy()
    volume_ml[:, 1] = np.where(np.arange(NUM_TUMORS) < 12, 0.0, volume_ml[:, 0] / 2)
    figure = database_figure(with_table(database, volume_ml=volume_ml))

    for label in ("tumor core (T1Gd)", "whole tumor / tumor core"):
        assert "12 without core" in panel(figure, label).texts[0].get_text()
    num_shown = np.count_nonzero(volume_ml[chosen_tumors(database, seed=0), 1] == 0.0)
    assert sum("no core" in caption[0] for caption in captions(figure)) == num_shown > 0


def test_no_core_at_all_leaves_the_panels_empty(database):
    """A remark instead of bars, and no error."""
    volume_ml = database.volume_ml.copy()
    volume_ml[:, 1] = 0.0
    coreless = first_tumors(with_table(database, volume_ml=volume_ml), 3)
    axes = panel(database_figure(coreless), "tumor core (T1Gd)")

    assert not axes.patches
    assert axes.texts[0].get_text() == "no tumor has it"


@pytest.mark.parametrize("atlas", [ATLAS, None], ids=["atlas", "no atlas"])
def test_one_tumor_is_enough(database, atlas):
    """One panel in the sheet; its value fills the only bin of each marginal."""
    figure = database_figure(first_tumors(database, 1), atlas=atlas)

    assert len(sheet_panels(figure)) == 1
    shares = panel(figure, "whole tumor (FLAIR)").patches[0].get_data().values
    assert sorted(shares)[-2:] == [0.0, 100.0]
    figure.canvas.draw()


def test_an_empty_tumor_can_be_drawn(database, monkeypatch):
    """Levels that are 0 everywhere have no largest slice; some slice is shown."""
    monkeypatch.setattr(SimulationDatabase, "density_levels", lambda self, index, *, out: out.fill(0))
    nothing = with_table(database, volume_ml=np.zeros_like(database.volume_ml))
    nothing = with_table(nothing, bounding_box=np.zeros_like(database.bounding_box))

    figure = database_figure(first_tumors(nothing, 2))

    assert len(sheet_panels(figure)) == 2


def test_another_atlas_is_refused(database):
    """A brain the tumors did not grow in says nothing about them."""
    other = dataclasses.replace(database, header=dataclasses.replace(database.header, atlas_hash="1" * 64))

    with pytest.raises(ParameterError, match="was made with the atlas 'phantom', got 'phantom' .* leave it out"):
        database_figure(other, atlas=ATLAS)


def test_a_page_becomes_a_file(database, tmp_path):
    """It appears under its name alone, and no figure is left in pyplot."""
    from matplotlib import pyplot

    path = tmp_path / "page.png"

    assert write_database_figure(first_tumors(database, 1), path, atlas=ATLAS) == path
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("page.jpg", ParameterError, "must end in .png, .pdf or .svg"), ("there.png", OutputError, "exists")],
)
def test_a_name_that_cannot_be_written_is_refused_before_any_work(
    database, tmp_path, name, error, message, monkeypatch
):
    """No density is read, nothing is written."""
    (tmp_path / "there.png").write_text("mine")
    monkeypatch.setattr(SimulationDatabase, "density_levels", None)

    with pytest.raises(error, match=message):
        write_database_figure(database, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.png"]
    assert (tmp_path / "there.png").read_text() == "mine"


def test_importing_reports_does_not_load_matplotlib():
    """It waits for the first figure."""
    code = "import sys, gliofield.report; sys.exit('matplotlib' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
