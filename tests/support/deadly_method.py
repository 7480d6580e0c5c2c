"""A method that ends its process in a hard way, as running out of memory does; for tests of whoever must survive it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gliofield.pipeline.distance_methods import DistanceMethod


@dataclass(frozen=True, kw_only=True)
class Deadly:
    """Distances, unless the whole tumor is larger than a limit.

    Parameters
    ----------
    limit_ml : float
        Whole tumors above this kill the process that looks at them [ml].
    only_once : str
        File that is made before, and stops further killing; empty: every time.
    seconds : float
        How long each patient takes [s].
    """

    name: ClassVar[str] = "deadly"
    summary: ClassVar[str] = "kills its process"

    limit_ml: float = float("inf")
    only_once: str = ""
    seconds: float = 0.0

    def prepare(self, *, atlas, settings, report):
        return DeadlyMethod(self)


class DeadlyMethod(DistanceMethod):
    """See `Deadly`."""

    def __init__(self, options: Deadly) -> None:
        super().__init__(decay_length_mm=3.0)
        object.__setattr__(self, "options", options)

    def estimate(self, observation, **given):
        options = self.options
        time.sleep(options.seconds)
        volume_ml = float(observation.whole_tumor.sum()) * observation.grid.voxel_volume_ml
        if volume_ml > options.limit_ml and not (options.only_once and Path(options.only_once).exists()):
            if options.only_once:
                Path(options.only_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate(observation, **given)
