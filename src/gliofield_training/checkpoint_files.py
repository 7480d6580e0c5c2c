"""Writes weights to disk in the format that `gliofield.learning.checkpoint` reads; files appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google_crc32c

from gliofield import __version__
from gliofield.errors import ParameterError
from gliofield.learning.checkpoint import CHECKPOINT_VERSION, FORMAT_NAME, LENGTH_BYTES, blocks_of, checksum_of
from gliofield.learning.require import require_torch
from gliofield.output import atomic_file
from gliofield_training.outputs import make_folder

if TYPE_CHECKING:
    import torch


def write_checkpoint(
    path: str | os.PathLike[str],
    *,
    kind: str,
    header: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    replace: bool = True,
) -> None:
    """Write tensors and a header, replacing an older file at once; missing folders are made.

    Parameters
    ----------
    path : path
        File to write; its name should end in .safetensors.
    kind : str
        What the tensors are; readers ask for it.
    header : mapping
        JSON values: everything that is needed to make the network again, and what its model card says.
    tensors : mapping of str to torch.Tensor
        Tensors of any device; those that share memory are stored one by one.
    replace : bool
        Whether an older file is replaced, also one that has appeared meanwhile.

    Raises
    ------
    ParameterError
        If the header is not JSON, or PyTorch or safetensors is not installed.
    OutputError
        If the file cannot be written.
    """
    require_torch()
    stored = {name: tensor.detach().contiguous() for name, tensor in sorted(tensors.items())}
    content = {
        "format": FORMAT_NAME,
        "version": CHECKPOINT_VERSION,
        "kind": kind,
        "gliofield_version": __version__,
        "tensors_crc32c": {name: checksum_of(name, tensor) for name, tensor in stored.items()},
        "header": dict(header),
    }
    text = _json_of(content)
    metadata = {"gliofield": text, "gliofield_crc32c": str(google_crc32c.value(text.encode()))}
    make_folder(Path(path).parent)
    # Not safetensors' own save: it needs the whole file in memory, and what it leaves behind when killed has no name
    # to find it by.
    with atomic_file(path, replace=replace) as partial, open(partial, "wb") as handle:
        handle.write(_safetensors_header(stored, metadata))
        for tensor in stored.values():
            for block in blocks_of(tensor):
                handle.write(block)


def _safetensors_header(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> bytes:
    """Length and JSON of a safetensors file: types, shapes and places of the tensors, one after the other."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    begin = 0
    for name, tensor in tensors.items():
        end = begin + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": _type_name(tensor), "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _type_name(tensor: torch.Tensor) -> str:
    """Name of a tensor's type in a safetensors file."""
    import torch

    names = {
        torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
        torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    }  # fmt: skip
    if tensor.dtype not in names:
        raise ParameterError(f"tensors of type {tensor.dtype} cannot be stored: expected {', '.join(map(str, names))}.")
    return names[tensor.dtype]


def _json_of(content: Mapping[str, Any]) -> str:
    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"header of a checkpoint must be JSON with finite numbers: {error}.") from error
