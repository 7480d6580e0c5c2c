"""The scheme ``published`` against runs of the published solver on its own domain.

The two runs are those of the published simulation logs; their voxel counts come from an independent
re-implementation that reproduced the logged times and the one logged Dice.
"""

import numpy as np
import pytest
from growth_phantoms import anatomy_of

from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, seed_density
from gliofield.units import mm2_per_day_from_cm2_per_day

CUBE_MM = 229.0
SEED_MM = tuple(CUBE_MM * fraction for fraction in (0.39078, 0.4081, 0.63007))
LEVELS = (0.1, 0.2, 0.5, 0.7, 0.95)
RUNS = {
    "A": (0.004109589, 0.102739726, 155.7333, 122, 156.782, 0.99997, (20990, 18336, 13865, 11198, 5923)),
    "B": (0.001409002, 0.011986301, 1022.0, 273, 1023.26, 0.9973, (32591, 26819, 17523, 12571, 3454)),
}


@pytest.fixture(scope="module")
def published(shared_data):
    """The published domain (node 128 repeats node 0) and the initial density stored with it."""
    stored = np.load(shared_data / "golden" / "lmi_solver_domain_129.npz")
    white, gray, initial = (stored[key][:128, :128, :128] for key in ("pw", "pg", "phi0"))
    return anatomy_of(white, white + gray > 0, CUBE_MM / 128), initial


def run(anatomy, name):
    """One of the two runs."""
    diffusivity_cm2, rho, time = RUNS[name][:3]
    parameters = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=mm2_per_day_from_cm2_per_day(diffusivity_cm2),
        proliferation_rate_per_day=rho,
        seed_mm=SEED_MM,
    )
    return FisherKolmogorov(scheme="published").simulate(anatomy, parameters, [time])


@pytest.mark.parametrize("name", RUNS)
def test_a_published_run_is_reproduced(published, name):
    """Steps, end time and maximum as printed; voxel counts at five levels within 0.1 %."""
    num_steps, end_time, maximum, counts = RUNS[name][3:]

    solution = run(published[0], name)

    density = solution.cell_density[0]
    assert solution.num_steps == num_steps
    assert solution.times_days[0] == pytest.approx(end_time, abs=0.005)
    assert density.max() == pytest.approx(maximum, abs=5e-5)
    assert [np.count_nonzero(density >= level) for level in LEVELS] == pytest.approx(counts, rel=1e-3)


def test_the_two_runs_overlap_as_the_authors_report(published):
    """Dice of A ≥ 0.7 and B ≥ 0.75: 0.941 (authors 0.94)."""
    a = run(published[0], "A").cell_density[0] >= 0.7
    b = run(published[0], "B").cell_density[0] >= 0.75

    assert 2 * np.count_nonzero(a & b) / (a.sum() + b.sum()) == pytest.approx(0.941, abs=0.001)


def test_the_seed_is_that_of_the_published_solver(published):
    """A stored initial density is met to float32 rounding once its (unrecorded) center is fitted."""
    anatomy, initial = published
    center = tuple(CUBE_MM * fraction for fraction in (0.31113499, 0.456141, 0.21526))

    np.testing.assert_allclose(seed_density(anatomy, center), initial, atol=5e-7)
