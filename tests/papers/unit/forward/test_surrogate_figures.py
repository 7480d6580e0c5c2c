"""Figures of ``gliofield papers surrogate``, drawn from made-up results."""

import dataclasses

import numpy as np
import pytest
from made_up_evaluations import surrogate_evaluation, tumor_at_times

from gliofield_papers.forward.figures import (
    surrogate_dice_figure,
    surrogate_errors_figure,
    surrogate_loss_figure,
    surrogate_times_figure,
)
from gliofield_papers.forward.tables import surrogate_record

NAMES = ("first.safetensors", "second.safetensors")


def means_of(axes):
    """Words of a panel's legend."""
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_errors_have_a_panel_per_tissue_with_the_means_marked():
    """The number of tumors with a value beside each mean; in CSF of the network alone, for the model has none."""
    figure = surrogate_errors_figure(surrogate_evaluation([0.2, 0.4, float("nan")], NAMES))

    assert [axes.get_title() for axes in figure.axes] == ["white matter", "gray matter", "CSF, network alone"]
    assert means_of(figure.axes[0]) == ["mean 0.070 (2)"] * 2
    assert means_of(figure.axes[2]) == ["mean 0.030 (3)"] * 2
    assert figure.axes[0].lines[0].get_xdata()[0] == pytest.approx(0.07)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first (small)", "second (small)"]


def test_histograms_hold_all_tumors():
    """Shares add up to 100 %, the greatest error included."""
    figure = surrogate_errors_figure(surrogate_evaluation([0.0, 0.5, 0.6, 0.9], NAMES))

    for patch in figure.axes[0].patches:
        assert np.sum(patch.get_data().values) == pytest.approx(100.0)


def test_dice_has_a_panel_per_level_with_the_mean_of_the_paper():
    """0.2, 0.4, 0.8 of the network alone, as published, and of the model; from 0 to 1 whatever the values."""
    figure = surrogate_dice_figure(surrogate_evaluation([0.2, 0.4]))

    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [f"{whose}, above {level:g}" for whose in ("network alone", "model") for level in (0.2, 0.4, 0.8)]
    assert [means_of(axes)[-1] for axes in figure.axes[:3]] == ["paper 0.821", "paper 0.813", "paper 0.815"]
    assert all(len(means_of(axes)) == 1 for axes in figure.axes[3:])
    assert all(axes.get_xlim() == (0.0, 1.0) for axes in figure.axes)


def test_losses_have_two_curves_per_surrogate():
    """Training and validation over the epochs."""
    (axes,) = surrogate_loss_figure(surrogate_evaluation([0.5], NAMES)).axes

    assert [line.get_ydata().tolist() for line in axes.lines] == [[1.0, 0.5], [2.0, 1.0]] * 2
    assert means_of(axes)[:2] == ["first (small), training", "first (small), validation"]


def test_times_have_a_row_for_the_solver_and_two_per_surrogate():
    """A column per time; Dice below each prediction; two color bars."""
    figure = surrogate_times_figure(surrogate_evaluation([0.5], NAMES), tumor_at_times(NAMES))
    panels = [axes for axes in figure.axes if axes.images]

    assert len(panels) == 5 * 3
    assert [axes.get_title() for axes in panels[:3]] == ["50 days", "100 days", "150 days"]
    assert [axes.texts[-1].get_text() for axes in panels[3:6]] == ["no tumor", "Dice 0.50", "Dice 0.75"]
    assert len(figure.axes) - len(panels) == 2


def test_differences_are_drawn_around_zero():
    """Their scale is the greatest, rounded up to a tenth: 0.25 becomes 0.3; and 0.1 at least."""
    evaluation = surrogate_evaluation([0.5])
    for difference, scale in ((0.25, 0.3), (0.0, 0.1)):
        figure = surrogate_times_figure(evaluation, tumor_at_times(NAMES[:1], difference=difference))
        shown = [axes for axes in figure.axes if axes.images][6].images[1]

        assert shown.get_clim() == pytest.approx((-scale, scale))
        assert np.abs(shown.get_array()).max() == pytest.approx(difference)


def test_the_record_leaves_out_single_tumors():
    """What ``--json`` prints stays small; everything else is there."""
    evaluation = surrogate_evaluation([0.2, 0.4])
    (score,) = surrogate_record(evaluation)["scores"]

    fields = {field.name for field in dataclasses.fields(evaluation.scores[0])}
    assert set(score) == fields - {"errors", "network_errors"}
