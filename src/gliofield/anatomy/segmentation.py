"""Tumor segmentations and the label schemes they come in.

====================  ========  =====  =========  ====  ======
scheme                necrotic  edema  enhancing  cyst  cavity
====================  ========  =====  =========  ====  ======
``brats2021``         1         2      4
``brats2023``         1         2      3
``brats2024-post``    1         2      3                4
``nnunet``            2         1      3
``hd-glio``                     1      2
``brats-ped``         2         4      1          3
====================  ========  =====  =========  ====  ======

``nnunet`` is the order that nnU-Net's conversion of BraTS and task 1 of the Medical Segmentation Decathlon use,
``brats-ped`` that of the pediatric challenge (its necrotic is "non-enhancing"; Kazerooni et al. 2024,
arXiv:2404.15009).

`tumor_core` (necrotic, enhancing and cyst) is what T1Gd shows, `whole_tumor` (core + edema) what FLAIR shows; the whole
tumor includes the core. A resection cavity belongs to neither and is kept beside them. Enhancing tumor may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gliofield.errors import ParameterError, SegmentationError, unknown_name
from gliofield.grid import Grid
from gliofield.volume import Volume

# With more values than this, and larger ones, a file holds intensities.
_MOST_LABELS = 64
_CLASSES = ("necrotic", "edema", "enhancing", "cyst", "cavity")
# Names that BraTS gives its files since 2023, when enhancing tumor became 3.
_NAMED_SINCE_2023 = re.compile(r"[-_](t1n|t2f)\.nii(\.gz)?$", re.IGNORECASE)
# Labels kept as floats and stored as integers come back scaled: 1.00002 of 16 bits, 1.0039 of 8.
_LABEL_ROUNDING = 0.01
_NAMED_PEDIATRIC = re.compile(r"brats[-_ ]?peds?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class LabelScheme:
    """Which integer means which tissue; 0 is background everywhere.

    Parameters
    ----------
    name : str
        Name shown in results; of an own map its text, so results say what the labels were taken for.
    necrotic, edema, enhancing, cyst, cavity : int or None
        Label of each class, positive and distinct; None where the scheme has no such class.

    Raises
    ------
    ParameterError
        If labels are not distinct positive integers, or no tumor class is given.
    """

    name: str
    necrotic: int | None = None
    edema: int | None = None
    enhancing: int | None = None
    cyst: int | None = None
    cavity: int | None = None

    def __post_init__(self) -> None:
        labels = sorted(self.labels)
        given = [label for label in self._all if label is not None]
        if len(given) != len(labels) or any(label < 1 for label in labels):
            raise ParameterError(f"LabelScheme {self.name!r}: labels must be distinct and positive, got {given}.")
        if all(label is None for label in self._all[:-1]):
            raise ParameterError(f"LabelScheme {self.name!r}: at least one tumor class needs a label.")

    @property
    def _all(self) -> tuple[int | None, ...]:
        return (self.necrotic, self.edema, self.enhancing, self.cyst, self.cavity)

    @property
    def labels(self) -> frozenset[int]:
        """All labels of the scheme but the background."""
        return frozenset(label for label in self._all if label is not None)

    def describe(self) -> str:
        """One line, such as ``brats2021 (necrotic 1, edema 2, enhancing 4)``."""
        parts = [f"{name} {label}" for name, label in zip(_CLASSES, self._all, strict=True) if label is not None]
        return f"{self.name} ({', '.join(parts)})"


LABEL_SCHEMES: dict[str, LabelScheme] = {
    scheme.name: scheme
    for scheme in (
        LabelScheme(name="brats2021", necrotic=1, edema=2, enhancing=4),
        LabelScheme(name="brats2023", necrotic=1, edema=2, enhancing=3),
        LabelScheme(name="brats2024-post", necrotic=1, edema=2, enhancing=3, cavity=4),
        LabelScheme(name="nnunet", necrotic=2, edema=1, enhancing=3),
        LabelScheme(name="hd-glio", edema=1, enhancing=2),
        LabelScheme(name="brats-ped", necrotic=2, edema=4, enhancing=1, cyst=3),
    )
}


def label_scheme(text: str) -> LabelScheme:
    """Scheme from its name, or an own map such as ``"necrotic=1,edema=2,enhancing=3"``.

    Raises
    ------
    ParameterError
        If the name is unknown or the map cannot be understood.

    Examples
    --------
    >>> label_scheme("enhancing=1,edema=7").edema
    7
    """
    if "=" not in text:
        if text not in LABEL_SCHEMES:
            raise ParameterError(unknown_name("label scheme", text, LABEL_SCHEMES))
        return LABEL_SCHEMES[text]
    labels: dict[str, int] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _CLASSES or not value.isdecimal() or name in labels:
            raise ParameterError(
                f"label map {text!r} cannot be understood at {part!r}: expected NAME=LABEL with NAME once among "
                f"{', '.join(_CLASSES)} and LABEL a positive integer."
            )
        labels[name] = int(value)
    return LabelScheme(
        name=",".join(f"{name}={label}" for name, label in labels.items()),
        **{name: labels.get(name) for name in _CLASSES},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmentation:
    """The two masks a growth model is fitted to, on one grid.

    Parameters
    ----------
    tumor_core : (X, Y, Z) bool array
        Necrotic and enhancing tumor (the T1Gd mask). May be empty.
    whole_tumor : (X, Y, Z) bool array
        Core and edema (the FLAIR mask); includes the core.
    grid : Grid
        Their grid.
    scheme : str
        Name of the label scheme, or ``"masks"``.
    cavity : (X, Y, Z) bool array or None
        Resection cavity, outside the whole tumor: no cells live there. None where there is none.

    Raises
    ------
    SegmentationError
        If a shape differs from the grid's, the whole tumor is empty, does not include the core or meets the cavity.
    """

    tumor_core: NDArray[np.bool_]
    whole_tumor: NDArray[np.bool_]
    grid: Grid
    scheme: str = "masks"
    cavity: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name in ("tumor_core", "whole_tumor", "cavity"):
            mask = getattr(self, name)
            if mask is None and name == "cavity":
                continue
            if mask.shape != self.grid.shape or mask.dtype != bool:
                raise SegmentationError(
                    f"Segmentation: {name} must be a bool array of the grid's shape {self.grid.shape}, got "
                    f"{mask.dtype} of shape {mask.shape}."
                )
        if not self.whole_tumor.any():
            raise SegmentationError(
                "the segmentation holds no tumor: expected at least one voxel of necrotic, enhancing or edema. "
                "Check that the right file and label scheme were given."
            )
        outside = int(np.count_nonzero(self.tumor_core & ~self.whole_tumor))
        if outside:
            raise SegmentationError(
                f"whole_tumor must include tumor_core, but {outside} core voxels lie outside it. "
                "Were the two masks swapped?"
            )
        shared = 0 if self.cavity is None else int(np.count_nonzero(self.cavity & self.whole_tumor))
        if shared:
            raise SegmentationError(
                f"the cavity must lie outside whole_tumor, but {shared} of its voxels lie inside. Leave it out of the "
                "tumor."
            )

    def __repr__(self) -> str:
        return (
            f"Segmentation(scheme {self.scheme!r}, tumor_core {self.core_ml:.1f} ml, whole_tumor {self.whole_ml:.1f} ml"
            f"\n  {self.grid.describe()})"
        )

    @property
    def core_ml(self) -> float:
        """Volume of the tumor core [ml]."""
        return float(np.count_nonzero(self.tumor_core)) * self.grid.voxel_volume_ml

    @property
    def whole_ml(self) -> float:
        """Volume of the whole tumor [ml]."""
        return float(np.count_nonzero(self.whole_tumor)) * self.grid.voxel_volume_ml

    @property
    def cavity_ml(self) -> float:
        """Volume of the resection cavity [ml]; 0 where there is none."""
        return 0.0 if self.cavity is None else float(np.count_nonzero(self.cavity)) * self.grid.voxel_volume_ml

    @property
    def without_counterpart(self) -> NDArray[np.bool_]:
        """Tumor and cavity: what a healthy brain has no counterpart for."""
        return self.whole_tumor if self.cavity is None else self.whole_tumor | self.cavity

    @property
    def has_core(self) -> bool:
        """Whether any core voxel is set; without one only the FLAIR mask can be matched."""
        return bool(self.tumor_core.any())


def segmentation_from_labels(
    labels: Volume, *, scheme: LabelScheme | None = None, file_names: Sequence[str] = ()
) -> Segmentation:
    """Masks of a label image.

    Parameters
    ----------
    labels : Volume
        Integer labels (any numeric type holding integers).
    scheme : LabelScheme, optional
        What the labels mean; left out, it is told from the labels by `detect_label_scheme`.
    file_names : sequence of str
        Names of the files of the patient, further evidence for the scheme.

    Raises
    ------
    SegmentationError
        If values are not integers, a label is not of the scheme, the scheme cannot be told, or there is no tumor.
    """
    values = np.unique(labels.data)
    if len(values) > _MOST_LABELS < values[-1]:
        raise SegmentationError(
            f"this is an image with {len(values):,} different values, not a segmentation: expected a few labels, such "
            "as 1, 2 and 4. Give the segmentation of the tumor instead."
        )
    off = np.abs(values - np.rint(values)) > _LABEL_ROUNDING
    if off.any():
        odd = float(values[off][0])
        raise SegmentationError(
            f"labels must be integers, got the value {odd:g}. Either the file is an image, not a segmentation, or it "
            "was resampled with linear interpolation: then use the original, or nearest neighbor."
        )
    labels = Volume(np.rint(labels.data), labels.grid)
    found = {int(value) for value in np.rint(values)} - {0}
    if not found:
        raise SegmentationError(
            "the segmentation holds no tumor: all voxels are 0. Check that the right file was given."
        )
    chosen = scheme if scheme is not None else detect_label_scheme(found, file_names)
    unknown = found - chosen.labels
    if unknown:
        raise SegmentationError(
            f"labels {_shown(unknown)} are not of the scheme {chosen.describe()}; found {_shown(found)}. {_known()}"
        )
    in_core = (chosen.necrotic, chosen.enhancing, chosen.cyst)
    core = np.isin(labels.data, [value for value in in_core if value is not None])
    edema = labels.data == chosen.edema if chosen.edema is not None else np.zeros_like(core)
    cavity = labels.data == chosen.cavity if chosen.cavity in found else None
    return Segmentation(tumor_core=core, whole_tumor=core | edema, grid=labels.grid, scheme=chosen.name, cavity=cavity)


def segmentation_from_masks(tumor_core: Volume | None, whole_tumor: Volume) -> Segmentation:
    """Masks given as two images (0 and one other value each); the core is added to the whole tumor.

    Parameters
    ----------
    tumor_core : Volume or None
        Core mask; None when only FLAIR was segmented.
    whole_tumor : Volume
        Whole-tumor mask, or the edema alone.

    Raises
    ------
    GridMismatchError
        If the masks lie on different grids.
    SegmentationError
        If both are empty, or an image is no mask: labels and interpolated values mean something else than "set".
    """
    whole = _mask_of("whole-tumor mask", whole_tumor)
    core = np.zeros_like(whole)
    if tumor_core is not None:
        tumor_core.grid.require_same_as(whole_tumor.grid, self_name="core mask", other_name="whole-tumor mask")
        core = _mask_of("core mask", tumor_core)
    return Segmentation(tumor_core=core, whole_tumor=whole | core, grid=whole_tumor.grid)


def detect_label_scheme(labels: set[int], file_names: Sequence[str] = ()) -> LabelScheme:
    """Scheme of a set of labels: `brats2021` without a 3, `brats2023` with 3 and without 4.

    Raises
    ------
    SegmentationError
        If several schemes are as likely: 3 and 4 occur together, 2 and 4 without 1, 4 in files named as since 2023
        (``-t1n``, ``-t2f``), or files are named as in the pediatric challenge; or if a label outside 1 to 4 occurs.
    """
    unknown = labels - {1, 2, 3, 4}
    if unknown:
        raise SegmentationError(
            f"labels {_shown(unknown)} belong to no known scheme; found {_shown(labels)}. {_known()}"
        )
    if {3, 4} <= labels:
        raise SegmentationError(
            f"labels 3 and 4 occur together, which fits several schemes; found {_shown(labels)}. {_known()}"
        )
    pediatric = next((name for name in file_names if _NAMED_PEDIATRIC.search(name)), None)
    if pediatric is not None:
        raise SegmentationError(
            f"{pediatric} is named as in the pediatric challenge, whose labels mean other tissues than in other years; "
            f"found {_shown(labels)}. Name the scheme, for example --labels brats-ped. {_known()}"
        )
    recent = next((name for name in file_names if _NAMED_SINCE_2023.search(name)), None)
    if 4 in labels and recent is not None:
        raise SegmentationError(
            f"label 4 in files named as since 2023 ({recent}) is a resection cavity or, in the pediatric challenge, "
            f"edema, while it was enhancing tumor until 2021; found {_shown(labels)}. Name the scheme. {_known()}"
        )
    if {2, 4} <= labels and 1 not in labels:
        raise SegmentationError(
            f"labels 2 and 4 without 1: 4 is enhancing tumor (brats2021) or, after surgery, a cavity; found "
            f"{_shown(labels)}. Say which, for example --labels brats2021 or --labels brats2024-post. {_known()}"
        )
    return LABEL_SCHEMES["brats2023" if 3 in labels else "brats2021"]


def _mask_of(name: str, image: Volume) -> NDArray[np.bool_]:
    values = np.unique(image.data)
    if np.count_nonzero(values) > 1:
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", …" if len(values) > 6 else "")
        raise SegmentationError(
            f"{name}: expected 0 and one other value, got {len(values):,} values ({shown}). If this is an image of "
            "labels, give a mask of one of them; if it is an interpolated mask, threshold it at 0.5 first."
        )
    return np.asarray(image.data != 0)


def _shown(labels: set[int]) -> str:
    """The labels in order, the first of them where there are many."""
    return f"[{', '.join(map(str, sorted(labels)[:8]))}{', …' if len(labels) > 8 else ''}]"


def _known() -> str:
    schemes = "; ".join(scheme.describe() for scheme in LABEL_SCHEMES.values())
    return f"Known schemes: {schemes}. Name one (--labels), or give a map of your own: necrotic=1,edema=2,enhancing=3."
