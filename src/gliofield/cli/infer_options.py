"""What ``gliofield personalize`` makes of its options about method ``infer``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gliofield.anatomy import Atlas
    from gliofield.personalize import InferMethod, PersonalizationResult

METHOD_NAME = "infer"
_ANATOMIES = ("atlas", "patient")


@dataclass(frozen=True, kw_only=True)
class InferOptions:
    """Options of the command line, as given; None where left out."""

    method_name: str
    checkpoint: Path | None
    grow_in: str

    def require_fitting(self, *, index: str | None, database: Path | None) -> None:
        """Raise an error where options and method do not belong together, or the checkpoint holds something else."""
        from gliofield.errors import ParameterError, unknown_name
        from gliofield.inverse import read_inverse_header
        from gliofield.learning import require_torch

        if self.grow_in not in _ANATOMIES:
            raise ParameterError(unknown_name("anatomy to grow in", self.grow_in, _ANATOMIES))
        if self.grow_in == "patient" and self.method_name == "sample":
            raise ParameterError(
                "--grow-in patient grows one tumor again, and method 'sample' answers with many: leave one of the two."
            )
        if not self.is_chosen:
            return
        if index is not None or database is not None:
            raise ParameterError(f"method {METHOD_NAME!r} searches nothing: leave --index and --database out.")
        require_torch()
        if self.checkpoint is not None:
            read_inverse_header(self.checkpoint)

    @property
    def is_chosen(self) -> bool:
        """Whether the method is this one."""
        return self.method_name == METHOD_NAME

    @property
    def checkpoint_of_index(self) -> Path | None:
        """The checkpoint where it belongs to an index, not to this method."""
        return None if self.is_chosen else self.checkpoint

    def method(self, atlas: Atlas) -> InferMethod:
        """Method ``infer`` in the atlas, by the given network or the one that comes with gliofield."""
        from gliofield.inverse import InversePredictor, shipped_checkpoint
        from gliofield.personalize import InferMethod

        checkpoint = self.checkpoint or shipped_checkpoint(atlas.name, atlas.content_hash)
        return InferMethod(predictor=InversePredictor(checkpoint), atlas=atlas)

    def grown(self, result: PersonalizationResult, atlas: Atlas) -> PersonalizationResult:
        """The result, its tumor grown again in the patient's own anatomy if that was asked for; of any method."""
        if self.grow_in == "atlas":
            return result
        from gliofield.personalize import regrow_in_patient

        return regrow_in_patient(result, atlas)
