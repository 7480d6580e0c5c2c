"""Where a training writes: its checkpoint, the folder of its running state, and what is left of that at the end.

Every training of gliofield writes ``NAME.safetensors`` and keeps its running state beside it, in
``NAME.safetensors.training``, with a folder per network where there are several.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from gliofield.errors import OutputError, ParameterError
from gliofield.output import require_absent
from gliofield.progress import ProgressEvent, Reporter

#: Names of the files with the state of a run, and with its best weights.
STATE_NAME, BEST_PATTERN = "training_state.safetensors", "best_weights_*.safetensors"
#: Name of every folder with event files.
TENSORBOARD_NAME = "tensorboard"


def checkpoint_path(out: str | os.PathLike[str], *, replace: bool) -> Path:
    """Path of a checkpoint to write, checked before any work is done.

    Parameters
    ----------
    out : path
        As the user named it.
    replace : bool
        Whether an older checkpoint may be replaced.

    Raises
    ------
    ParameterError
        If it does not end in ``.safetensors``.
    OutputError
        If it exists and may not be replaced, or cannot be written.
    """
    path = Path(out)
    if path.suffix != ".safetensors":
        raise ParameterError(f"{path} must end in .safetensors, the format of checkpoints.")
    require_absent(path, replace=replace)
    return path


def training_folder(checkpoint: Path) -> Path:
    """Folder of the running state, beside the checkpoint."""
    return checkpoint.with_name(checkpoint.name + ".training")


def make_folder(folder: Path) -> None:
    """Make a folder, with those above it, unless it is there.

    Raises
    ------
    OutputError
        If that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable_folder(folder, error) from error


def unusable_folder(folder: Path, error: OSError) -> OutputError:
    """What to raise for a folder that cannot be made or written to."""
    reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror or type(error).__name__
    return OutputError(f"{folder} cannot be written: {reason}. Choose another place, or ask for the right to write.")


def keep_logs_alone(folder: Path) -> None:
    """Remove the states of finished runs below a folder, by the names they have; logs and all else stay."""
    for pattern in (STATE_NAME, BEST_PATTERN):
        for path in [*folder.glob(pattern), *folder.glob(f"*/{pattern}")]:
            path.unlink()


def named_progress(name: str, report: Reporter) -> Reporter:
    """Reporter that says which of several networks is trained."""

    def named(event: ProgressEvent) -> None:
        report(dataclasses.replace(event, task=f"{event.task}, {name}"))

    return named
