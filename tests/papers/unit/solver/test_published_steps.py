"""Growth model ``published``: databases in the time steps of the published solver."""

import numpy as np
from phantom_brain import phantom_atlas

from gliofield.database import ClinicalDesign, LocalWorkers, build_database, named_model, recorded_model
from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters
from gliofield_papers.solver.published_steps import PublishedFisherKolmogorov

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=5.0, shape=(28, 34, 26))


def test_it_takes_the_published_steps():
    """What the solver gives with that scheme, which lags behind the converged one where ρ is large."""
    anatomy = ATLAS.anatomy(GRID)
    place = np.argwhere(anatomy.domain)[anatomy.domain.sum() // 2]
    tumor = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=0.05,
        proliferation_rate_per_day=0.2,
        seed_mm=tuple(float(x) for x in GRID.world_of(place)),
    )

    published = PublishedFisherKolmogorov().simulate(anatomy, tumor, [200.0])

    own = FisherKolmogorov(scheme="published").simulate(anatomy, tumor, [200.0])
    np.testing.assert_array_equal(published.cell_density, own.cell_density)
    assert published.volume_ml(0.2)[0] < 0.9 * FisherKolmogorov().simulate(anatomy, tumor, [200.0]).volume_ml(0.2)[0]


def test_a_database_is_built_by_its_name_and_grows_again(tmp_path):
    """It records the model; draws are not screened by the converged solver, so every one is simulated."""
    database = build_database(
        tmp_path / "db",
        num_tumors=2,
        design=ClinicalDesign(whole_volume_ml=(3.0, 900.0)),
        atlas=ATLAS,
        grid=GRID,
        model=named_model("published"),
        workers=LocalWorkers(1),
    )

    model = recorded_model(database.header.model, source="db")
    parameters, time_days = database.growth_of(1)
    grown = model.simulate(ATLAS.anatomy(GRID), parameters, [time_days])

    assert isinstance(model, PublishedFisherKolmogorov)
    assert grown.times_days[0] == time_days
    assert np.abs(grown.cell_density[0] - database.cell_density(1)).max() < 1 / 255
