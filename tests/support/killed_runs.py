"""Runs of samplers that end from outside after some call of their likelihood."""

import pytest

from gliofield.bayes import LikelihoodJournal


class KilledError(Exception):
    """What ends a run from outside."""


def die_after_answer(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let a run die once the journal has written this many answers."""
    write, written = LikelihoodJournal._write, []

    def write_and_die(journal: LikelihoodJournal, path: object) -> None:
        write(journal, path)
        written.append(path)
        if len(written) == number:
            raise KilledError

    patch.setattr(LikelihoodJournal, "_write", write_and_die)
