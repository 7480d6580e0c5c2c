"""A surrogate that knows a few tumors by heart grows what the solver grows, and what its network says."""

import dataclasses

import numpy as np
import pytest
from small_surrogates import phantom, repeated, tiny_surrogate

from gliofield.growth import FisherKolmogorov
from gliofield.learning import Cosine
from gliofield.metrics.overlap import dice
from gliofield_papers.surrogate import (
    LearnedFisherKolmogorov,
    ParameterRanges,
    SurrogateNetworkSettings,
    simulate_samples,
    train_surrogate,
)
from gliofield_papers.surrogate.anatomies import paste_around
from gliofield_papers.surrogate.scaling import scaled_growth

pytest.importorskip("torch")

#: Tumors that are neither a few voxels nor larger than the cube.
RANGES = ParameterRanges(
    white_matter_diffusivity_mm2_per_day=(0.02, 0.06),
    proliferation_rate_per_day=(0.02, 0.03),
    growth_time_days=(300.0, 500.0),
)
NUM_TUMORS, REPEATS = 3, 50


def over_fitted(folder, *, num_tumors, num_epochs):
    """Tumors, and the header of a network that has seen them `REPEATS` times per epoch.

    Validation is on the same tumors, so that the weights are kept that know them best.
    """
    tumors = simulate_samples(
        folder, [phantom()], RANGES, number=num_tumors, part="training", crop_size=8, num_threads=1
    )
    settings = tiny_surrogate(
        network=SurrogateNetworkSettings(crop_size=8, channels=8, num_halvings=1, block_length=1),
        loss="all-regions",
        num_samples=(num_tumors * REPEATS, num_tumors),
        num_epochs=num_epochs,
        batch_size=num_tumors,
        learning_rate=1e-2,
        schedule=Cosine(final_learning_rate=1e-5),
    )
    header = train_surrogate(
        repeated(tumors, REPEATS),
        repeated(tumors, 1, anatomy_name="the same"),
        dataclasses.replace(settings, ranges=RANGES),
        folder / "net.safetensors",
    )
    return tumors, header


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three tumors, their network's header and the model, after 200 batches."""
    folder = tmp_path_factory.mktemp("over-fitted")
    tumors, header = over_fitted(folder, num_tumors=NUM_TUMORS, num_epochs=4)
    return tumors, header, LearnedFisherKolmogorov(checkpoint=str(folder / "net.safetensors"), device="cpu")


def test_a_few_tumors_are_learned_by_heart(trained):
    """The errors inside the tumors, in CSF and in healthy tissue are less than 0.06 in all, of densities up to 1."""
    errors = trained[1].history.best.validation
    assert errors["loss"] < 0.06, errors


@pytest.mark.slow
def test_eight_tumors_are_learned_by_heart(tmp_path):
    """The same for eight, in 1,000 batches: less than 0.04, and less than a tenth of the mean over the first 50."""
    history = over_fitted(tmp_path, num_tumors=8, num_epochs=20)[1].history
    assert history.best.validation["loss"] < min(0.04, history.epochs[0].training["loss"] / 10.0), history


@pytest.mark.parametrize("sample", range(NUM_TUMORS))
def test_it_grows_the_solvers_tumors(trained, sample):
    """Dice above 0.2, in the whole brain, of a tumor it was trained on."""
    tumors, _, model = trained
    draw = tumors.draws[sample]
    grown, expected = (
        one.simulate(tumors.anatomies[draw.anatomy], draw.parameters, [draw.time_days]).cell_density[0]
        for one in (model, FisherKolmogorov())
    )
    assert dice(grown > 0.2, expected > 0.2, if_both_empty=0.0) > 0.9


@pytest.mark.parametrize("sample", range(NUM_TUMORS))
def test_what_it_grows_is_what_its_network_says_of_the_sample(trained, sample):
    """Tissues and scaled growth of the sample as the training gives them, pasted where they were cut out, in tissue."""
    tumors, _, model = trained
    draw = tumors.draws[sample]
    anatomy = tumors.anatomies[draw.anatomy]
    cubes = model.predict_cubes(
        tumors.tissues(sample)[np.newaxis], scaled_growth(tumors.growth(sample)[np.newaxis], RANGES)
    )
    expected = paste_around(cubes, draw.center, anatomy.grid.shape) * anatomy.domain

    grown = model.simulate(anatomy, draw.parameters, [draw.time_days]).cell_density
    np.testing.assert_allclose(grown, expected, atol=1e-6)
    assert expected.max() > 0.2
