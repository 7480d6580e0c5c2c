"""Checkpoints come back as they were written, or not at all."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gliofield.errors import CheckpointError, OutputError, ParameterError
from gliofield.learning import Checkpoint, read_checkpoint, read_checkpoint_header
from gliofield.learning.checkpoint import read_header_as
from gliofield_training import checkpoint_files, write_checkpoint

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

HEADER = {"layers": [3, 4], "history": {"loss": 0.1}, "name": "größer"}


@pytest.fixture
def tensors() -> dict[str, "torch.Tensor"]:
    shared = torch.arange(6.0)
    return {
        "weights": torch.linspace(-1, 1, 12).reshape(3, 4),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "count": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 5),
        "shared": shared,
        "part of shared": shared[2:4],
    }


@pytest.fixture
def path(tmp_path, tensors) -> Path:
    path = tmp_path / "network.safetensors"
    write_checkpoint(path, kind="test network", header=HEADER, tensors=tensors)
    return path


def test_a_checkpoint_under_a_file_is_refused(path):
    """Its folder cannot be made; the message says what to do."""
    with pytest.raises(OutputError, match=r"network\.safetensors cannot be written: it is no folder\. Choose"):
        write_checkpoint(path / "inner.safetensors", kind="test network", header=HEADER, tensors={})


def test_a_checkpoint_comes_back_as_it_was(path, tensors):
    """Kind, header, and every tensor with its type and shape."""
    checkpoint = read_checkpoint(path, kind="test network")

    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.kind, checkpoint.header) == ("test network", HEADER)
    assert checkpoint.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert checkpoint.tensors[name].dtype == tensor.dtype
        assert torch.equal(checkpoint.tensors[name], tensor), name


def test_the_header_is_read_without_pytorch(path):
    """Listing checkpoints takes no second."""
    script = (
        "import sys; from gliofield.learning import read_checkpoint_header as read\n"
        f"kind, header = read({str(path)!r})\n"
        "assert (kind, header['layers']) == ('test network', [3, 4])\n"
        "print(sorted({'torch', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


def test_any_safetensors_reader_can_read_it(path, tensors):
    """The file is plain safetensors."""
    loaded = safetensors_torch.load_file(path)

    assert torch.equal(loaded["weights"], tensors["weights"])


def test_a_checkpoint_is_readable_like_any_other_file(path, tmp_path):
    """Its permissions are those of a new file."""
    plain = tmp_path / "plain"
    plain.touch()

    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_flipped_byte_anywhere_is_noticed(path):
    """Each byte in turn is changed: the file is refused."""
    content = path.read_bytes()
    accepted = []
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x11]) + content[position + 1 :])
        try:
            read_checkpoint(path)
        except CheckpointError:
            continue
        accepted.append(position)

    # Blanks that fill the JSON up to a multiple of 8 may become other white space.
    assert [position for position in accepted if content[position : position + 1] != b" "] == []


def test_a_file_cut_anywhere_is_noticed(path):
    """Each length in turn, from an empty file on."""
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"is damaged|is no checkpoint"):
            read_checkpoint_header(path)


def test_a_file_with_more_at_its_end_is_noticed(path):
    """Bytes nobody wrote are damage as well."""
    path.write_bytes(path.read_bytes() + b"\0")

    with pytest.raises(CheckpointError, match="is damaged: it has .* bytes instead of"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 some archive of pickles", b"\x93NUMPY" + bytes(100), bytes(64)])
def test_another_file_is_no_checkpoint(tmp_path, content):
    """Archives of pickles, arrays and empty files are named as what they are not."""
    path = tmp_path / "other.bin"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="is no checkpoint: it is no safetensors file"):
        read_checkpoint(path)


def test_what_is_no_file_is_said_to_be_none(tmp_path):
    """A missing file, and a folder."""
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_checkpoint(tmp_path / "missing.safetensors")
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        read_checkpoint_header(tmp_path)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    """Weights of somebody else carry no header of gliofield."""
    path = tmp_path / "foreign.safetensors"
    safetensors_torch.save_file({"weights": torch.zeros(2)}, path)

    with pytest.raises(CheckpointError, match="is no checkpoint of gliofield, but another safetensors file"):
        read_checkpoint(path)


def test_another_kind_is_refused(path):
    """Weights of one network are not loaded into another."""
    with pytest.raises(CheckpointError, match="another kind: expected 'surrogate', got 'test network'"):
        read_checkpoint(path, kind="surrogate")
    with pytest.raises(CheckpointError, match="another kind: expected 'surrogate'"):
        read_checkpoint_header(path, kind="surrogate")


def test_another_version_is_refused(path, tensors, monkeypatch):
    """The message says which gliofield wrote it."""
    monkeypatch.setattr("gliofield_training.checkpoint_files.CHECKPOINT_VERSION", 99)
    write_checkpoint(path, kind="test network", header=HEADER, tensors=tensors)
    monkeypatch.undo()

    with pytest.raises(CheckpointError, match="has checkpoint version 99, written by version .* reads version 1"):
        read_checkpoint(path)


@pytest.mark.parametrize("header", [{"loss": float("nan")}, {"path": Path("x")}])
def test_a_header_that_is_not_json_is_refused(tmp_path, header):
    """Before anything is written."""
    with pytest.raises(ParameterError, match="header of a checkpoint must be JSON with finite numbers"):
        write_checkpoint(tmp_path / "x.safetensors", kind="test", header=header, tensors={})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_older_file(path, monkeypatch):
    """A full disk in the middle of writing: the checkpoint before stands, and nothing lies beside it."""
    before = path.read_bytes()

    def full_disk(tensor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "blocks_of", full_disk)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        write_checkpoint(path, kind="test network", header={}, tensors={"weights": torch.zeros(100)})

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_part_is_read_by_the_beginning_of_its_names(tmp_path):
    """One file holds several networks: only the tensors asked for are read, and the digest is theirs."""
    path, other = tmp_path / "two.safetensors", tmp_path / "other.safetensors"
    zeros, ones = torch.zeros(3), torch.ones(3)
    write_checkpoint(path, kind="test", header={}, tensors={"a.weights": zeros, "b.weights": ones})
    write_checkpoint(other, kind="test", header={"x": 1}, tensors={"a.weights": zeros, "b.weights": zeros})
    part = read_checkpoint(path, prefix="b.")

    assert list(part.tensors) == ["weights"]
    assert torch.equal(part.tensors["weights"], ones)
    assert part.digest != read_checkpoint(other, prefix="b.").digest
    assert read_checkpoint(path, prefix="a.").digest == read_checkpoint(other, prefix="a.").digest
    with pytest.raises(CheckpointError, match=r"holds no tensors named c\."):
        read_checkpoint(path, prefix="c.")


def test_the_header_of_the_file_is_json(path):
    """Anyone can read what a checkpoint says about itself: nothing of it is code."""
    content = path.read_bytes()
    entries = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    stored = json.loads(entries["__metadata__"]["gliofield"])

    assert {"format", "version", "kind", "gliofield_version", "tensors_crc32c", "header"} == stored.keys()


def test_a_header_is_read_as_an_object(path):
    """By what makes it of the stored values; where that fails, the file and the reason are named."""
    assert read_header_as(path, lambda header: header["layers"], kind="test network") == [3, 4]

    with pytest.raises(CheckpointError, match=r"its test network that .* understand \('width'\)\. Train it again"):
        read_header_as(path, lambda header: header["width"], kind="test network")
    with pytest.raises(CheckpointError, match="of another kind"):
        read_header_as(path, dict, kind="embedding")
