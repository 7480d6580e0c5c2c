"""A journal of likelihoods, from which a sampler that was stopped goes on.

Samplers here are functions of a seed and of the likelihoods they are told. So nothing of their state is kept: the
journal holds what every call came back with, in order. A run that begins again asks the same questions, is answered
from the journal up to the place where it was stopped, and ends bit for bit as if it never had been. A question that the
journal does not expect belongs to another run, and is refused.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError
from gliofield.output import atomic_file

_Matrix = NDArray[np.float64]
_VERSION = 1
# What reading a file that is no journal, or a damaged one, may end with.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, MemoryError)
_NAMES = ("version", "fingerprint", "rows", "shapes", "values", "checksum")


class LikelihoodJournal:
    """What a likelihood said, call by call, in a file if wanted.

    Parameters
    ----------
    path : path or None
        Written after every call; if it exists, its answers come first. None: nothing is kept.
    fingerprint : str
        What the likelihoods are made of, such as a hash of data, prior and model.

    Raises
    ------
    ParameterError
        If the file is damaged, or of another fingerprint.
    """

    def __init__(self, path: str | os.PathLike[str] | None, fingerprint: str) -> None:
        self._path = None if path is None else Path(path)
        self._fingerprint = fingerprint
        self._digests: list[bytes] = []
        self._answers: list[_Matrix] = []
        self._num_asked = 0
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def answer(self, rows: _Matrix, compute: Callable[[_Matrix], _Matrix]) -> _Matrix:
        """What `compute` says of rows (N, P), an array (N, K): from the journal, where it has been asked before.

        Raises
        ------
        ParameterError
            If the journal holds the answers of other rows.
        OutputError
            If the file cannot be written.
        """
        digest, number = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).digest(), self._num_asked
        self._num_asked += 1
        if number < len(self._answers):
            if digest != self._digests[number]:
                raise ParameterError(
                    f"{self._path} belongs to another run: call {number + 1} asked for other tumors. Give another "
                    "stage file, or remove it to begin anew."
                )
            return self._answers[number]
        found = np.ascontiguousarray(compute(rows), dtype=np.float64)
        if self._path is not None:
            self._digests.append(digest)
            self._answers.append(found)
            self._write(self._path)
        return found

    def kept(
        self, log_likelihood: Callable[[_Matrix], NDArray[np.float64]]
    ) -> Callable[[_Matrix], NDArray[np.float64]]:
        """The function of rows, (N, P) -> (N,), with its answers in the journal."""
        return lambda rows: self.answer(rows, lambda asked: log_likelihood(asked)[:, None])[:, 0]

    def _write(self, path: Path) -> None:
        content = {
            "version": np.array(_VERSION),
            "fingerprint": np.frombuffer(self._fingerprint.encode(), dtype=np.uint8),
            "rows": np.frombuffer(b"".join(self._digests), dtype=np.uint8),
            "shapes": np.array([answer.shape for answer in self._answers], dtype=np.int64),
            "values": np.concatenate([answer.reshape(-1) for answer in self._answers]),
        }
        with atomic_file(path) as partial, open(partial, "wb") as stream:
            np.savez(stream, **content, checksum=_checksum(content))  # type: ignore[arg-type]

    def _read(self, path: Path) -> None:
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
                content = {name: stored[name] for name in _NAMES}
            if not np.array_equal(content.pop("checksum"), _checksum(content)) or int(content["version"]) != _VERSION:
                raise ValueError("its checksum or version is another")
            digests, shapes = content["rows"].tobytes(), content["shapes"]
            ends = np.cumsum(shapes.prod(axis=1))
            parts = np.split(content["values"], ends[:-1])
            self._answers = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
            self._digests = [digests[start : start + 32] for start in range(0, len(digests), 32)]
            if len(self._digests) != len(self._answers):
                raise ValueError("its parts do not fit together")
            fingerprint = content["fingerprint"].tobytes().decode()
        except _DAMAGE as error:
            raise ParameterError(
                f"{path} cannot be gone on with: {error}. It is no stage file of this version, or damaged. Give "
                "another, or remove it to begin anew."
            ) from error
        if fingerprint != self._fingerprint:
            raise ParameterError(
                f"{path} belongs to another run: other images, prior, model or settings. Give another stage file, or "
                "remove it to begin anew."
            )


def _checksum(content: dict[str, NDArray[np.generic]]) -> NDArray[np.uint8]:
    digest = hashlib.sha256()
    for name in _NAMES[:-1]:
        array = np.ascontiguousarray(content[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)
