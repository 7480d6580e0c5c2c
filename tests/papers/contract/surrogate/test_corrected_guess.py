"""A surrogate that corrects a physical guess: it keeps the laws of growth models, and untrained it is the guess."""

import numpy as np
import pytest
from small_surrogates import phantom, tiny_samples, tiny_surrogate

from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorovParameters
from gliofield.testing import check_growth_model
from gliofield_papers.forward.checkpoints import GUESS_ALONE, load_surrogates, surrogate_names
from gliofield_papers.forward.evaluation import evaluate_surrogate
from gliofield_papers.forward.tables import surrogate_report
from gliofield_papers.surrogate import LearnedFisherKolmogorov, SurrogateNetworkSettings, train_surrogate

torch = pytest.importorskip("torch")

from gliofield_papers.surrogate.network import make_network  # noqa: E402

NETWORK = SurrogateNetworkSettings(crop_size=8, channels=4, num_halvings=1, block_length=2, corrects_guess=True)
PARAMETERS = FisherKolmogorovParameters(
    white_matter_diffusivity_mm2_per_day=0.06, proliferation_rate_per_day=0.02, seed_mm=(-12.0, 8.0, 3.0)
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A surrogate that has learned a little."""
    folder = tmp_path_factory.mktemp("model")
    settings = tiny_surrogate(network=NETWORK, loss="per-tumor", num_epochs=5)
    samples = tiny_samples(folder, settings), tiny_samples(folder, settings, part="validation")
    train_surrogate(*samples, settings, folder / "net.safetensors")
    return folder / "net.safetensors"


@pytest.mark.parametrize("guess_only", [False, True])
def test_it_keeps_the_laws_of_growth_models(checkpoint, guess_only):
    """Anything that takes a solver takes it, and the guess alone."""
    model = LearnedFisherKolmogorov(checkpoint=str(checkpoint), device="cpu", guess_only=guess_only)
    check_growth_model(model, PARAMETERS, anatomy=phantom(), times_days=(100.0, 900.0), may_shrink=True)


def test_training_lowers_the_loss(checkpoint):
    """Of training, from the guess's own."""
    first, *_, last = LearnedFisherKolmogorov(checkpoint=str(checkpoint), device="cpu").header.history.epochs
    assert last.training["loss"] < first.training["loss"]


def test_untrained_it_is_the_guess(rng):
    """Its last layer starts at 0."""
    network = make_network(NETWORK, seed=0)
    guess = torch.from_numpy(rng.normal(size=(2, 1, 8, 8, 8)).astype(np.float32))
    torch.testing.assert_close(network(torch.rand(2, 3, 8, 8, 8), torch.rand(2, 3), guess), guess.sigmoid())


def test_the_guess_alone_is_a_row_of_the_report(checkpoint, tmp_path):
    """Last, under its name, by no loss; the samples' guess is that of the growth model."""
    models = load_surrogates([checkpoint], device="cpu")
    tests = tiny_samples(tmp_path, part="test", anatomies=[phantom(2)], number=6)
    report = surrogate_report(evaluation := evaluate_surrogate(tests, models, num_timed=1))
    draw = tests.draws[0]
    grown = models[1].simulate(tests.anatomies[0], draw.parameters, draw.time_days).cell_density[0]

    assert surrogate_names(models) == ("net.safetensors", GUESS_ALONE)
    assert [score.loss for score in evaluation.scores] == ["per-tumor", "none"]
    assert f"| {GUESS_ALONE} |" in report
    seed_voxel = tests.guess(0)[4, 4, 4]
    np.testing.assert_allclose(grown[draw.center], 1.0 / (1.0 + np.exp(-seed_voxel)), rtol=1e-4)


def test_a_network_that_corrects_nothing_has_no_guess(tmp_path):
    """The faithful network has no control of this kind."""
    settings = tiny_surrogate(num_epochs=1)
    samples = tiny_samples(tmp_path, settings), tiny_samples(tmp_path, settings, part="validation")
    train_surrogate(*samples, settings, tmp_path / "net.safetensors")

    with pytest.raises(ParameterError, match="corrects no guess"):
        LearnedFisherKolmogorov(checkpoint=str(tmp_path / "net.safetensors"), guess_only=True)
