"""Targets of a radiotherapy plan: what is seen, the guideline's margin around it, and what a map says instead.

    GTV             the core, with the resection cavity where there is one; the whole tumor where a guideline says so
    guideline CTV   {x : shortest way through tissue from the GTV to x ≤ margin}                        (`geodesic`)
    model CTV       the first voxels of a ranking: at the guideline's volume, or as many as hold 95 % of the expected
                    cells outside the core

Every CTV contains its GTV, and stays where a way through tissue leads. *Trims* say how far it goes on behind each
barrier [mm]; 0 everywhere unless the user says otherwise.

A model CTV is put into a form that can be delivered (`delivered`): with the GTV, without pieces below 0.1 ml, holes and
empty slices between pieces; what that cost is said. Rankings of the field are scored on the raw map instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.anatomy import Segmentation
from gliofield.box import box_of, slices_of, widened
from gliofield.errors import ImageError, ParameterError, SegmentationError, unknown_name
from gliofield.radiotherapy.barriers import Barriers
from gliofield.radiotherapy.geodesic import geodesic_distance_mm
from gliofield.volume import Volume

Kind = Literal["GTV", "CTV"]

#: Most characters of a target's name: planning systems cut longer ones.
MAX_NAME = 16
#: Pieces of a target below this are left out [ml].
SMALLEST_PIECE_ML = 0.1
#: How far from the GTV, through tissue, a model may put its target [mm]. *Chosen*.
REACH_MM = 40.0
# A piece of tumor this little of which lies beyond a wall does not pass it: the registration is that wrong.
_SHARE_BEYOND_WALL = 0.1
_DELIVERY_STEPS, _VOLUME_TOLERANCE = 8, 0.002


@dataclass(frozen=True, kw_only=True)
class Guideline:
    """How a guideline makes a CTV.

    Parameters
    ----------
    name : str
        As the command knows it.
    target : str
        Name of its CTV, at most 16 characters.
    margin_mm : float
        Margin around the GTV [mm], > 0.
    around : {"core", "whole tumor"}
        What its GTV is of, beside a resection cavity.
    source : str
        Where it is written.

    Raises
    ------
    ParameterError
        If the margin is not positive.
    """

    name: str
    target: str
    margin_mm: float
    around: Literal["core", "whole tumor"]
    source: str

    def __post_init__(self) -> None:
        if not 0.0 < self.margin_mm < 100.0:
            raise ParameterError(f"margin_mm must lie between 0 and 100 mm, got {self.margin_mm:g}.")


_ESTRO = "Niyazi et al. (2023), ESTRO-EANO guideline on target delineation of glioblastoma, Radiother Oncol 184:109663"
_IDH = "Baumert et al., ESTRO-EANO guideline on target delineation of IDH-mutant diffuse glioma WHO CNS grade 2 and 3"
_NRG = (
    "Kruser et al. (2019), NRG brain tumor specialists consensus guidelines for glioblastoma contouring, J Neurooncol"
)
GUIDELINES: dict[str, Guideline] = {
    each.name: each
    for each in (
        Guideline(name="estro-eano-2023", target="CTV_ESTRO_15", margin_mm=15.0, around="core", source=_ESTRO),
        Guideline(name="idh-mutant-grade2", target="CTV_IDH2_10", margin_mm=10.0, around="whole tumor", source=_IDH),
        Guideline(name="idh-mutant-grade3", target="CTV_IDH3_15", margin_mm=15.0, around="whole tumor", source=_IDH),
        Guideline(name="nrg", target="CTV_NRG_20", margin_mm=20.0, around="core", source=_NRG),
    )
}
DEFAULT_GUIDELINE = "estro-eano-2023"


def guideline_named(name: str, *, margin_mm: float | None = None) -> Guideline:
    """A guideline by its name, with another margin where one is given [mm].

    Raises
    ------
    ParameterError
        If the name is unknown or the margin not positive.

    Examples
    --------
    >>> guideline_named("nrg").margin_mm, guideline_named("nrg", margin_mm=12.5).target
    (20.0, 'CTV_margin_12.5')
    """
    if name not in GUIDELINES:
        raise ParameterError(unknown_name("guideline", name, GUIDELINES))
    found = GUIDELINES[name]
    if margin_mm is None:
        return found
    return Guideline(
        name=f"{name}, own margin",
        target=f"CTV_margin_{margin_mm:g}"[:MAX_NAME],
        margin_mm=margin_mm,
        around=found.around,
        source=f"a margin of the user's own, on the GTV of: {found.source}",
    )


@dataclass(frozen=True, kw_only=True)
class Trims:
    """How far a CTV goes on behind each barrier [mm], ≥ 0.

    Raises
    ------
    ParameterError
        If one is negative.
    """

    outer_brain_mm: float = 0.0
    ventricles_mm: float = 0.0
    falx_mm: float = 0.0
    tentorium_mm: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0.0:
                raise ParameterError(f"{name} must be ≥ 0 [mm], got {value}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """One volume of a plan.

    Parameters
    ----------
    name : str
        At most 16 characters.
    kind : {"GTV", "CTV"}
        What it is called in a plan.
    mask : Volume
        Bool, on the case's grid, RAS+; not empty.
    description : str
        One sentence: how it was made.
    details : mapping
        Numbers behind it, JSON-ready.

    Raises
    ------
    ParameterError
        If the name is empty or too long, or the kind unknown.
    ImageError
        If the mask is not bool, or empty.
    """

    name: str
    kind: Kind
    mask: Volume
    description: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MAX_NAME:
            raise ParameterError(f"the name of a target must have 1 to {MAX_NAME} characters, got {self.name!r}.")
        if self.kind not in ("GTV", "CTV"):
            raise ParameterError(f"the kind of target {self.name} must be GTV or CTV, got {self.kind!r}.")
        if self.mask.data.dtype != bool or not self.mask.data.any():
            raise ImageError(
                f"target {self.name}: expected a bool mask with at least one voxel, got {self.mask.data.dtype} with "
                f"{int(np.count_nonzero(self.mask.data))} voxels set."
            )

    @property
    def volume_ml(self) -> float:
        """Its volume [ml]."""
        return float(np.count_nonzero(self.mask.data)) * self.mask.grid.voxel_volume_ml

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.kind}, {self.volume_ml:.1f} ml: {self.description})"


def gross_tumor(segmentation: Segmentation, around: Literal["core", "whole tumor"] = "core") -> Target:
    """The GTV: core or whole tumor, with the resection cavity where there is one.

    Raises
    ------
    SegmentationError
        If it is to be the core, and there is neither a core nor a cavity.
    """
    mask = segmentation.tumor_core if around == "core" else segmentation.whole_tumor
    words = "tumor core (enhancing and necrotic)" if around == "core" else "whole tumor (core and FLAIR)"
    if segmentation.cavity is not None and segmentation.cavity.any():
        mask, words = mask | segmentation.cavity, f"resection cavity and {words}"
    if not mask.any():
        raise SegmentationError(
            "there is no GTV: this guideline's is the tumor core, and the segmentation has none. Choose a guideline "
            "around the whole tumor, such as --guideline idh-mutant-grade2 or idh-mutant-grade3."
        )
    return Target(name="GTV", kind="GTV", mask=Volume(mask, segmentation.grid), description=f"What is seen: {words}.")


def settle_walls(barriers: Barriers, seen: NDArray[np.bool_]) -> Barriers:
    """Barriers that agree with what is seen: a piece of tumor passes a wall only if a tenth of it lies beyond.

    A registration knows falx and tentorium to some millimeters. A tumor that lies along one would else seed a margin on
    the other side.

    Parameters
    ----------
    barriers : Barriers
        As the atlas has them.
    seen : (X, Y, Z) bool array
        Tumor and cavity.
    """
    compartments = barriers.compartments.copy()
    pieces, number = ndimage.label(seen, structure=np.ones((3, 3, 3)))
    for piece, window in enumerate(ndimage.find_objects(pieces), start=1):
        here = pieces[window] == piece
        labels = compartments[window]
        counts = np.bincount(labels[here], minlength=4)
        counts[0] = 0  # bridges are open anyway
        if not counts.any():
            continue
        rare = np.flatnonzero((counts > 0) & (counts < _SHARE_BEYOND_WALL * counts.sum()))
        labels[here & np.isin(labels, rare)] = int(np.argmax(counts))
    return Barriers(
        compartments=compartments,
        ventricles=barriers.ventricles & ~seen,
        brain=barriers.brain | seen,
        grid=barriers.grid,
    )


def reach_mm(gtv: Target, barriers: Barriers, *, largest_mm: float = REACH_MM) -> NDArray[np.float32]:
    """Shortest way through tissue from the GTV to each voxel [mm], (X, Y, Z); infinite beyond the largest."""
    barriers.grid.require_same_as(gtv.mask.grid, self_name="barriers", other_name=gtv.name)
    return geodesic_distance_mm(
        gtv.mask.data,
        barriers.region | gtv.mask.data,
        barriers.grid.spacing_mm,
        compartments=barriers.compartments,
        largest_mm=largest_mm,
    )


def guideline_target(gtv: Target, barriers: Barriers, guideline: Guideline, *, trims: Trims | None = None) -> Target:
    """The CTV of a guideline: its margin around the GTV, along ways through tissue.

    Parameters
    ----------
    gtv : Target
        What the margin is around.
    barriers : Barriers
        What ways may not pass; `open_barriers` for a plain margin.
    guideline : Guideline
        The margin.
    trims : Trims, optional
        How far it goes on behind barriers.

    Raises
    ------
    GridMismatchError
        If GTV and barriers lie on different grids.
    """
    chosen, spacing_mm = Trims() if trims is None else trims, barriers.grid.spacing_mm
    mask = reach_mm(gtv, barriers, largest_mm=guideline.margin_mm) <= guideline.margin_mm
    more = int(np.ceil(guideline.margin_mm / min(spacing_mm))) + 1
    window = slices_of(widened(box_of(gtv.mask.data), more, mask.shape))
    plain = np.zeros_like(mask)
    plain[window] = (
        np.asarray(ndimage.distance_transform_edt(~gtv.mask.data[window], sampling=spacing_mm)) <= guideline.margin_mm
    )
    mask = _beyond_barriers(mask, plain, barriers, chosen) | gtv.mask.data
    cut_ml = float(np.count_nonzero(plain & ~mask & barriers.brain)) * barriers.grid.voxel_volume_ml
    return Target(
        name=guideline.target,
        kind="CTV",
        mask=Volume(mask, barriers.grid),
        description=f"GTV with {guideline.margin_mm:g} mm along the shortest way through tissue ({guideline.name}).",
        details={
            "guideline": guideline.name,
            "source": guideline.source,
            "margin_mm": guideline.margin_mm,
            "trims_mm": vars(chosen),
            "cut_by_barriers_in_brain_ml": cut_ml,
        },
    )


def _beyond_barriers(
    mask: NDArray[np.bool_], plain: NDArray[np.bool_], barriers: Barriers, trims: Trims
) -> NDArray[np.bool_]:
    """The mask with what lies behind a barrier, within its trim of the mask, and within the plain margin."""
    by_trim = [
        (trims.outer_brain_mm, ~barriers.brain),
        (trims.ventricles_mm, barriers.ventricles),
        (trims.falx_mm, barriers.behind("falx", mask) & barriers.region),
        (trims.tentorium_mm, barriers.behind("tentorium", mask) & barriers.region),
    ]
    if all(trim == 0.0 for trim, _ in by_trim):
        return mask
    from_mask_mm = np.asarray(ndimage.distance_transform_edt(~mask, sampling=barriers.grid.spacing_mm))
    grown = mask.copy()
    for trim_mm, zone in by_trim:
        grown |= zone & plain & (from_mask_mm <= trim_mm) & (trim_mm > 0.0)
    return grown


def delivered(raw: NDArray[np.bool_], gtv: Target, barriers: Barriers) -> NDArray[np.bool_]:
    """A mask as it can be delivered, (X, Y, Z).

    The GTV is in it. A piece below 0.1 ml is not, nor one that lies beyond a wall and is not connected to the GTV
    through a bridge, nor one that an empty axial slice parts from all that holds GTV. Holes are filled, but not those
    that are ventricles.

    Parameters
    ----------
    raw : (X, Y, Z) bool array
        The first voxels of a ranking.
    gtv : Target
        What is seen.
    barriers : Barriers
        Walls, and where cells may live.
    """
    window = slices_of(widened(box_of(raw | gtv.mask.data), 1, raw.shape))
    seen, region, walls = gtv.mask.data[window], barriers.region[window], barriers.compartments[window]
    mask = (raw[window] & region) | seen
    joined = np.isfinite(geodesic_distance_mm(seen, mask, barriers.grid.spacing_mm, compartments=walls))
    pieces, _ = ndimage.label(mask & ~joined & np.isin(walls, np.unique(walls[seen])))
    sizes = np.bincount(pieces.ravel()) * barriers.grid.voxel_volume_ml
    sizes[0] = 0.0
    mask = joined | (sizes >= SMALLEST_PIECE_ML)[pieces]
    mask |= _holes(mask) & region & np.isin(walls, np.unique(walls[seen]))
    form = np.zeros(raw.shape, dtype=np.bool_)
    form[window] = _without_gaps(mask, seen)
    return form


def _holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels that a mask encloses within an axial slice."""
    filled = [ndimage.binary_fill_holes(mask[:, :, z]) for z in range(mask.shape[2])]
    return np.asarray(np.stack(filled, axis=2) & ~mask)


