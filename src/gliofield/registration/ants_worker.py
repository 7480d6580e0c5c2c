"""Script that runs antsRegistration in a child process of `ants_backend`.

ANTs takes its thread count from the environment, prints to the C++ stdout, and can end the process on bad input.
In a process of its own none of that reaches the caller. The job folder holds `job.json` and the images as `.npy`;
the process writes ANTs' transform files there, one status line per event to stdout (each begins with
`STATUS_MARK`), and leaves with 0, or with 1 after a status of kind ``error``.

This file imports nothing of gliofield and is run by its path, so the child loads ANTs and nothing else.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

STATUS_MARK = "@gliofield "
JOB_FILE = "job.json"
IMAGE_NAMES = ("patient", "atlas", "metric_region")
_PR_SET_PDEATHSIG = 1


def main(folder: Path) -> int:
    """Run the stages of the job in `folder`; the process's exit code."""
    _end_with_parent()
    try:
        job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        start = time.perf_counter()
        import ants
        from ants.internal import get_lib_fn, process_arguments

        images = {name: _ants_image(ants, folder, name, job["geometry"][name]) for name in IMAGE_NAMES}
        _status(kind="ready", seconds=time.perf_counter() - start, versions={"antspyx": ants.__version__})
        for stage in job["stages"]:
            _status(kind="begin", stage=stage["name"])
            start = time.perf_counter()
            arguments = process_arguments(_filled(stage["arguments"], images, ants.internal.get_pointer_string))
            exit_code = get_lib_fn("antsRegistration")(arguments)
            if exit_code != 0:
                raise RuntimeError(f"antsRegistration ended with code {exit_code} in the {stage['name']} stage")
            _status(kind="end", stage=stage["name"], seconds=time.perf_counter() - start)
    except Exception as error:  # everything is reported to the parent, which raises it
        _status(kind="error", error_type=type(error).__name__, message=str(error))
        return 1
    return 0


def _end_with_parent() -> None:
    """Have the kernel end this process when the caller is killed, else it would compute on for minutes (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _ants_image(ants: Any, folder: Path, name: str, geometry: dict[str, Any]) -> Any:
    """Image with its geometry (LPS), which `ants.from_numpy` drops unless told."""
    import numpy as np

    return ants.from_numpy(
        np.load(folder / f"{name}.npy"),
        origin=tuple(geometry["origin"]),
        spacing=tuple(geometry["spacing"]),
        direction=np.array(geometry["direction"]),
    )


def _filled(arguments: list[str], images: dict[str, Any], pointer: Any) -> list[str]:
    """Arguments with `{patient}`, `{atlas}` and `{metric_region}` replaced by the images' addresses."""
    addresses = {name: pointer(image) for name, image in images.items()}
    filled = []
    for argument in arguments:
        for name, address in addresses.items():
            argument = argument.replace("{" + name + "}", address)
        filled.append(argument)
    return filled


def _status(**event: Any) -> None:
    sys.stdout.write(STATUS_MARK + json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
