"""The user's cache folder: atlases, default databases, compiled kernels.

Order: the environment variable ``GLIOFIELD_CACHE_DIR``, then ``XDG_CACHE_HOME/gliofield``, then ``~/.cache/gliofield``.
Everything in it can be made again and may be deleted at any time.
"""

import os
from pathlib import Path


def cache_folder(*parts: str) -> Path:
    """Path of the cache folder, or of a place inside it; nothing is created."""
    override = os.environ.get("GLIOFIELD_CACHE_DIR")
    if override:
        return Path(override).expanduser().joinpath(*parts)
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    return root.joinpath("gliofield", *parts)