def _without_gaps(mask: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without runs of axial slices that hold no GTV and that an empty slice parts from those that do."""
    runs, _ = ndimage.label(mask.any(axis=(0, 1)))
    return mask & np.isin(runs, runs[seen.any(axis=(0, 1))])


def first_voxels(
    ranking: NDArray[np.floating],
    volume_ml: float,
    gtv: Target,
    barriers: Barriers,
    reachable: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The first voxels of a ranking whose delivered form has a volume, and that form, both (X, Y, Z).

    How many are taken is found by bisection, to 0.2 % of the volume or the nearest that there is.

    Parameters
    ----------
    ranking : (X, Y, Z) array
        Larger values first; ties by their place in the array.
    volume_ml : float
        Volume wanted [ml]; that of the GTV if it is less.
    gtv : Target
        What is seen.
    barriers : Barriers
        Walls, and where cells may live.
    reachable : (X, Y, Z) bool array
        What can be chosen.
    """
    chosen = reachable & barriers.region & ~gtv.mask.data
    places = np.flatnonzero(chosen)
    order = places[np.argsort(-ranking.ravel()[places], kind="stable")]
    one_ml = barriers.grid.voxel_volume_ml
    wanted = int(round(volume_ml / one_ml)) - int(np.count_nonzero(gtv.mask.data))

    def take(count: int) -> NDArray[np.bool_]:
        mask = gtv.mask.data.copy()
        mask.ravel()[order[:count]] = True
        return mask

    low, high, count = 0, len(order), int(np.clip(wanted, 0, len(order)))
    best_raw, best = take(count), delivered(take(count), gtv, barriers)
    for _ in range(_DELIVERY_STEPS):
        gap = int(np.count_nonzero(best)) - int(round(volume_ml / one_ml))
        if abs(gap) * one_ml <= max(_VOLUME_TOLERANCE * volume_ml, one_ml):
            break
        low, high = (low, count) if gap > 0 else (count, high)
        count = int(np.clip(count - gap, low, high))
        raw = take(count)
        form = delivered(raw, gtv, barriers)
        if abs(int(np.count_nonzero(form)) - int(round(volume_ml / one_ml))) >= abs(gap):
            break
        best_raw, best = raw, form
    return best_raw, best


def volume_holding(
    expected: NDArray[np.floating], share: float, outside_core: NDArray[np.bool_], reachable: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """The fewest voxels that hold a share of the expected cells outside the core, and the share they hold.

    Parameters
    ----------
    expected : (X, Y, Z) array
        Expected cell density.
    share : float
        Wanted share of the cells, in (0, 1].
    outside_core : (X, Y, Z) bool array
        Where cells count: what can be treated, without the core.
    reachable : (X, Y, Z) bool array
        What can be chosen; less than the share is held if it holds no more.

    Raises
    ------
    ParameterError
        If the share is out of range.

    Examples
    --------
    >>> expected = np.array([[[0.6, 0.3, 0.1]]])
    >>> everywhere = np.ones((1, 1, 3), dtype=bool)
    >>> mask, held = volume_holding(expected, 0.8, everywhere, everywhere)
    >>> mask[0, 0].tolist(), round(held, 2)
    ([True, True, False], 0.9)
    """
    if not 0.0 < share <= 1.0:
        raise ParameterError(f"share must lie in (0, 1], got {share}.")
    mask = np.zeros(expected.shape, dtype=np.bool_)
    cells = np.where(outside_core, expected, 0.0)
    total = float(cells.sum(dtype=np.float64))
    places = np.flatnonzero((cells > 0.0) & reachable)
    if not len(places) or total <= 0.0:
        return mask, 0.0
    values = cells.ravel()[places].astype(np.float64)
    order = np.argsort(-values, kind="stable")
    held = np.cumsum(values[order]) / total
    count = min(int(np.searchsorted(held, share * (1.0 - 1e-12))) + 1, len(order))
    mask.ravel()[places[order[:count]]] = True
    return mask, float(held[count - 1])
