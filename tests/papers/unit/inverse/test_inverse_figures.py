"""Figures of ``gliofield papers inverse``, drawn from made-up results."""

import numpy as np
import pytest
from made_up_evaluations import inverse_evaluation, method_answer
from phantom_brain import phantom_atlas

from gliofield.imaging import VisibilityThresholds
from gliofield.resample import resample, resample_mask
from gliofield.volume import Volume
from gliofield_papers.inverse.figures import dice_levels_figure, pairs_figure

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))
METHODS = ("query", "joint.safetensors")


def drawn(answers):
    """The figure of answers over the phantom."""
    return pairs_figure(
        answers,
        background=resample(ATLAS.t1, GRID),
        brain=resample_mask(Volume(ATLAS.tissue_maps.brain, ATLAS.grid), GRID).data,
        thresholds=VisibilityThresholds(),
    )


def panels_of(figure):
    """Axes that show the brain, row by row; the color bar is none."""
    return [axes for axes in figure.axes if axes.images]


def captions_of(axes):
    """Words at a panel."""
    return [text.get_text() for text in axes.texts]


def test_dice_is_a_line_per_network_over_all_levels():
    """Means in the order of the levels, NaN where no tumor has a value; a band each; names without their suffix."""
    (axes,) = dice_levels_figure(inverse_evaluation(("a.safetensors", "b.safetensors"))).axes

    means = [line for line in axes.lines if line.get_marker() == "o"]

    assert [line.get_label() for line in means] == ["a (small): {μ1, μ2, x}", "b (small): {μ1, μ2, x}"]
    assert len(axes.collections) == 2
    values = means[0].get_ydata()
    np.testing.assert_allclose(values[:-1], np.linspace(0.8, 0.2, 13)[:-1])
    assert np.isnan(values[-1])
    assert [label.get_text() for label in axes.get_xticklabels()][0::6] == ["0.001", "0.25", "0.95"]


def test_the_band_spans_the_percentiles():
    """5th and 95th of two values 0.2 apart."""
    (axes,) = dice_levels_figure(inverse_evaluation()).axes
    first_level = [y for x, y in axes.collections[0].get_paths()[0].vertices if x == 0.0]

    assert (min(first_level), max(first_level)) == pytest.approx((0.71, 0.89))


def test_there_is_a_row_per_query_and_a_column_for_masks_and_each_method():
    """Dice below each density, the group and the place of the slice below the masks."""
    figure = drawn([method_answer(query, method) for query in ("one", "two", "three") for method in METHODS])
    panels = panels_of(figure)

    assert len(panels) == 3 * 3
    assert [axes.get_title() for axes in panels[:3]] == ["masks", "query", "joint"]
    assert [text.get_text() for text in figure.texts][:3] == ["one", "two", "three"]
    assert captions_of(panels[0])[-1].startswith("real, z = ")
    assert all("Dice 0.25 + 0.75" in captions_of(panels[number]) for number in (1, 2, 4, 5))


def test_densities_are_painted_and_masks_outlined():
    """The panel of the masks has an image and two outlines; those of answers a density and its isolines besides."""
    masks, answer, _ = panels_of(drawn([method_answer("one", method) for method in METHODS]))

    assert (len(masks.images), len(masks.collections)) == (1, 2)
    assert (len(answer.images), len(answer.collections)) == (2, 4)


def test_the_right_of_the_patient_is_on_the_left():
    """As in gliofield's other pictures: density at low x lies at the right edge of the page."""
    answer = method_answer("one", "query")
    density = np.zeros((28, 34, 1), np.float32)
    density[:14] = 0.5
    answer.axial_slice.cell_density[...] = density
    page = np.ma.filled(panels_of(drawn([answer]))[1].images[1].get_array(), 0.0)

    assert page[:, -3].max() == 0.5
    assert page[:, 2].max() == 0.0


def test_a_failure_says_so_in_its_cell():
    """The reason inside, cut where it is too long, and no density."""
    failed = method_answer("one", "joint.safetensors", failure="no tumor like this " * 30)
    _, _, panel = panels_of(drawn([method_answer("one", "query"), failed]))

    assert len(panel.images) == 1
    assert "failed" in captions_of(panel)
    inside = next(text for text in captions_of(panel) if text != "failed")
    assert inside.replace("\n", " ").startswith("no tumor like this no tumor")
    assert len(inside) < 160


def test_a_page_of_failures_alone_has_no_color_bar():
    """There is nothing to read off it."""
    figure = drawn([method_answer("one", "query", failure="empty")])

    assert len(figure.axes) == len(panels_of(figure)) == 2


def test_without_slices_there_is_no_figure():
    """Answers that kept none, and no answers."""
    assert drawn([method_answer("one", "query", has_slice=False)]) is None
    assert drawn([]) is None
