"""What the embedding networks minimize.

Between a mask m and its reconstruction p = sigmoid(logits), per volume:

    dice   1 − (2 Σ p m + ε) / (Σ p + Σ m + ε)     ε = 1e-5, so two empty masks have loss 0
    dice-squared   the same with Σ p² + Σ m² below
    jaccard        1 − (Σ p m + ε) / (Σ p + Σ m − Σ p m + ε)
    bce    mean of −m log p − (1 − m) log(1 − p)
    mse    mean of (p − m)²

and their mean over the batch. The thesis tried "a variation of dice losses" of MONAI without naming them; the two
variants are those that MONAI's DiceLoss offers by an option. A VAE adds β D_KL, the divergence of its latent normal
distribution from N(0, 1), summed over the latent numbers:

    D_KL = ½ Σ (μ² + σ² − log σ² − 1)

The thesis prints a total loss of 0.103 with a Dice part of 0.059 for eight latent numbers and β = 0.001, which only a
sum explains: 44 nats, 5.5 for each.

References
----------
.. [1] Rosier (2022), Image retrieval based brain tumor modeling, sections 3.4.2 (losses), 3.4.3 and 4.1.2 (figures).
.. [2] Kingma, Welling (2014), Auto-encoding variational Bayes, appendix B.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

_SMOOTHING = 1e-5


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Soft Dice loss per volume, (B,)."""
    shares = torch.sigmoid(logits)
    return 1.0 - (2.0 * _sums(shares * masks) + _SMOOTHING) / (_sums(shares) + _sums(masks) + _SMOOTHING)


def squared_dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Soft Dice loss with squares in the denominator per volume, (B,)."""
    shares = torch.sigmoid(logits)
    sizes = _sums(shares.square()) + _sums(masks.square())
    return 1.0 - (2.0 * _sums(shares * masks) + _SMOOTHING) / (sizes + _SMOOTHING)


def jaccard_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Soft Jaccard loss per volume, (B,)."""
    shares = torch.sigmoid(logits)
    shared = _sums(shares * masks)
    return 1.0 - (shared + _SMOOTHING) / (_sums(shares) + _sums(masks) - shared + _SMOOTHING)


def cross_entropy_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy per volume, (B,)."""
    return binary_cross_entropy_with_logits(logits, masks, reduction="none").flatten(1).mean(1)


def squared_error_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean squared error per volume, (B,)."""
    return (torch.sigmoid(logits) - masks).square().flatten(1).mean(1)


RECONSTRUCTION_LOSS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dice": dice_loss,
    "dice-squared": squared_dice_loss,
    "jaccard": jaccard_loss,
    "bce": cross_entropy_loss,
    "mse": squared_error_loss,
}


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, 1) per volume, (B,) [nats]."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1.0).sum(1)


def reconstruction_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice of voxels more than half full with those reconstructed so, per volume, (B,); 1 if both are empty."""
    found, wanted = logits > 0.0, masks > 0.5
    sizes = _sums(found) + _sums(wanted)
    return torch.where(sizes > 0, 2.0 * _sums(found & wanted) / sizes.clamp(min=1), 1.0)


def _sums(values: Tensor) -> Tensor:
    return values.flatten(1).sum(1)
