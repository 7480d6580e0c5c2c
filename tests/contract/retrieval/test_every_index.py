"""Every index of ours keeps the laws that `gliofield.testing` states for any."""

from functools import partial

import pytest

from gliofield.imaging import VisibilityThresholds
from gliofield.retrieval import index_names, open_index
from gliofield.testing import build_phantom_database, check_index
from gliofield_papers.indexes.embedding.settings import EMBEDDING_KINDS

# Those compare samples of the masks, and give the Dice of the samples.
SAMPLING = {name: 0.1 for name in index_names() if name.startswith("ds")}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twelve tumors, some of them twice."""
    return build_phantom_database(tmp_path_factory.mktemp("database") / "tumors")


@pytest.mark.parametrize("name", [name for name in index_names() if name not in EMBEDDING_KINDS])
def test_an_index_keeps_the_laws(database, name):
    """By the name it has on the command line."""
    opened = partial(open_index, name, thresholds=VisibilityThresholds(), num_threads=1)

    check_index(opened, database=database, dice_tolerance=SAMPLING.get(name, 0.0))


@pytest.mark.parametrize("name", EMBEDDING_KINDS)
def test_an_index_of_a_network_keeps_the_laws(database, name, tmp_path):
    """Trained for a moment; different tumors may have one hash."""
    pytest.importorskip("torch")
    from small_embeddings import train_tiny

    checkpoint = train_tiny(database, name, tmp_path / "net.safetensors", num_tumors=(8, 4))
    opened = partial(
        open_index, name, thresholds=VisibilityThresholds(), checkpoint=checkpoint, device="cpu", num_threads=1
    )

    check_index(opened, database=database, codes_may_collide=name == "hash")
