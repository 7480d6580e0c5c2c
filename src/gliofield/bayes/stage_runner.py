"""Stage after stage until a run is finished, with a stage file and progress if wanted; of any of the samplers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gliofield.bayes.multilevel_state import MultilevelState
from gliofield.bayes.tmcmc_state import StageInfo, TmcmcState
from gliofield.errors import ParameterError
from gliofield.progress import ProgressEvent, Reporter

_State = TypeVar("_State", TmcmcState, MultilevelState)


@dataclass(frozen=True, kw_only=True, eq=False)
class StageRunner(Generic[_State]):
    """A sampler as its steps.

    Parameters
    ----------
    start : callable
        The first state.
    advance : callable
        The state one stage later, and what happened.
    read, write : callable
        Of a stage file: from a path, and from a path and a state.
    message : callable
        What to report of a stage.
    """

    start: Callable[[], _State]
    advance: Callable[[_State], tuple[_State, StageInfo]]
    read: Callable[[Path], _State]
    write: Callable[[Path, _State], None]
    message: Callable[[StageInfo], str]

    def run(self, stage_file: str | os.PathLike[str] | None, report: Reporter) -> _State:
        """The finished state; one that a stage file holds is gone on with, and written after every stage."""
        path = None if stage_file is None else Path(stage_file)
        if path is not None and path.exists():
            state = self.read(path)
        else:
            report(ProgressEvent(task="sample", completed=0.0, total=1.0, message="first draws"))
            state = self.start()
            if path is not None:
                self.write(path, state)
        while not state.is_finished:
            state, info = self.advance(state)
            if path is not None:
                self.write(path, state)
            report(
                ProgressEvent(task="sample", completed=info.tempering_exponent, total=1.0, message=self.message(info))
            )
        return state


def require_fingerprint(stage_file: str | os.PathLike[str] | None, fingerprint: str) -> None:
    """Raise `ParameterError` for a stage file of a target that cannot be told from another."""
    if stage_file is not None and not fingerprint:
        raise ParameterError("a stage file needs a fingerprint of the target: otherwise it could continue another run.")
