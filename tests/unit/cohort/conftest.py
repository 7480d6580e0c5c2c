"""What tests of cohorts share."""

import pytest
from cohort_phantoms import StandIn
from phantom_brain import write_phantom_atlas


@pytest.fixture(scope="session")
def atlas_folder(tmp_path_factory):
    """The phantom as an atlas folder."""
    return write_phantom_atlas(tmp_path_factory.mktemp("atlas") / "phantom")


@pytest.fixture
def stand_in(monkeypatch):
    """Works on patients in place of the pipeline."""
    return StandIn(monkeypatch)
