"""Tumors made by the workers of a Dask cluster (`gliofield.dask_tasks`).

One task makes the missing tumors of one shard and sends them back to the builder, which alone writes: workers need no
file system in common with it. Anatomy, model and design travel once, as compressed bytes, and each worker process
unpacks them once.
"""

from __future__ import annotations

import io
import itertools
import pickle
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gliofield.dask_tasks import DaskCluster, Task, give_up_if_unwanted, require_same_version
from gliofield.database import layout
from gliofield.database.simulate import BatchSimulator, EncodedTumors, load_anatomy, save_anatomy
from gliofield.database.staging import Staging, write_part
from gliofield.database.workforce import Batch, FinishedBatch, require_sendable, simulated_batch

# Builds whose anatomy a worker process keeps.
_KEPT_BUILDS = 4


@dataclass(frozen=True)
class DaskWorkers(DaskCluster):
    """The workers of a Dask cluster as a `Workforce`; parameters and errors as `DaskCluster`."""

    backend: ClassVar[str | None] = None

    def finished_batches(
        self, staging: Staging, simulator: BatchSimulator, batches: Sequence[Batch]
    ) -> Generator[FinishedBatch, None, None]:
        """See `Workforce`; batches of one shard must follow each other."""
        require_sendable(simulator)
        size = layout.tumors_per_shard(simulator.header.snapshots_per_run)
        shards = [tuple(group) for _, group in itertools.groupby(batches, key=lambda batch: batch[0] // size)]
        if not shards:
            return
        tasks = [
            Task(shard[0][0], shard, f"tumors {shard[0][0]} to {shard[-1][1] - 1} could not be made")
            for shard in shards
        ]
        for done in self.finished(f"{__name__}:simulated_shard", tasks, _packed(simulator)):
            if done.error is not None:
                raise done.error
            for tumors in done.result:
                write_part(staging.folder, tumors)
                yield FinishedBatch.of(tumors, snapshots_per_run=simulator.header.snapshots_per_run)


def _packed(simulator: BatchSimulator) -> bytes:
    """What a worker makes its `BatchSimulator` from."""
    import cloudpickle

    anatomy = io.BytesIO()
    save_anatomy(anatomy, simulator.anatomy)
    # cloudpickle, for classes defined in a script or a notebook.
    content: bytes = cloudpickle.dumps((anatomy.getvalue(), simulator.model, simulator.design, simulator.header))
    return content


# From here on: what runs in worker processes.

_simulators: OrderedDict[str, BatchSimulator] = OrderedDict()
_unpacking = threading.Lock()


def simulated_shard(version: str, digest: str, batches: Sequence[Batch], *pieces: bytes) -> list[EncodedTumors]:
    """Tumors of each batch; what a worker of the cluster runs.

    Threads of one worker process share a simulator: it holds nothing that simulations change. Kernels use one thread
    each unless the model asks for more.

    Parameters
    ----------
    version : str
        gliofield of the builder.
    digest : str
        Of all the pieces.
    batches : sequence of Batch
        What to make.
    *pieces : bytes
        `BatchSimulator`, packed.

    Raises
    ------
    ClusterError
        If this is another version.
    DatabaseError
        If a tumor cannot be made.
    """
    require_same_version(version)
    simulator = _unpacked(digest, pieces)
    encoded = []
    for batch in batches:
        give_up_if_unwanted()
        encoded.append(simulated_batch(simulator, *batch))
    return encoded


def _unpacked(digest: str, pieces: Sequence[bytes]) -> BatchSimulator:
    """The simulator of a build, made once per process and build."""
    with _unpacking:
        if digest not in _simulators:
            anatomy, model, design, header = pickle.loads(b"".join(pieces))
            _simulators[digest] = BatchSimulator(
                anatomy=load_anatomy(io.BytesIO(anatomy)), model=model, design=design, header=header
            )
        _simulators.move_to_end(digest)
        while len(_simulators) > _KEPT_BUILDS:
            _simulators.popitem(last=False)
        return _simulators[digest]
