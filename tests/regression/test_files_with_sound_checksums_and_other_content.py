"""Symptom: JSON that was nested deeply, or right by its checksum and wrong in its structure, ended in tracebacks:
manifests, headers and settings of databases, atlases, transforms, checkpoints, stage files.

Cause: what a checksum covered was taken for what this version writes.
Guard: types and keys are looked at wherever such a file is read.
"""

import contextlib
import json
import zipfile

import google_crc32c
import numpy as np
import pytest
from phantom_brain import phantom_atlas

from gliofield.anatomy import write_atlas_folder
from gliofield.anatomy.atlas import read_atlas_folder
from gliofield.bayes import LikelihoodJournal
from gliofield.bayes.journal import _checksum
from gliofield.database import SimulationDatabase
from gliofield.database.manifest import Manifest
from gliofield.errors import AtlasError, CheckpointError, DatabaseError, ParameterError, RegistrationError
from gliofield.learning.checkpoint import read_checkpoint_header, read_header_as
from gliofield.registration import read_transform

DEEP = "[" * 100_000
OTHER_JSON = ("[]", "5", '"text"', "null", "{}", DEEP)


@pytest.mark.parametrize("text", [*OTHER_JSON, '{"files": 5, "num_tumors": 3}', '{"files": [5], "num_tumors": 3}'])
def test_manifests(tmp_path, text):
    """Each is a manifest that cannot be read, or one that fails its own checksum."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DatabaseError, match=r"manifest\.json (cannot be read|is damaged)"):
        Manifest.read(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    "text", [*OTHER_JSON, '{"attributes": []}', '{"attributes": 5}', '{"attributes": {"format": []}}']
)
def test_headers_of_databases(tmp_path, text):
    """No simulation database, or one that cannot be read."""
    (tmp_path / "zarr.json").write_text(text)
    with pytest.raises(DatabaseError, match="cannot be read|is not a gliofield simulation database"):
        SimulationDatabase.open(tmp_path)


@pytest.mark.parametrize("text", OTHER_JSON)
def test_atlases(tmp_path, text):
    """Each says what is missing."""
    (tmp_path / "atlas.json").write_text(text)
    with pytest.raises(AtlasError, match="cannot be read as JSON|expected a JSON object|are missing or not text"):
        read_atlas_folder(tmp_path)


@pytest.mark.parametrize("mask", [3, None, ["a"], {}])
def test_a_brain_mask_that_is_no_text(tmp_path, mask):
    """It may be left out, but not be a number."""
    write_atlas_folder(phantom_atlas(), tmp_path / "atlas")
    path = tmp_path / "atlas" / "atlas.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "brain_mask": mask}))
    with pytest.raises(AtlasError, match="the keys brain_mask are missing or not text"):
        read_atlas_folder(tmp_path / "atlas")


@pytest.mark.parametrize("text", OTHER_JSON)
def test_transforms(tmp_path, text):
    """No transform folder."""
    (tmp_path / "transform.json").write_text(text)
    with pytest.raises(RegistrationError, match="no transform folder"):
        read_transform(tmp_path)


def write_checkpoint_of(path, metadata, *, entries=None):
    """A safetensors file with any metadata."""
    text = json.dumps({"__metadata__": metadata, **(entries or {})}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text)


GOOD_HEADER = {"version": 1, "kind": "k", "gliofield_version": "0", "tensors_crc32c": {}, "header": {}}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        5,
        None,
        {"version": 1, "kind": "k"},
        *({name: value for name, value in GOOD_HEADER.items() if name != left_out} for left_out in GOOD_HEADER),
        *({**GOOD_HEADER, name: 5} for name in ("kind", "tensors_crc32c", "header")),
    ],
)
def test_checkpoints_whose_header_is_another_one(tmp_path, content):
    """The checksum of the header is right."""
    text = json.dumps(content)
    checksum = str(google_crc32c.value(text.encode()))
    write_checkpoint_of(tmp_path / "c.safetensors", {"gliofield": text, "gliofield_crc32c": checksum})
    with pytest.raises(CheckpointError, match="is damaged: its header is not one of a checkpoint"):
        read_checkpoint_header(tmp_path / "c.safetensors")


@pytest.mark.parametrize("metadata", [5, "text", [1], None, {"gliofield": 5}, {"gliofield": None}, {"gliofield": DEEP}])
def test_checkpoints_whose_metadata_are_others(tmp_path, metadata):
    """No mapping, or no texts in it."""
    write_checkpoint_of(tmp_path / "c.safetensors", metadata)
    with pytest.raises(CheckpointError, match="is damaged|is no checkpoint"):
        read_checkpoint_header(tmp_path / "c.safetensors")


def test_checkpoints_with_deep_or_endless_entries(tmp_path):
    """Nested headers, offsets that are no numbers or too large."""
    path = tmp_path / "c.safetensors"
    path.write_bytes(len(DEEP).to_bytes(8, "little") + b"{" + DEEP[1:].encode())
    with pytest.raises(CheckpointError, match="is damaged|is no checkpoint"):
        read_checkpoint_header(path)
    for offsets in ([0, "a"], [0], 5, [0, 1e400], None):
        write_checkpoint_of(path, {}, entries={"a": {"data_offsets": offsets}})
        with pytest.raises(CheckpointError, match="is damaged: its header cannot be read"):
            read_checkpoint_header(path)


def test_a_newer_version_is_named(tmp_path):
    """Whatever else it holds."""
    text = json.dumps({"version": 7, "gliofield_version": "9.0"})
    checksum = str(google_crc32c.value(text.encode()))
    write_checkpoint_of(tmp_path / "c.safetensors", {"gliofield": text, "gliofield_crc32c": checksum})
    with pytest.raises(CheckpointError, match="checkpoint version 7, written by version 9.0"):
        read_checkpoint_header(tmp_path / "c.safetensors")


@pytest.mark.parametrize(
    "error", [KeyError("a"), TypeError("a"), ValueError("a"), AttributeError("a"), IndexError("a")]
)
def test_headers_that_their_reader_does_not_understand(tmp_path, error):
    """Whatever the reader stumbles over."""
    text = json.dumps(GOOD_HEADER)
    checksum = str(google_crc32c.value(text.encode()))
    write_checkpoint_of(tmp_path / "c.safetensors", {"gliofield": text, "gliofield_crc32c": checksum})

    def stumble(header):
        raise error

    with pytest.raises(CheckpointError, match="that this gliofield does not understand"):
        read_header_as(tmp_path / "c.safetensors", stumble, kind="k")


def written_journal(path):
    """A journal of two calls; its bytes."""
    journal = LikelihoodJournal(path, "f")
    for number in (2, 3):
        journal.answer(np.ones((number, 2)), lambda rows: rows)
    return path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"values": np.zeros(2)},
        {"shapes": np.zeros((1, 2), dtype=np.int64)},
        {"shapes": np.full((2, 2), -1)},
        {"rows": np.zeros(32, dtype=np.uint8)},
        {"version": np.array("text")},
        {"fingerprint": np.array([255], dtype=np.uint8)},
        {"values": np.array("text")},
    ],
)
def test_stage_files_that_are_right_by_their_checksum_alone(tmp_path, change):
    """Arrays that do not fit together, or are of another kind."""
    path = tmp_path / "s.npz"
    written_journal(path)
    with np.load(path) as stored:
        content = {**{name: stored[name] for name in stored.files if name != "checksum"}, **change}
    np.savez(path, **content, checksum=_checksum(content))
    with pytest.raises(ParameterError, match="cannot be gone on with"):
        LikelihoodJournal(path, "f")


def test_stage_files_that_are_damaged_in_any_way(tmp_path):
    """Every third byte of a small one, one after the other: a message or, where nothing is lost, the same answers."""
    path = tmp_path / "s.npz"
    content = written_journal(path)
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(ParameterError):
            journal = LikelihoodJournal(path, "f")
            for number in (2, 3):
                assert journal.answer(np.ones((number, 2)), None).tolist() == np.ones((number, 2)).tolist()


@pytest.mark.parametrize("content", [b"", b"PK", DEEP.encode(), b"\x93NUMPY"])
def test_files_that_are_no_stage_files(tmp_path, content):
    """Nothing, a beginning, text."""
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(ParameterError, match="no stage file of this version, or damaged"):
        LikelihoodJournal(tmp_path / "s.npz", "f")


def test_stage_files_with_a_member_that_is_no_array(tmp_path):
    """NumPy gives its bytes."""
    path = tmp_path / "s.npz"
    written_journal(path)
    with np.load(path) as stored:
        content = {name: stored[name] for name in stored.files if name != "values"}
    np.savez(path, **content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("values.npy", "text")
    with pytest.raises(ParameterError, match="cannot be gone on with"):
        LikelihoodJournal(path, "f")
