"""What one map of a virtual case is scored by, counted by hand."""

import math

import pytest
from volume_rows import row, tumor_of

from gliofield_evaluation.scoring.case_scorer import density_error


def test_the_density_error_is_a_mean_outside_the_core():
    """|0.3 − 0.8| and |0.05 − 0|, not in the core, not where both are below 0.01."""
    truth = tumor_of(cell_density=row(v3=1.0, v5=0.8, v9=0.009))
    found = row(v3=0.1, v5=0.3, v7=0.05, v9=0.002)

    assert density_error(found, truth) == pytest.approx((0.5 + 0.05) / 2)
    assert math.isnan(density_error(row(v3=1.0), tumor_of(cell_density=row(v3=0.5))))
    assert truth.cells_ml(found) == pytest.approx((0.3 + 0.05 + 0.002) * 0.002)
