"""The inverse networks that come with gliofield, so that ``personalize --method infer`` works without a training.

Each is a checkpoint of `train_inverse` in the folder ``weights``, trained on tumors that gliofield simulated by
``scripts/train_shipped_network.sh``; ``docs/shipped_network.md`` says what it can do and what it cannot.
"""

from __future__ import annotations

from pathlib import Path

from gliofield.errors import ParameterError
from gliofield.inverse.checkpoint import read_inverse_header

WEIGHTS_FOLDER = Path(__file__).parent / "weights"


def shipped_checkpoint(atlas_name: str, atlas_hash: str) -> Path:
    """The network that comes with gliofield for an atlas.

    Parameters
    ----------
    atlas_name, atlas_hash : str
        Name and content hash of the atlas.

    Raises
    ------
    ParameterError
        If none was trained in this atlas.
    """
    headers = {path: read_inverse_header(path) for path in sorted(WEIGHTS_FOLDER.glob("*.safetensors"))}
    for path, header in headers.items():
        if header.origin.atlas_hash == atlas_hash:
            return path
    known = ", ".join(f"{header.origin.atlas_name!r} ({header.origin.atlas_hash[:12]}…)" for header in headers.values())
    known = known or "none, for this installation lacks their weights"
    raise ParameterError(
        f"no inverse network for the atlas {atlas_name!r} (content hash {atlas_hash[:12]}…) comes with gliofield: "
        f"there are some for {known}. Train one with `gliofield train inverse` and give it by --checkpoint."
    )
