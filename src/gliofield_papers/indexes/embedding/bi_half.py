"""The Bi-half layer: numbers to bits, each bit set for half of a batch.

Of each latent number, the larger half of a batch becomes +1 and the rest −1: the assignment of balanced bits that moves
the numbers least, so every bit carries one bit of information over the batch. Rounding has no derivative; the layer
passes the derivative of its output through. `quantization_loss` draws the numbers U toward their bits B; its derivative
is the term γ (U − B) / (size of the batch × bits) of the paper.

References
----------
.. [1] Li, van Gemert (2021), Deep unsupervised image hashing by maximizing bit entropy, AAAI, Eqs. 5-8.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def bi_half(values: Tensor) -> Tensor:
    """Balanced bits ±1 of a batch of numbers, (B, L); of an odd batch one more is −1. Ties go by the row."""
    bits: Tensor = _BiHalf.apply(values)  # type: ignore[no-untyped-call]
    return bits


def signs(values: Tensor) -> Tensor:
    """+1 where a number is positive, −1 elsewhere."""
    return torch.where(values > 0, 1.0, -1.0).to(values.dtype)


def quantization_loss(values: Tensor, bits: Tensor) -> Tensor:
    """½ mean (U − B)² over a batch of numbers and its bits, (B, L) each."""
    return 0.5 * (values - bits.detach()).square().mean()


class _BiHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        order = values.argsort(dim=0, descending=True, stable=True)
        balanced = torch.full_like(values, -1.0)
        balanced[: len(values) // 2] = 1.0
        return torch.empty_like(values).scatter_(0, order, balanced)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient
