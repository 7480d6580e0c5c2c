"""The learned growth model: `FisherKolmogorov`'s interface, a network's answer.

What takes a growth model takes this one: same anatomy, parameters and times, same solution. The tissues are cut out
around the voxel nearest to the seed, so the seed's place within its voxel is lost, and no density leaves the cube.
Densities are clipped to [0, 1] and 0 outside the tissue.

Parameters outside the trained ranges are replaced by ones inside that grow the same tumor (`scaling`), and refused
where there are none. The solver also grows the part of a seed that reaches from CSF into tissue; the training knows no
such seeds, so those are refused too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gliofield.anatomy.growth_domain import Anatomy
from gliofield.errors import CheckpointError, ParameterError
from gliofield.growth import FisherKolmogorovParameters, Solution, VolumeLimit
from gliofield.growth.run_inputs import check_run
from gliofield.growth.seed import seed_cells
from gliofield.learning import read_checkpoint, require_torch, resolve_device
from gliofield_papers.surrogate.anatomies import crop_around, paste_around, tissue_channels
from gliofield_papers.surrogate.checkpoint import CHECKPOINT_KIND, SurrogateHeader, read_surrogate_header
from gliofield_papers.surrogate.config import TISSUES
from gliofield_papers.surrogate.guess import guess_logits
from gliofield_papers.surrogate.samples import center_voxel, seed_offset
from gliofield_papers.surrogate.scaling import growth_in_ranges, scaled_growth

if TYPE_CHECKING:
    import torch

    from gliofield_papers.surrogate.network import CorrectingNetwork, SurrogateNetwork

# Densities at several times share the code of the anatomy; more at once than this need not fit into memory.
_TIMES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedFisherKolmogorov:
    """Growth model that a network learned from `FisherKolmogorov`.

    Parameters
    ----------
    checkpoint : str
        Checkpoint of `train_surrogate`.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    guess_only : bool
        Whether to answer with the physical guess that the network corrects, uncorrected: a control.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be read, or its weights do not fit what it says of its network.
    ParameterError
        If PyTorch or the device is missing, or there is no guess.
    """

    checkpoint: str
    device: str = "auto"
    guess_only: bool = False
    header: SurrogateHeader = field(init=False, repr=False)
    _network: SurrogateNetwork | CorrectingNetwork = field(init=False, repr=False)
    _torch_device: torch.device = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_torch()
        from gliofield_papers.surrogate.network import make_network

        header = read_surrogate_header(self.checkpoint)
        if self.guess_only and not header.settings.network.corrects_guess:
            raise ParameterError(f"{self.checkpoint} corrects no guess: expected a surrogate trained with one.")
        device = resolve_device(self.device)
        network = make_network(header.settings.network, seed=0)
        try:
            network.load_state_dict(dict(read_checkpoint(self.checkpoint, kind=CHECKPOINT_KIND).tensors))
        except RuntimeError as error:
            raise CheckpointError(
                f"{self.checkpoint} holds weights that do not fit its network: {error}. Train it again."
            ) from error
        object.__setattr__(self, "header", header)
        object.__setattr__(self, "_torch_device", device)
        object.__setattr__(self, "_network", network.to(device).eval())

    @property
    def name(self) -> str:
        """``learned-fisher-kolmogorov``."""
        return "learned-fisher-kolmogorov"

    @property
    def device_type(self) -> str:
        """``cpu`` or ``cuda``: where the network computes."""
        return str(self._torch_device.type)

    def simulate(
        self,
        anatomy: Anatomy,
        parameters: FisherKolmogorovParameters,
        times_days: float | Sequence[float],
        *,
        volume_limit: VolumeLimit | None = None,
    ) -> Solution:
        """Cell density at each requested time; `volume_limit` is ignored, for there is nothing to end early.

        Raises
        ------
        ParameterError
            If times are invalid, the seed is off the grid or the voxel nearest to it is no tissue, the grid has another
            spacing than those of the training, the anatomy does not know its CSF or has a domain of another rule, or
            the tumor is not among those trained on.
        """
        times = check_run(anatomy, parameters, times_days)
        center = _center_in_tissue(anatomy, parameters.seed_mm)
        self._require_spacing(anatomy)
        channels = tissue_channels(anatomy)
        self._require_domain_rule(anatomy)
        ranges = self.header.settings.ranges
        growth = growth_in_ranges(parameters, times, ranges)
        size = self.header.settings.network.crop_size
        tissues = crop_around(channels, center, size)
        if self.header.settings.network.corrects_guess:
            guess = guess_logits(
                tissues,
                seed_offset(anatomy, parameters.seed_mm),
                growth,
                spacing_mm=anatomy.spacing_mm,
                diffusivity_ratio=ranges.diffusivity_ratio,
            )
            cubes = self.correct_guess(tissues[np.newaxis], scaled_growth(growth, ranges), guess)
        else:
            cubes = self.predict_cubes(tissues[np.newaxis], scaled_growth(growth, ranges))
        density = paste_around(cubes, center, anatomy.grid.shape) * anatomy.domain
        return Solution(
            cell_density=density,
            times_days=times,
            grid=anatomy.grid,
            num_steps=1,
            num_voxel_steps=len(times) * size**3,
            scheme="surrogate",
            backend=f"torch-{self.device_type}",
            front_resolution=parameters.infiltration_length_mm / anatomy.spacing_mm,
        )

    def predict_cubes(self, tissues: NDArray[np.float32], growth: NDArray[np.float64]) -> NDArray[np.float32]:
        """Densities in [0, 1] of cubes around seeds, (n, S, S, S).

        Parameters
        ----------
        tissues : (n or 1, 3, S, S, S) float32 array
            `TISSUES` around the seeds; one for all is encoded once.
        growth : (n, 3) float64 array
            D_w, ρ, T, scaled to [-1, 1].
        """
        import torch

        from gliofield.learning.single_samples import paired
        from gliofield_papers.surrogate.network import CorrectingNetwork

        channels = [TISSUES.index(tissue) for tissue in self.header.settings.network.tissues]
        assert not isinstance(self._network, CorrectingNetwork)  # these correct a guess
        cubes = []
        with torch.inference_mode():
            anatomy = torch.from_numpy(np.ascontiguousarray(tissues[:, channels])).to(self._torch_device)
            shared = self._network.encode(paired(anatomy))[:1] if len(tissues) == 1 else None
            for start in range(0, len(growth), _TIMES_AT_ONCE):
                rows = torch.from_numpy(growth[start : start + _TIMES_AT_ONCE].astype(np.float32))
                if shared is None:
                    code = self._network.encode(paired(anatomy[start : start + _TIMES_AT_ONCE]))[: len(rows)]
                else:
                    code = shared.expand(len(rows), -1, -1, -1, -1)
                predicted = self._network.decode(paired(code), paired(rows.to(self._torch_device)))[: len(rows)]
                cubes.append(predicted[:, 0].clamp(0.0, 1.0).float().cpu().numpy())
        return np.concatenate(cubes)

    def correct_guess(
        self, tissues: NDArray[np.float32], growth: NDArray[np.float64], guess: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Densities in [0, 1] of cubes around seeds, (n, S, S, S), of a network that corrects guesses.

        Parameters
        ----------
        tissues, growth
            As of `predict_cubes`.
        guess : (n, S, S, S) float32 array
            Log-odds of `guess.guess_logits`.
        """
        import torch

        from gliofield.learning.single_samples import paired

        channels = [TISSUES.index(tissue) for tissue in self.header.settings.network.tissues]
        cubes = []
        with torch.inference_mode():
            for start in range(0, len(growth), _TIMES_AT_ONCE):
                odds = torch.from_numpy(guess[start : start + _TIMES_AT_ONCE, np.newaxis])
                if self.guess_only:
                    cubes.append(odds[:, 0].sigmoid().numpy())
                    continue
                rows = growth[start : start + _TIMES_AT_ONCE].astype(np.float32)
                one_or_all = tissues if len(tissues) == 1 else tissues[start : start + _TIMES_AT_ONCE]
                anatomy = torch.from_numpy(one_or_all[:, channels]).expand(len(odds), -1, -1, -1, -1)
                inputs = (paired(each.to(self._torch_device)) for each in (anatomy, torch.from_numpy(rows), odds))
                cubes.append(self._network(*inputs)[: len(odds), 0].float().cpu().numpy())
        return np.concatenate(cubes)

    def _require_spacing(self, anatomy: Anatomy) -> None:
        if abs(anatomy.spacing_mm / self.header.spacing_mm - 1.0) > 1e-3:
            raise ParameterError(
                f"the anatomy has a spacing of {anatomy.spacing_mm:g} mm: expected {self.header.spacing_mm:g} mm, that "
                "of the surrogate's training. Resample it, or train a surrogate on this spacing."
            )

    def _require_domain_rule(self, anatomy: Anatomy) -> None:
        trained = self.header.domain_rule
        if trained is not None and anatomy.domain_rule != trained:
            raise ParameterError(
                f"the anatomy's domain follows the rule {anatomy.domain_rule!r}: expected {trained!r}, that of the "
                f"surrogate's training, for what counts as CSF depends on it. Make it by growth_domain(maps, "
                f"rule={trained!r})."
            )


def _center_in_tissue(anatomy: Anatomy, seed_mm: Sequence[float]) -> tuple[int, int, int]:
    """The voxel nearest to a seed, once that is known to be tissue."""
    seed_cells(anatomy, seed_mm)  # refuses what the solver refuses
    center = center_voxel(anatomy, seed_mm)
    if not anatomy.domain[center]:
        place = ", ".join(f"{x_mm:g}" for x_mm in seed_mm)
        raise ParameterError(
            f"seed_mm ({place}) lies outside the tissue, if close to it: expected one whose nearest voxel is tissue, "
            "as in the surrogate's training. Move the seed into the tissue, or use FisherKolmogorov."
        )
    return center
