"""Script that runs antsRegistration in a child process of `ants_backend`.

ANTs takes its thread count from the environment, prints to the C++ stdout, and can end the process on bad input.
In a process of its own none of that reaches the caller. The job folder holds `job.json` and the images, as files of
ITK; the process writes ANTs' transform files there, one status line per event to stdout (each begins with
`STATUS_MARK`), and leaves with 0, or with 1 after a status of kind ``error``.

This file imports nothing of gliofield and is run by its path, and of antspyx it loads the compiled library alone: the
package around it imports scikit-learn, statsmodels and pandas, which takes as long as an affine registration.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from importlib import metadata, util
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

STATUS_MARK = "@gliofield "
JOB_FILE = "job.json"
_PR_SET_PDEATHSIG = 1


def main(folder: Path) -> int:
    """Run the stages of the job in `folder`; the process's exit code."""
    _end_with_parent()
    try:
        job = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        start = time.perf_counter()
        library = _load_library()
        versions = {"antspyx": metadata.version("antspyx")}
        _status(kind="ready", seconds=time.perf_counter() - start, versions=versions)
        for stage in job["stages"]:
            _status(kind="begin", stage=stage["name"])
            start = time.perf_counter()
            exit_code = library.antsRegistration(stage["arguments"])
            if exit_code != 0:
                raise RuntimeError(f"antsRegistration ended with code {exit_code} in the {stage['name']} stage")
            _status(kind="end", stage=stage["name"], seconds=time.perf_counter() - start)
    except Exception as error:  # everything is reported to the parent, which raises it
        _status(kind="error", error_type=type(error).__name__, message=str(error))
        return 1
    return 0


def _load_library() -> Any:
    """The compiled library of antspyx."""
    package = util.find_spec("ants")  # finds it, and runs nothing of it
    places = None if package is None else package.submodule_search_locations
    spec = None if places is None else PathFinder.find_spec("lib", list(places))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'ants'")
    library = util.module_from_spec(spec)
    spec.loader.exec_module(library)
    return library


def _end_with_parent() -> None:
    """Have the kernel end this process when the caller is killed, else it would compute on for minutes (Linux)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _status(**event: Any) -> None:
    sys.stdout.write(STATUS_MARK + json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
