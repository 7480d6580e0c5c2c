"""The hash of a file, read in pieces: images and databases need not fit into memory twice."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """SHA-256 of the content of a file, as 64 hexadecimal digits.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
