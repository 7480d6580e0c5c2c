"""The Bi-half layer: numbers to bits, each bit set for half of a batch.

Of each latent number, the larger half of a batch becomes +1 and the rest −1: the assignment of balanced bits that moves
the numbers least, so every bit carries one bit of information over the batch. Rounding has no derivative; the layer
passes the derivative of its output through, and adds γ (U − B) / (size of the batch × bits), which draws the numbers U
toward their bits B.

References
----------
.. [1] Li, van Gemert (2021), Deep unsupervised image hashing by maximizing bit entropy, AAAI, Eqs. 5-8.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def bi_half(values: Tensor, quantization_weight: float) -> Tensor:
    """Balanced bits ±1 of a batch of numbers, (B, L); of an odd batch one more is −1. Ties go by the row.

    Parameters
    ----------
    values : (B, L) tensor
        U.
    quantization_weight : float
        γ ≥ 0.
    """
    bits: Tensor = _BiHalf.apply(values, quantization_weight)  # type: ignore[no-untyped-call]
    return bits


class _BiHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, quantization_weight: float) -> Tensor:
        order = values.argsort(dim=0, descending=True, stable=True)
        balanced = torch.full_like(values, -1.0)
        balanced[: len(values) // 2] = 1.0
        bits = torch.empty_like(values).scatter_(0, order, balanced)
        ctx.save_for_backward(values, bits)
        ctx.quantization_weight = quantization_weight
        return bits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        values, bits = ctx.saved_tensors
        return gradient + ctx.quantization_weight * (values - bits) / bits.numel(), None
