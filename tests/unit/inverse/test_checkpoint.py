"""What the header of an inverse network says of its training, of older networks too."""

import dataclasses

import pytest
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.database import ClinicalDesign
from gliofield.database.schema import describe_settings
from gliofield.errors import CheckpointError
from gliofield.inverse import read_inverse_header
from gliofield.learning import read_checkpoint
from gliofield_training import write_checkpoint
from gliofield_training.inverse import train_inverse

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A network of one epoch."""
    path = tmp_path_factory.mktemp("header") / "net.safetensors"
    train_inverse(FewBalls(4), tiny_inverse(num_epochs=1), path)
    return path


def rewritten(path, new, **changes):
    """The checkpoint with another header; a change to None leaves the entry out."""
    stored = read_checkpoint(path)
    header = {name: value for name, value in {**stored.header, **changes}.items() if value is not None}
    write_checkpoint(new, kind=stored.kind, header=header, tensors=stored.tensors)
    return new


def test_a_network_of_before_is_read(path, tmp_path):
    """Its header has no ranges of the training: they are not known, and all else is as it was."""
    older = read_inverse_header(rewritten(path, tmp_path / "older.safetensors", trained_ranges=None))
    assert older.trained_ranges is None
    assert older == dataclasses.replace(read_inverse_header(path), trained_ranges=None)


def test_senseless_ranges_are_refused(path, tmp_path):
    """A header that this gliofield cannot have written."""
    ranges = read_checkpoint(path).header["trained_ranges"] | {"core_ml": [5.0, 1.0]}
    with pytest.raises(CheckpointError, match="does not understand"):
        read_inverse_header(rewritten(path, tmp_path / "odd.safetensors", trained_ranges=ranges))


def test_the_diffusivity_ratio_is_that_of_the_design(path):
    """None where no design, or none with such a setting, is recorded."""
    header = read_inverse_header(path)
    recorded = describe_settings(ClinicalDesign(diffusivity_ratio=7.0))
    designed = dataclasses.replace(header, origin=dataclasses.replace(header.origin, record={"design": recorded}))

    assert designed.diffusivity_ratio == 7.0
    assert header.diffusivity_ratio is None


def test_the_push_is_the_middle_of_the_designs_range(path):
    """Of a design with mass effect."""
    header = read_inverse_header(path)
    recorded = describe_settings(ClinicalDesign(push_pa=(100.0, 300.0)))
    designed = dataclasses.replace(header, origin=dataclasses.replace(header.origin, record={"design": recorded}))

    assert designed.push_pa == 200.0
