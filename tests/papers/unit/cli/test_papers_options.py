"""Names and presets that the papers' commands show are those of the papers' library."""

import pytest

from gliofield_papers.cli import options


def test_the_names_to_choose_from_are_those_of_the_library():
    """They stand twice, because asking the library would take seconds; here both are equal."""
    from gliofield_papers.indexes.embedding.settings import EMBEDDING_KINDS, MODALITIES, RECONSTRUCTION_LOSSES
    from gliofield_papers.retrieval.strategies import CLASSICAL_NAMES
    from gliofield_papers.surrogate.config import SURROGATE_LOSSES

    assert options.NETWORK_INDEXES == EMBEDDING_KINDS
    assert options.CLASSICAL_INDEXES == CLASSICAL_NAMES
    assert options.LOSSES == RECONSTRUCTION_LOSSES
    assert options.MODALITIES == MODALITIES
    assert options.SURROGATE_LOSSES == SURROGATE_LOSSES


@pytest.mark.parametrize("kind", options.PRESETS)
def test_the_presets_in_the_help_are_those_of_the_settings(kind):
    """Epochs, samples per batch and learning rate of the papers' preset and of --small."""
    from gliofield_papers.indexes.embedding import EmbeddingSettings
    from gliofield_papers.surrogate import SurrogateSettings

    settings, arguments = (SurrogateSettings, ()) if kind == "surrogate" else (EmbeddingSettings, (kind,))
    papers, small = settings.papers(*arguments).training, settings.small(*arguments).training
    shown = options.PRESETS[kind]

    assert shown == {name: (getattr(papers, name), getattr(small, name)) for name in shown}
