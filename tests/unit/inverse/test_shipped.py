"""The inverse networks that come with gliofield."""

import numpy as np
import pytest

from gliofield.anatomy import Segmentation
from gliofield.errors import ParameterError
from gliofield.inverse import InversePredictor, read_inverse_header, shipped_checkpoint
from gliofield.inverse.shipped import WEIGHTS_FOLDER

CHECKPOINTS = sorted(WEIGHTS_FOLDER.glob("*.safetensors"))


def test_at_least_one_network_is_shipped():
    """An installation without its weights is broken."""
    assert CHECKPOINTS


def test_another_atlas_has_no_shipped_network():
    """The error names the atlas that has one, and what to do."""
    with pytest.raises(ParameterError, match=r"for the atlas 'mine' .* there are some for 'sri24' .* --checkpoint"):
        shipped_checkpoint("mine", "0" * 64)


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_a_shipped_network_is_found_by_its_atlas_and_fits_the_pipeline(path):
    """Its training covers the thresholds that the pipeline takes masks to be made at, 0.6 and 0.2."""
    header = read_inverse_header(path)
    observation = header.settings.observation

    assert shipped_checkpoint(header.origin.atlas_name, header.origin.atlas_hash) == path
    assert observation.t1gd_thresholds[0] <= 0.6 <= observation.t1gd_thresholds[1]
    assert observation.flair_thresholds[0] <= 0.2 <= observation.flair_thresholds[1]


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("center_mm", [(-35.0, 10.0, 40.0), (35.0, -20.0, 45.0)], ids=["left", "right"])
def test_a_shipped_network_sees_where_and_how_large_a_tumor_is(path, center_mm):
    """Of two balls: the seed near their center; a wider rim means a longer diffusion length."""
    pytest.importorskip("torch")
    predictor = InversePredictor(path, device="cpu")
    grid = predictor.header.origin.grid
    middle = np.array(grid.center_mm) + [center_mm[0], center_mm[1], 0.0]
    distance = np.linalg.norm(grid.world_of(np.moveaxis(np.indices(grid.shape), 0, -1)) - middle, axis=-1)
    narrow, wide = predictor.predict_many(
        [Segmentation(tumor_core=distance < 14.0, whole_tumor=distance < rim, grid=grid) for rim in (18.0, 28.0)]
    )

    assert np.linalg.norm(np.array(narrow.seed_mm) - middle) < 15.0
    assert wide.rates.mu1_mm > 1.2 * narrow.rates.mu1_mm
    assert not narrow.clamped
