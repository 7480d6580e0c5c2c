"""The preset ``paper`` of method ``sample``: an entry point of the group ``gliofield.presets``."""

from __future__ import annotations

from gliofield.pipeline.sample_method import SampleSettings
from gliofield_papers.tmcmc.settings import TmcmcSettings


def paper_settings(*, seed: int = 0) -> SampleSettings:
    """The paper's: 2,048 samples of all eleven parameters, one short step each, independent voxels.

    It is biased in eleven dimensions (docs/design/0008-bayes-decisions.md).
    """
    return SampleSettings(
        sampler=TmcmcSettings(seed=seed), pet_model="paper", correlation_length_mm=0.0, max_volume_ml=None
    )
