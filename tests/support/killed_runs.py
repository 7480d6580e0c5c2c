"""Runs of samplers that end from outside after some stage."""

from collections.abc import Callable

from gliofield.progress import ProgressEvent


class KilledError(Exception):
    """What ends a run from outside."""


def killed_after(stage: int) -> Callable[[ProgressEvent], None]:
    """Reporter that ends a run once this stage is told."""

    def kill(event: ProgressEvent) -> None:
        if event.message.startswith(f"stage {stage}:"):
            raise KilledError

    return kill
