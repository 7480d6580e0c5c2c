"""What the embedding networks minimize, against the formulas written out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gliofield_papers.indexes.embedding.losses import (  # noqa: E402
    RECONSTRUCTION_LOSS,
    dice_loss,
    kl_divergence,
    reconstruction_dice,
)

EMPTY, FULL = torch.zeros(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)
SURE = 40.0


@pytest.fixture
def volumes():
    """Logits and masks of three volumes."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 1, 4, 4, 4, generator=generator)
    return logits, (torch.rand(3, 1, 4, 4, 4, generator=generator) < 0.3).float()


def test_dice_loss_is_one_minus_the_soft_dice(volumes):
    """Per volume, with 1e-5 in numerator and denominator."""
    logits, masks = (part.double().numpy().reshape(3, -1) for part in volumes)
    shares = 1.0 / (1.0 + np.exp(-logits))
    expected = 1.0 - (2.0 * (shares * masks).sum(1) + 1e-5) / (shares.sum(1) + masks.sum(1) + 1e-5)
    assert dice_loss(*volumes).numpy() == pytest.approx(expected, abs=1e-6)


def test_variants_of_the_dice_loss(volumes):
    """Squares below, and Jaccard J = D / (2 − D) of the same soft overlap."""
    logits, masks = (part.double().numpy().reshape(3, -1) for part in volumes)
    shares = 1.0 / (1.0 + np.exp(-logits))
    shared = (shares * masks).sum(1)
    squared = 1.0 - (2.0 * shared + 1e-5) / ((shares**2).sum(1) + (masks**2).sum(1) + 1e-5)
    overlap = 1.0 - dice_loss(*volumes).numpy()
    assert RECONSTRUCTION_LOSS["dice-squared"](*volumes).numpy() == pytest.approx(squared, abs=1e-6)
    assert RECONSTRUCTION_LOSS["jaccard"](*volumes).numpy() == pytest.approx(1.0 - overlap / (2.0 - overlap), abs=1e-5)


@pytest.mark.parametrize(
    ("logits", "masks", "expected"),
    [(EMPTY - SURE, EMPTY, 0.0), (FULL * SURE, FULL, 0.0), (FULL * SURE, EMPTY, 1.0), (EMPTY - SURE, FULL, 1.0)],
)
def test_dice_loss_of_empty_and_full_masks(logits, masks, expected):
    """Two empty masks agree; one empty mask has nothing in common with a full one."""
    assert dice_loss(logits, masks).item() == pytest.approx(expected, abs=1e-5)


def test_cross_entropy_and_squared_error_are_means_over_voxels(volumes):
    """Against the formulas in float64."""
    logits, masks = (part.double().numpy().reshape(3, -1) for part in volumes)
    shares = 1.0 / (1.0 + np.exp(-logits))
    entropy = -(masks * np.log(shares) + (1 - masks) * np.log(1 - shares)).mean(1)
    assert RECONSTRUCTION_LOSS["bce"](*volumes).numpy() == pytest.approx(entropy, rel=1e-5)
    assert RECONSTRUCTION_LOSS["mse"](*volumes).numpy() == pytest.approx(((shares - masks) ** 2).mean(1), rel=1e-5)


def test_divergence_is_that_of_the_normal_distribution():
    """Against PyTorch's own, summed over the latent numbers."""
    mean, log_variance = torch.tensor([[0.5, -2.0, 0.0]]), torch.tensor([[0.1, -1.0, 0.0]])
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum()
    assert kl_divergence(mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-6)


def test_divergence_of_the_prior_is_zero():
    """N(0, 1) from itself."""
    assert kl_divergence(torch.zeros(2, 5), torch.zeros(2, 5)).tolist() == [0.0, 0.0]


def test_reconstruction_dice_compares_voxels_more_than_half_full():
    """A logit above 0 against a share above one half; two empty masks count as equal."""
    masks = torch.tensor([0.4, 0.6, 1.0, 0.0]).reshape(1, 1, 4, 1, 1)
    logits = torch.tensor([1.0, 1.0, -1.0, -1.0]).reshape(1, 1, 4, 1, 1)
    assert reconstruction_dice(logits, masks).item() == pytest.approx(2 * 1 / (2 + 2))
    assert reconstruction_dice(EMPTY - 1.0, EMPTY).item() == 1.0
    assert reconstruction_dice(FULL, EMPTY).item() == 0.0
