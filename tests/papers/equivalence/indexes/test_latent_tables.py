"""Exact nearest latents: matrix product and bit counts against measuring every tumor in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gliofield_papers.indexes.embedding.latent_tables import BitTable, LatentTable, pack_bits


def _plain(latents, query, k):
    """Every tumor measured, sorted by distance, ties by number."""
    distances = sum(
        np.linalg.norm(latents[:, column].astype(np.float64) - vector.astype(np.float64), axis=1)
        for column, vector in enumerate(query)
    )
    order = np.argsort(distances, kind="stable")[:k]
    return order, distances[order]


def _segments(latents, sizes=(7, 1)):
    """The rows cut into segments of unequal size."""
    parts = np.split(latents, np.cumsum(sizes)[np.cumsum(sizes) < len(latents)])
    return [{"flair": part[:, 0].copy(), "t1gd": part[:, 1].copy()} for part in parts]


@pytest.mark.parametrize("num_modalities", [1, 2])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 70), st.integers(1, 20), st.sampled_from([0, 1, 1e4]))
def test_the_nearest_are_those_of_measuring_all(num_modalities, seed, num_tumors, length, k, offset):
    """Same tumors in the same order at the same distances; far from the origin as well, where products round most."""
    rng = np.random.default_rng(seed)
    # Rounded to few values, so that distances tie.
    latents = (rng.integers(-2, 3, (num_tumors, 2, length)) + offset).astype(np.float32)
    query = (rng.integers(-2, 3, (num_modalities, length)) + offset).astype(np.float32)
    tumors, distances = LatentTable(_segments(latents)).nearest(query, k)
    expected, expected_distances = _plain(latents, query, k)
    assert distances == pytest.approx(expected_distances, rel=1e-12, abs=1e-12)
    assert tumors.tolist() == expected.tolist()


def test_vectors_that_differ_in_the_last_bit_keep_their_order():
    """The float32 product cannot tell them apart; measuring again can."""
    base = np.full((1, 2, 1000), 123.456, dtype=np.float32)
    latents = np.repeat(base, 5, axis=0)
    for tumor in range(5):
        latents[tumor, 0, 0] = np.float32(123.456) + (5 - tumor) * np.spacing(np.float32(123.456))
    tumors, distances = LatentTable(_segments(latents)).nearest(base[0], 5)
    assert tumors.tolist() == [4, 3, 2, 1, 0]
    assert np.all(np.diff(distances) > 0)


@pytest.mark.parametrize("num_modalities", [1, 2])
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 200), st.integers(1, 20))
def test_bits_are_ranked_as_vectors_of_plus_and_minus_one(num_modalities, seed, num_tumors, length, k):
    """2 √(differing bits) is the Euclidean distance of the codes."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([-1.0, 1.0], (num_tumors, 2, length)).astype(np.float32)
    query = rng.choice([-1.0, 1.0], (num_modalities, length)).astype(np.float32)
    packed = [
        {"flair": pack_bits(segment["flair"]), "t1gd": pack_bits(segment["t1gd"])} for segment in _segments(codes)
    ]
    tumors, distances = BitTable(packed).nearest(query, k)
    expected, expected_distances = _plain(codes, query, k)
    assert distances == pytest.approx(expected_distances, rel=1e-12, abs=1e-12)
    assert tumors.tolist() == expected.tolist()


def test_bits_beyond_the_code_are_zero():
    """65 bits take two words; the second has one bit."""
    packed = pack_bits(np.ones((2, 65), dtype=np.float32))
    assert packed.shape == (2, 2)
    assert np.bitwise_count(packed).sum(axis=1).tolist() == [65, 65]
