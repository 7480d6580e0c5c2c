"""What a scanner shows of a virtual patient: T1, T1Gd and FLAIR of tissue and tumor, and the labels of BraTS.

Arbitrary units, about 1000 for the brightest tissue, with an intensity bias and noise; no physics of a scanner. The
tumor enters as masks (`TumorSigns`), so what FLAIR shows need not be what the density says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.grid import Grid
from gliofield.resample import resample
from gliofield.virtual.brain import VirtualBrain
from gliofield.volume import Volume

#: Endings of the files, by modality.
IMAGE_ENDINGS = {"t1": "t1", "t1c": "t1ce", "flair": "flair"}
#: Labels of ``brats2024-post``, which are those of ``brats2023`` where there is no cavity.
_NECROTIC, _EDEMA, _ENHANCING, _CAVITY = 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class TumorSigns:
    """What images show of a tumor, bool arrays (X, Y, Z) on the grid of the images.

    Parameters
    ----------
    whole_tumor : array
        Bright in FLAIR; includes the core.
    tumor_core : array
        Core that T1Gd shows.
    necrotic : array
        Part of the core that does not enhance.
    cavity : array or None
        Resection cavity, filled with water, outside the whole tumor.
    """

    whole_tumor: NDArray[np.bool_]
    tumor_core: NDArray[np.bool_]
    necrotic: NDArray[np.bool_]
    cavity: NDArray[np.bool_] | None = None

    def labels(self) -> NDArray[np.uint8]:
        """Labels of BraTS: necrotic 1, edema 2, enhancing 3, cavity 4."""
        labels = np.zeros(self.whole_tumor.shape, dtype=np.uint8)
        labels[self.whole_tumor] = _EDEMA
        labels[self.tumor_core] = _ENHANCING
        labels[self.necrotic & self.tumor_core] = _NECROTIC
        if self.cavity is not None:
            labels[self.cavity] = _CAVITY
        return labels


def paint_images(brain: VirtualBrain, signs: TumorSigns, *, rng: np.random.Generator) -> dict[str, Volume]:
    """``t1``, ``t1c`` and ``flair`` of tissue and tumor, 0 outside the brain.

    Parameters
    ----------
    brain : VirtualBrain
        Tissue as it lies, pushed where the tumor pushes.
    signs : TumorSigns
        What of the tumor is seen.
    rng : Generator
        Draws bias and noise of the three images, in this order; an equal one gives equal noise.
    """
    maps = brain.maps
    t1 = 1000.0 * brain.t1 / np.percentile(brain.t1[maps.brain], 99)
    edema = ndimage.gaussian_filter(signs.whole_tumor.astype(np.float32), 1.0)
    core = ndimage.gaussian_filter(signs.tumor_core.astype(np.float32), 0.7)
    necrosis = ndimage.gaussian_filter(signs.necrotic.astype(np.float32), 0.7)
    t1_tumor = t1 * (1.0 - 0.25 * edema - 0.25 * necrosis)
    t1c = t1_tumor + 550.0 * np.clip(core - necrosis, 0.0, 1.0)
    flair = 520.0 * maps.white_matter + 680.0 * maps.gray_matter + 120.0 * maps.csf
    flair = flair + 420.0 * edema - 250.0 * necrosis
    clean = {"t1": t1_tumor, "t1c": t1c, "flair": flair}
    if signs.cavity is not None:
        water = ndimage.gaussian_filter(signs.cavity.astype(np.float32), 0.7)
        clean = {
            name: image * (1.0 - water) + level * water
            for (name, image), level in zip(clean.items(), (250.0, 250.0, 150.0), strict=True)
        }
    return {name: Volume(_as_acquired(image, maps.brain, rng), maps.grid) for name, image in clean.items()}


def _as_acquired(
    image: NDArray[np.floating], brain: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Intensity bias of ± 10 %, noise of 2 %, integers ≥ 1 inside the brain and 0 outside."""
    fine = Grid.axis_aligned(image.shape, 1.0, (0.0, 0.0, 0.0))
    coarse = Grid.axis_aligned(tuple(n // 40 + 3 for n in image.shape), 40.0, (-20.0, -20.0, -20.0))
    bias = resample(Volume(rng.standard_normal(coarse.shape, dtype=np.float32), coarse), fine).data
    noisy = image * (1.0 + 0.1 * bias / np.abs(bias).max()) + 20.0 * rng.standard_normal(image.shape, dtype=np.float32)
    return np.where(brain, np.maximum(np.rint(noisy), 1.0), 0.0).astype(np.float32)
