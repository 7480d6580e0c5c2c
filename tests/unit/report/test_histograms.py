"""Histograms of one number over many tumors."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from gliofield.report.histograms import Reference, bin_edges, draw_histogram


@pytest.mark.parametrize("has_log_axis", [False, True])
def test_the_edges_span_all_values(has_log_axis):
    """From the least to the greatest, in equal steps (of equal ratio on a logarithmic axis)."""
    edges = bin_edges(np.array([2.0, 1.0, 16.0]), has_log_axis=has_log_axis, num_bins=4)

    assert edges == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0] if has_log_axis else [1.0, 4.75, 8.5, 12.25, 16.0])


@pytest.mark.parametrize("has_log_axis", [False, True])
@pytest.mark.parametrize("value", [1e-3, 5.0, 1e6])
def test_a_single_value_lies_in_the_middle(has_log_axis, value):
    """Edges rise on both sides of it."""
    edges = bin_edges(np.array([value, value]), has_log_axis=has_log_axis)

    assert np.all(np.diff(edges) > 0)
    assert np.searchsorted(edges, value) == len(edges) // 2


def test_every_value_is_in_a_bin():
    """Also the greatest of values whose logarithms do not come back exactly."""
    values = np.random.default_rng(1).lognormal(size=1000)
    axes = Figure().subplots()

    draw_histogram(axes, values, label="x [mm]", has_log_axis=True)

    assert axes.patches[0].get_data().values.sum() == pytest.approx(100.0)
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "x [mm]"


def test_a_reference_spreads_evenly_within_its_bins():
    """A bin over half of one and all of the next holds half and all of their weights."""
    reference = Reference(edges=np.array([0.0, 1.0, 2.0, 3.0]), weights=np.array([2.0, 1.0, 1.0]))

    assert reference.percent_per_bin(np.array([-1.0, 0.5, 2.0, 5.0])) == pytest.approx([25.0, 50.0, 25.0])


def test_no_value_is_a_remark():
    """Nothing else is drawn."""
    axes = Figure().subplots()

    draw_histogram(axes, np.empty(0), label="core [ml]", has_log_axis=True)

    assert [text.get_text() for text in axes.texts] == ["no tumor has it"]
    assert not axes.patches
