"""What a registration program has to offer, so that several can stand behind one function.

A back end gets a prepared pair of images and a preset and returns an `Alignment`. It neither checks inputs
(`image_pair` did) nor judges the result (`registration` and `quality` do).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gliofield.progress import Reporter
from gliofield.registration.image_pair import ImagePair
from gliofield.registration.presets import RegistrationPreset
from gliofield.registration.transform import Transform


@dataclass(frozen=True, kw_only=True, eq=False)
class Alignment:
    """What a back end returns.

    Parameters
    ----------
    transform : Transform
        The estimated map.
    seconds : mapping of str to float
        Wall time per stage [s].
    versions : mapping of str to str
        Versions of the software that ran.
    """

    transform: Transform
    seconds: Mapping[str, float]
    versions: Mapping[str, str]


class RegistrationBackend(Protocol):
    """A program that estimates transforms."""

    @property
    def name(self) -> str:
        """Name shown in results."""
        ...

    def align(
        self,
        pair: ImagePair,
        preset: RegistrationPreset,
        *,
        seed: int,
        deterministic: bool,
        num_threads: int,
        report: Reporter,
    ) -> Alignment:
        """Transform of a prepared pair, under a preset that has an affine stage.

        With `deterministic`, equal inputs and seeds give bit-identical transforms, whatever `num_threads` says.

        Raises
        ------
        RegistrationError
            If the program fails; the message carries what it said.
        """
        ...
