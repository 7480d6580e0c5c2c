"""Weights on disk: one safetensors file with a header, which loads no code and knows when it is damaged.

The file is what safetensors says (8 bytes of length, JSON, tensors); its metadata hold gliofield's own header under the
key "gliofield" and the CRC-32C of that header under "gliofield_crc32c". The header in turn holds the CRC-32C of each
tensor with its name, type and shape, so a flipped byte anywhere is noticed. `gliofield_training` writes such files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import google_crc32c

from gliofield import __version__
from gliofield.errors import CheckpointError
from gliofield.learning.require import require_torch

if TYPE_CHECKING:
    import torch

HeaderT = TypeVar("HeaderT")

CHECKPOINT_VERSION = 1

#: What its header says it is.
FORMAT_NAME = "gliofield checkpoint"
# Keys of the metadata, and of the version in the header: now, and before the package was renamed.
_NAMES = ("gliofield", "gliomap")
#: Length of the safetensors header, in front of it.
LENGTH_BYTES = 8
_BLOCK_BYTES = 1 << 24


class CheckpointHeader(NamedTuple):
    """What a checkpoint is: the kind of its tensors, and the JSON values its writer stored beside them."""

    kind: str
    header: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint read from a file.

    Attributes
    ----------
    kind : str
        What the tensors are, such as "inverse network".
    header : mapping
        What the writer stored beside the tensors: JSON values.
    tensors : mapping of str to torch.Tensor
        Tensors by name, on the processor.
    gliofield_version : str
        The gliofield that wrote it.
    digest : str
        Stands for names, types, shapes and bytes of the tensors read, by their checksums.
    """

    kind: str
    header: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]
    gliofield_version: str
    digest: str


def read_checkpoint(path: str | os.PathLike[str], *, kind: str | None = None, prefix: str = "") -> Checkpoint:
    """Checkpoint of a file; every byte that is read is checked.

    Parameters
    ----------
    path : path
        File of `gliofield_training.write_checkpoint`.
    kind : str, optional
        The kind it must have.
    prefix : str
        Read only the tensors whose names begin so, and leave that out of their names.

    Raises
    ------
    CheckpointError
        If it cannot be read, is no checkpoint of gliofield, is damaged or cut short, has another version or kind, or no
        tensor with that prefix.
    ParameterError
        If PyTorch or safetensors is not installed.
    """
    require_torch()
    import safetensors

    content = _content_of(path, kind)
    expected = {name: crc for name, crc in content["tensors_crc32c"].items() if name.startswith(prefix)}
    if prefix and not expected:
        raise CheckpointError(f"{path} holds no tensors named {prefix}…. Choose another file, or train again.")
    try:
        with safetensors.safe_open(path, framework="pt") as handle:
            mapped = {name: handle.get_tensor(name) for name in expected}
    except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise _damaged(path, str(error)) from error
    if any(checksum_of(name, mapped[name]) != crc for name, crc in expected.items()):
        raise _damaged(path, "its tensors fail the checksum")
    return Checkpoint(
        kind=content["kind"],
        header=content["header"],
        # Copies: the file may be replaced or cut while its memory map is in use.
        tensors={name.removeprefix(prefix): tensor.clone() for name, tensor in mapped.items()},
        gliofield_version=content["gliofield_version"],
        digest=hashlib.sha256(json.dumps(expected, sort_keys=True).encode()).hexdigest(),
    )


def read_checkpoint_header(path: str | os.PathLike[str], *, kind: str | None = None) -> CheckpointHeader:
    """Kind and header of a checkpoint, without its tensors and without PyTorch.

    Raises
    ------
    CheckpointError
        If it cannot be read, is no checkpoint of gliofield, its header is damaged, it is cut short, or has another
        version or kind. Damaged tensors are not noticed.
    """
    content = _content_of(path, kind)
    return CheckpointHeader(content["kind"], content["header"])


