"""What tests of the command line share."""

import pytest
from phantom_brain import write_phantom_atlas


@pytest.fixture(scope="module")
def atlas_folder(tmp_path_factory):
    """The phantom as an atlas folder."""
    return write_phantom_atlas(tmp_path_factory.mktemp("atlas") / "phantom")
