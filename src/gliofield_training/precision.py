"""Number formats of a training: mixed ones halve memory and time on CUDA, while weights stay float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from gliofield.learning.settings import TrainingSettings


class Precision:
    """Float32, or mixed precision on CUDA.

    Attributes
    ----------
    is_ignored : bool
        Whether mixed precision was asked for where it has no effect.
    scaler : torch.amp.GradScaler
        Scales the loss in float16, and does nothing otherwise.
    """

    def __init__(self, settings: TrainingSettings, device: torch.device) -> None:
        is_mixed = settings.mixed_precision and device.type == "cuda"
        has_bfloat16 = is_mixed and torch.cuda.is_bf16_supported(including_emulation=False)
        self.is_ignored = settings.mixed_precision and not is_mixed
        self._format = (torch.bfloat16 if has_bfloat16 else torch.float16) if is_mixed else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=is_mixed and not has_bfloat16)
        self._device_type = device.type

    def autocast(self) -> AbstractContextManager[object]:
        """Context of the forward pass."""
        return nullcontext() if self._format is None else torch.autocast(self._device_type, self._format)
