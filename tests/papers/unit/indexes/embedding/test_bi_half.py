"""The Bi-half layer: balanced bits, and the derivative it passes on."""

import pytest

torch = pytest.importorskip("torch")

from gliofield_papers.indexes.embedding.bi_half import bi_half, quantization_loss  # noqa: E402


def test_the_larger_half_of_each_column_becomes_plus_one():
    """Whatever the signs of the numbers."""
    values = torch.tensor([[1.0, -4.0], [2.0, -3.0], [3.0, -1.0], [4.0, -2.0]])
    assert bi_half(values).tolist() == [[-1, -1], [-1, -1], [1, 1], [1, 1]]


def test_every_bit_is_balanced_over_an_even_batch():
    """Each column sums to 0."""
    values = torch.randn(8, 50, generator=torch.Generator().manual_seed(0)) + 3.0
    assert bi_half(values).sum(0).abs().max().item() == 0.0


def test_of_an_odd_batch_one_more_is_minus_one():
    """A single row is all −1."""
    assert bi_half(torch.tensor([[3.0], [1.0], [2.0]])).flatten().tolist() == [1.0, -1.0, -1.0]
    assert bi_half(torch.tensor([[5.0, 6.0]])).tolist() == [[-1.0, -1.0]]


def test_equal_numbers_are_split_by_row():
    """The first rows get +1."""
    assert bi_half(torch.zeros(4, 1)).flatten().tolist() == [1.0, 1.0, -1.0, -1.0]


@pytest.mark.parametrize("weight", [0.0, 6.0])
def test_the_derivative_passes_through_and_draws_toward_the_bits(weight):
    """dL/dU = dL/dB + γ (U − B) / number of bits, the term of the paper's Eq. 8."""
    values = torch.tensor([[0.5, 2.0], [-0.25, 3.0]], requires_grad=True)
    bits = bi_half(values)
    slopes = torch.tensor([[1.0, -2.0], [0.5, 4.0]])
    ((bits * slopes).sum() + weight * quantization_loss(values, bits)).backward()
    expected = slopes + weight * (values.detach() - bits.detach()) / 4
    assert torch.allclose(values.grad, expected)
