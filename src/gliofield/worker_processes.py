"""Spawned processes that compute with one thread each and never outlive the process that started them.

Every worker holds one end of a pipe, the lifeline, whose other end dies with the parent: a killed parent cannot end its
pool, and workers would stay. What a worker needs (a model, an anatomy) is sent to it once, when it starts. What this
module does not do: decide what is computed, in what order, or what an error means.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from gliofield.cores import limit_blas
from gliofield.errors import ParameterError


class WorkerProcesses:
    """A pool of processes; `close`, or a ``with`` block, ends them.

    Parameters
    ----------
    num_workers : int
        Processes, ≥ 1; they start with the first call of `executor`.
    prepare : callable
        Called once in every process, before any work, with `arguments`; importable and picklable, as they are.
    arguments : object
        What every process is given.

    Raises
    ------
    ParameterError
        As `require_guarded_script`.
    """

    def __init__(self, num_workers: int, prepare: Callable[..., None], *arguments: Any) -> None:
        require_guarded_script()
        context = multiprocessing.get_context("spawn")
        self._worker_end, self._lifeline = context.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(
            max_workers=num_workers,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._worker_end, prepare, arguments),
        )

    def finish(self) -> None:
        """Wait until everything asked for is done and the processes have left."""
        self.executor.shutdown(wait=True)

    def close(self) -> None:
        """End the processes; nobody waits for what they are at."""
        self._lifeline.close()
        self._worker_end.close()
        self.executor.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> WorkerProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def require_guarded_script() -> None:
    """Refuse to start processes from a script that each of them would run again from its first line.

    A new process imports the script that was started, so a call outside of ``if __name__ == "__main__":`` would be made
    once more in each of them. Modules, notebooks and ``python -c`` have no such line.

    Raises
    ------
    ParameterError
        If the line of the script that is being run stands outside of such a block, or on the standard input.
    """
    frame = _frame_of_script()
    if frame is not None and frame.f_code.co_filename == "<stdin>":
        raise ParameterError(
            "this starts further processes, which cannot read the script from the standard input: save it as a file, "
            "or ask for one process (num_workers=1, in settings num_threads=1)."
        )
    is_a_worker = getattr(multiprocessing.current_process(), "_inheriting", False)
    if is_a_worker or (frame is not None and not _is_guarded(frame)):
        raise ParameterError(
            "this starts further processes, and each would run the script again from its first line: put what the "
            'script does below a line `if __name__ == "__main__":`, or ask for one process (num_workers=1, in settings '
            "num_threads=1)."
        )


def _frame_of_script() -> FrameType | None:
    """Where the script that was started stands in its own lines; None where new processes would not import it."""
    main = sys.modules.get("__main__")
    name = getattr(getattr(main, "__spec__", None), "name", "")
    if not hasattr(main, "__file__") or name == "__main__" or name.endswith(".__main__"):
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (frame.f_globals is vars(main) and frame.f_code.co_name == "<module>"):
        frame = frame.f_back
    return frame


def _is_guarded(frame: FrameType) -> bool:
    """Whether the line stands below a question for the name of the module, or for the process; so if nobody knows."""
    try:
        tree = ast.parse(Path(frame.f_code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(
        isinstance(node, ast.If)
        and node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
        and any(word in ast.unparse(node.test) for word in ("__name__", "process"))
        for node in ast.walk(tree)
    )


def require_picklable(*things: object, advice: str) -> None:
    """Refuse what cannot be sent to other processes.

    Parameters
    ----------
    things : object
        What is to be sent.
    advice : str
        What the caller can do instead; the end of the message.

    Raises
    ------
    ParameterError
        If one of them cannot be pickled.
    """
    for thing in things:
        try:
            pickle.dumps(thing)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ParameterError(
                f"{type(thing).__name__} cannot be sent to worker processes ({error}): {advice}"
            ) from error


def _start_worker(lifeline: Connection, prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    import numba

    # Interrupts go to the parent, which ends the pool in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    numba.set_num_threads(1)
    limit_blas()
    threading.Thread(target=_exit_with_lifeline, args=(lifeline,), daemon=True).start()
    prepare(*arguments)


def _exit_with_lifeline(lifeline: Connection) -> None:
    """Leave when the parent closes its end or is gone."""
    wait([lifeline])
    os._exit(1)
