"""Index ``random-projection``: distances of projected samples, and a control that learned nothing."""

import numpy as np
import pytest
from growing_ball import build_balls
from retrieval_fakes import queries_of

from gliofield.imaging import Observation
from gliofield_papers.indexes.downsampling import sample
from gliofield_papers.indexes.random_projection import NUM_SAMPLES, RandomProjectionIndex


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Of twenty balls."""
    folder = tmp_path_factory.mktemp("projection")
    return RandomProjectionIndex.open(build_balls(folder / "db", num_tumors=20), folder=folder / "cache", num_threads=1)


def test_a_tumor_of_the_database_finds_itself_at_no_distance(index):
    """Whatever the matrix."""
    levels, at = index.database.density_levels(7), index.database.header.threshold_levels
    query = Observation(
        grid=index.database.header.grid,
        tumor_core=levels > at["t1gd"],
        whole_tumor=levels > at["flair"],
        thresholds=index.database.header.thresholds,
    )

    hit = index.search(query, 1).hits[0]

    assert hit.distance == pytest.approx(0.0, abs=1e-9)
    assert hit.dice_flair == 1.0


def test_distances_are_those_of_the_samples_within_some_per_cent(index):
    """‖P a‖ ≈ √L ‖a‖ for 1,024 outputs: a relative spread of 1/√(2 L) = 0.022 each, both modalities added."""
    query = queries_of(index.database, ("real",)).packed.query(0)
    tumors, distances = index.nearest(query, 20)
    masks = (query.whole_tumor, query.tumor_core)
    at = index.database.header.threshold_levels

    def changed(tumor):
        levels = index.database.density_levels(int(tumor))
        pairs = zip(masks, (levels > at["flair"], levels > at["t1gd"]), strict=True)
        return sum(
            np.sqrt(
                np.count_nonzero(sample(own.view(np.uint8), NUM_SAMPLES) != sample(other.view(np.uint8), NUM_SAMPLES))
            )
            for own, other in pairs
        )

    plain = np.array([changed(tumor) for tumor in tumors])

    differ = plain > 0
    assert np.count_nonzero(differ) > 10
    assert distances[differ] / plain[differ] / 32.0 == pytest.approx(1.0, abs=0.12)
    assert np.all(np.diff(distances) >= 0)
