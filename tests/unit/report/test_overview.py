import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_labels, phantom_t1, phantom_tissue_maps, radius_in

from gliofield.anatomy import segmentation_from_labels
from gliofield.errors import GridMismatchError
from gliofield.grid import Grid
from gliofield.imaging import VisibilityThresholds
from gliofield.report import overview_figure
from gliofield.report.color_maps import DENSITY, MOST_OPAQUE, POSTERIOR_SCALES
from gliofield.report.planes import PLANES, PlaneCut, crop_window
from gliofield.volume import Volume


def _inputs():
    maps = phantom_tissue_maps()
    density = np.clip(1.2 - radius_in(GRID, LESION_CENTER_MM, 25.0), 0, 1).astype(np.float32) * maps.brain
    return {
        "background": phantom_t1(maps),
        "segmentation": segmentation_from_labels(phantom_labels()),
        "cell_density": Volume(density, GRID),
        "brain": maps.brain,
        "thresholds": VisibilityThresholds(),
        "title": "phantom",
    }


def test_the_patient_s_right_is_on_the_left_of_axial_and_coronal_planes():
    """Radiological convention: a marker at positive x (left to right: RAS) appears on the left half of the page."""
    marker = np.zeros(GRID.shape, dtype=np.float32)
    marker[-3, 25, 20] = 1.0
    image = Volume(marker, GRID)
    window = crop_window(np.ones(GRID.shape, dtype=bool))

    for plane in PLANES[:2]:
        page = PlaneCut(plane, (20, 25)[plane.name == "coronal"], window, image).page(marker)
        column = np.argwhere(page == 1.0)[0][1]
        assert plane.letters[0] == "R"
        assert column < page.shape[1] / 2


def test_the_front_is_on_the_left_of_the_sagittal_plane():
    """A marker at high y (anterior) appears on the left, where the letter A stands."""
    marker = np.zeros(GRID.shape, dtype=np.float32)
    marker[22, -3, 35] = 1.0
    plane = PLANES[2]

    page = PlaneCut(plane, 22, crop_window(np.ones(GRID.shape, dtype=bool)), Volume(marker, GRID)).page(marker)

    row, column = np.argwhere(page == 1.0)[0]
    assert plane.letters == ("A", "P", "I", "S")
    assert column < page.shape[1] / 2
    assert row > page.shape[0] / 2  # origin below: superior is up


def test_the_overview_shows_six_panels_with_letters_scale_and_bar():
    """Three planes in two rows, orientation letters and a scale bar in each, one color bar."""
    figure = overview_figure(**_inputs())

    panels = [axes for axes in figure.axes if axes.images]
    texts = [text.get_text() for axes in panels for text in axes.texts]
    assert len(panels) == 6
    assert texts.count("50 mm") == 6
    assert texts.count("R") == texts.count("L") == 4
    assert texts.count("A") == texts.count("P") == 4
    assert len(figure.axes) == 7
    assert "tumor-cell density" in figure.axes[-1].get_ylabel()
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["tumor core", "whole tumor", "density 0.6", "density 0.2", "core with 15 mm"]


def test_a_tumor_without_core_or_density_is_still_drawn():
    """An empty core and a density of 0 leave out their lines, nothing else."""
    inputs = _inputs()
    labels = phantom_labels()
    labels.data[labels.data == 3] = 2
    inputs["segmentation"] = segmentation_from_labels(labels)
    inputs["cell_density"] = Volume(np.zeros(GRID.shape, dtype=np.float32), GRID)

    figure = overview_figure(**inputs)

    assert len([axes for axes in figure.axes if axes.images]) == 6


def test_a_density_on_another_grid_is_refused():
    """A picture never overlays volumes index by index."""
    inputs = _inputs()
    shifted = Grid.axis_aligned(GRID.shape, 4.0, (0.0, 0.0, 0.0))
    inputs["cell_density"] = Volume(inputs["cell_density"].data, shifted)

    with pytest.raises(GridMismatchError, match="density"):
        overview_figure(**inputs)


def test_flair_has_a_row_of_its_own_and_all_panels_one_scale():
    """Nine panels; a millimeter has one length on the page, whatever the plane."""
    inputs = _inputs()
    figure = overview_figure(**inputs, flair=inputs["background"], uncovered=inputs["segmentation"].whole_tumor)

    panels = [axes for axes in figure.axes if axes.images]
    inches = figure.get_size_inches()
    scales = [
        axes.get_position().size * inches / np.array([np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())])
        for axes in panels
    ]
    assert len(panels) == 9
    np.testing.assert_allclose(scales, np.full((9, 2), scales[0][0]), rtol=1e-6)
    assert figure.legends[0].get_texts()[-1].get_text() == "not covered (hatched)"


def test_the_density_fades_and_never_hides_the_anatomy():
    """Its opacity rises from nothing at 0, and stays below two thirds at 1."""
    for scale in (DENSITY, *POSTERIOR_SCALES.values()):
        opacity = scale.for_figures()(np.linspace(0.0, 1.0, 200))[:, 3]
        assert opacity[0] == 0.0
        assert np.all(np.diff(opacity) >= 0.0)
        assert opacity[1] < 0.05
        assert opacity[-1] == pytest.approx(MOST_OPAQUE)
        assert MOST_OPAQUE < 2 / 3
        assert scale.table()[0, 3] == 0


def test_long_titles_are_broken_to_fit():
    """No text is wider than the page."""
    inputs = {**_inputs(), "title": "a very long name of a patient " * 12}
    figure = overview_figure(**inputs, verdict="Verdict: check before use; 2 concerns.", remarks=["word " * 80])
    figure.canvas.draw()

    width = figure.bbox.width
    assert max(text.get_window_extent().x1 for text in figure.texts) <= width
