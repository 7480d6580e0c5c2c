"""Use of trained inverse networks: predictions, spread, what is clamped, what is refused."""

import numpy as np
import pytest
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.anatomy import Segmentation
from gliofield.errors import CheckpointError, DatabaseError, GridMismatchError, SegmentationError
from gliofield.grid import Grid
from gliofield.growth.parameters import SEED_NAMES
from gliofield.inverse import InversePredictor, TargetSettings, read_inverse_header
from gliofield.learning import read_checkpoint
from gliofield_training import write_checkpoint
from gliofield_training.inverse import train_inverse

torch = pytest.importorskip("torch")

GRID = FewBalls().origin.grid


def segmentation(core_radius=3.0, whole_radius=5.0, grid=GRID):
    middle = (np.array(grid.shape) - 1) / 2
    distance = np.linalg.norm(np.moveaxis(np.indices(grid.shape), 0, -1) - middle, axis=-1)
    return Segmentation(tumor_core=distance < core_radius, whole_tumor=distance < whole_radius, grid=grid)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Networks of each kind, hardly trained."""
    folder = tmp_path_factory.mktemp("networks")
    kinds = {
        "joint": tiny_inverse(),
        "separate": tiny_inverse(targets=TargetSettings(is_joint=False)),
        "rates": tiny_inverse(targets=TargetSettings(growth="rates", scale="log")),
        "ensemble": tiny_inverse(num_members=3),
    }
    made = {}
    for name, settings in kinds.items():
        made[name] = folder / f"{name}.safetensors"
        train_inverse(FewBalls(6), settings, made[name])
    return made


def predictor(path):
    return InversePredictor(path, device="cpu")


@pytest.mark.parametrize("kind", ["joint", "separate", "rates", "ensemble"])
def test_a_prediction_says_rates_and_seed_within_the_trained_ranges(paths, kind):
    """Every target is there; the rates agree with the targets."""
    header = read_inverse_header(paths[kind])
    prediction = predictor(paths[kind]).predict(segmentation())
    for scaling in header.scalings.values():
        for name, (low, high) in zip(scaling.names, scaling.ranges, strict=True):
            assert low * (1 - 1e-9) - 1e-9 <= prediction.targets[name] <= high * (1 + 1e-9) + 1e-9
    assert prediction.seed_mm == tuple(prediction.targets[name] for name in SEED_NAMES)
    if kind == "rates":
        assert prediction.rates.growth_time_days == prediction.targets["growth_time_days"]
    else:
        assert prediction.rates.mu1_mm == pytest.approx(prediction.targets["mu1_mm"])
        assert prediction.rates.mu2 == pytest.approx(prediction.targets["mu2"])


def test_only_an_ensemble_has_a_spread(paths):
    """One number per target, > 0; a single network does not pretend."""
    assert predictor(paths["joint"]).predict(segmentation()).spread == {}
    spread = predictor(paths["ensemble"]).predict(segmentation()).spread
    assert set(spread) == {"mu1_mm", "mu2", *SEED_NAMES}
    assert all(value > 0.0 for value in spread.values())


def test_members_beyond_the_range_still_differ(paths, tmp_path):
    """Clamped before the spread is taken they would seem to agree, just where the answer is least certain."""
    stored = read_checkpoint(paths["ensemble"])
    tensors = {name: torch.zeros_like(tensor) for name, tensor in stored.tensors.items()}
    for member, value in enumerate((1.1, 1.9, 1.4)):
        tensors[f"joint.{member}.linear.bias"] += value
    write_checkpoint(tmp_path / "beyond.safetensors", kind=stored.kind, header=stored.header, tensors=tensors)
    prediction = predictor(tmp_path / "beyond.safetensors").predict(segmentation())
    low, high = read_inverse_header(paths["ensemble"]).scalings["joint"].ranges[0]

    assert prediction.clamped
    assert prediction.spread["mu1_mm"] == pytest.approx(np.std([1.1, 1.9, 1.4], ddof=1) * (high - low) / 2.0, rel=1e-5)


def test_an_ensemble_predicts_the_mean_of_its_members(paths):
    """Of the scaled targets, which are linear here."""
    asked = predictor(paths["ensemble"])
    volumes = asked.header.layout.volume(segmentation().tumor_core, segmentation().whole_tumor)[None, None]
    scaling = asked.header.scalings["joint"]
    scaled = np.mean([asked._scaled(network, volumes) for network in asked._networks["joint"]], axis=0)
    expected, _ = scaling.decode(scaled)
    assert list(asked.predict(segmentation()).targets.values()) == pytest.approx(expected[0].tolist())


def test_many_predictions_are_those_of_each(paths):
    """A batch changes nothing but rounding."""
    asked = predictor(paths["joint"])
    few = [segmentation(), segmentation(2.0, 6.0)]
    for together, alone in zip(asked.predict_many(few), map(asked.predict, few), strict=True):
        assert list(together.targets.values()) == pytest.approx(list(alone.targets.values()), rel=1e-4)


def test_what_lies_outside_the_trained_range_is_named(paths, tmp_path):
    """A network that always answers 2 is clamped in every target."""
    stored = read_checkpoint(paths["joint"])
    tensors = {name: torch.zeros_like(tensor) for name, tensor in stored.tensors.items()}
    tensors["joint.0.linear.bias"] += 2.0
    write_checkpoint(tmp_path / "two.safetensors", kind=stored.kind, header=stored.header, tensors=tensors)
    prediction = predictor(tmp_path / "two.safetensors").predict(segmentation())

    assert prediction.clamped == ("mu1_mm", "mu2", *SEED_NAMES)
    assert prediction.targets["mu1_mm"] == pytest.approx(47.434, abs=1e-3)


def test_masks_on_another_grid_are_refused(paths):
    """Same shape, other place."""
    other = segmentation(grid=Grid.axis_aligned((16, 16, 16), 2.0, (0.0, 0.0, 0.0)))
    with pytest.raises(GridMismatchError, match="grid of the training"):
        predictor(paths["joint"]).predict(other)


def test_a_tumor_without_core_is_refused(paths):
    """The network never saw one; the message says what to do."""
    with pytest.raises(SegmentationError, match="no tumor core.*query"):
        predictor(paths["joint"]).predict(segmentation(core_radius=0.0))


def test_a_core_where_the_network_does_not_look_is_refused(paths, tmp_path):
    """It would answer with a tumor of no masks at all."""
    stored = read_checkpoint(paths["joint"])
    header = {**stored.header, "layout": {"box": [[0, 3], [0, 16], [0, 16]], "pooling": 1}}
    write_checkpoint(tmp_path / "aside.safetensors", kind=stored.kind, header=header, tensors=stored.tensors)
    with pytest.raises(SegmentationError, match="where the inverse network does not look"):
        predictor(tmp_path / "aside.safetensors").predict(segmentation(core_radius=2.0))


def test_no_tumor_at_all_is_no_segmentation():
    """Empty masks do not get as far as a network."""
    with pytest.raises(SegmentationError):
        segmentation(core_radius=0.0, whole_radius=0.0)


def test_another_atlas_is_refused(paths):
    """By the hash of its content."""
    with pytest.raises(DatabaseError, match="trained in the atlas 'cube'"):
        predictor(paths["joint"]).require_atlas("other", "1" * 64)


def test_weights_of_another_shape_are_refused(paths, tmp_path):
    """The header promises other channels than there are."""
    stored = read_checkpoint(paths["joint"])
    header = {**stored.header, "settings": {**stored.header["settings"], "network": {"channels": 8, "pooling": 1,
              "is_cropped": False}}}  # fmt: skip
    write_checkpoint(tmp_path / "wide.safetensors", kind=stored.kind, header=header, tensors=stored.tensors)
    with pytest.raises(CheckpointError, match="do not fit a network of 8 channels"):
        predictor(tmp_path / "wide.safetensors")


def test_a_checkpoint_of_another_kind_or_content_is_refused(paths, tmp_path):
    """Another network, and a header that says nothing."""
    stored = read_checkpoint(paths["joint"])
    write_checkpoint(tmp_path / "other.safetensors", kind="embedding", header=stored.header, tensors=stored.tensors)
    with pytest.raises(CheckpointError, match="of another kind"):
        predictor(tmp_path / "other.safetensors")
    write_checkpoint(tmp_path / "empty.safetensors", kind=stored.kind, header={}, tensors=stored.tensors)
    with pytest.raises(CheckpointError, match="does not understand"):
        predictor(tmp_path / "empty.safetensors")