def read_header_as(
    path: str | os.PathLike[str], from_dict: Callable[[Mapping[str, Any]], HeaderT], *, kind: str
) -> HeaderT:
    """Header of a checkpoint as an object, without its tensors and without PyTorch.

    Parameters
    ----------
    path : path
        File of `gliofield_training.write_checkpoint`.
    from_dict : callable
        Makes the object of the stored header; raises `KeyError`, `TypeError` or `ValueError` where it cannot.
    kind : str
        The kind the checkpoint must have.

    Raises
    ------
    CheckpointError
        As `read_checkpoint_header`, and if the header is not what `from_dict` expects.
    """
    header = read_checkpoint_header(path, kind=kind).header
    try:
        return from_dict(header)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{path} says something of its {kind} that this gliofield does not understand ({error}). Train it again."
        ) from error


def _content_of(path: str | os.PathLike[str], kind: str | None) -> dict[str, Any]:
    metadata = _metadata_of(path)
    name = next((name for name in _NAMES if name in metadata), None)
    if name is None:
        raise CheckpointError(
            f"{path} is no checkpoint of gliofield, but another safetensors file. Choose another file."
        )
    text = metadata[name]
    if not isinstance(text, str) or metadata.get(f"{name}_crc32c") != str(google_crc32c.value(text.encode())):
        raise _damaged(path, "its header fails the checksum")
    content = _parsed(path, text, f"{name}_version")
    if content["version"] != CHECKPOINT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {content['version']}, written by version {content['gliofield_version']}; "
            f"this gliofield {__version__} reads version {CHECKPOINT_VERSION}. Use that version, or train again."
        )
    if kind is not None and content["kind"] != kind:
        raise CheckpointError(
            f"{path} is a checkpoint of another kind: expected {kind!r}, got {content['kind']!r}. Choose another file."
        )
    return content


def _parsed(path: str | os.PathLike[str], text: str, version_key: str) -> dict[str, Any]:
    """gliofield's own header, with the types this version reads; of another version the version alone is looked at."""
    try:
        content: dict[str, Any] = json.loads(text)
        content["gliofield_version"] = str(content.pop(version_key))
        is_known = content["version"] == CHECKPOINT_VERSION
        expected = {"kind": str, "header": dict, "tensors_crc32c": dict} if is_known else {}
        wrong = [key for key, kind in expected.items() if not isinstance(content[key], kind)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its header is not one of a checkpoint ({error})") from error
    if wrong:
        raise _damaged(path, f"its header is not one of a checkpoint ({', '.join(wrong)})")
    return content


def _metadata_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata of a safetensors file that has its full length."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as handle:
            length = int.from_bytes(handle.read(LENGTH_BYTES), "little")
            if size < LENGTH_BYTES or not 2 <= length:
                raise CheckpointError(f"{path} is no checkpoint: it is no safetensors file. Choose another file.")
            text = handle.read(min(length, size))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}. Give the file of a checkpoint.") from error
    if not text.startswith(b"{"):
        raise CheckpointError(f"{path} is no checkpoint: it is no safetensors file. Choose another file.")
    try:
        entries = json.loads(text)
        metadata = dict(entries.pop("__metadata__", {}))
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read ({error})") from error
    if size != LENGTH_BYTES + length + end:
        raise _damaged(path, f"it has {size} bytes instead of {LENGTH_BYTES + length + end}")
    return metadata


def checksum_of(name: str, tensor: torch.Tensor) -> int:
    """CRC-32C of name, type, shape and bytes."""

    checksum = int(google_crc32c.value(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()))
    for block in blocks_of(tensor):
        checksum = int(google_crc32c.extend(checksum, block))
    return checksum


def blocks_of(tensor: torch.Tensor) -> Iterator[bytes]:
    """Bytes of a tensor, little-endian, a few megabytes at a time."""
    import torch

    flat = tensor.contiguous().reshape(-1)
    length = max(1, _BLOCK_BYTES // flat.element_size())
    for first in range(0, flat.numel(), length):
        yield flat[first : first + length].cpu().view(torch.uint8).numpy().tobytes()


def _damaged(path: str | os.PathLike[str], reason: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {reason}. Restore it from a copy, or train again.")
