"""What the networks of an evaluation have in common and how they learned: curves, and tables over what was varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gliofield_papers.retrieval.evaluation import RetrievalEvaluation
from gliofield_papers.retrieval.scores import StrategyResult

MODALITIES = ("flair", "t1gd")
LOSS_PART = "loss"


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """One part of a network's loss over its training.

    Parameters
    ----------
    label : str
        The network.
    modality : str
        ``flair`` or ``t1gd``.
    part : str
        ``loss``, or the name of a part of it.
    epochs : tuple of int
        Epochs.
    training, validation : tuple of float
        Means of each epoch; NaN where an epoch does not have the part.
    """

    label: str
    modality: str
    part: str
    epochs: tuple[int, ...]
    training: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class NetworkRow:
    """A network on one group of queries, with what distinguishes it from others.

    Parameters
    ----------
    label, kind, loss, setting, group : str
        `setting` is ``papers`` or ``small``; `loss` its reconstruction loss.
    latent_size, num_training_tumors, num_epochs : int
        Of the network; epochs of the longer of its two trainings.
    validation_flair, validation_t1gd : float
        Least validation loss.
    reconstruction_flair, reconstruction_t1gd : float
        Mean Dice of reconstructions.
    top1, top5, top15, dice_lost : float
        As in `StrategyScore`.
    """

    label: str
    kind: str
    latent_size: int
    loss: str
    num_training_tumors: int
    setting: str
    num_epochs: int
    group: str
    validation_flair: float
    validation_t1gd: float
    reconstruction_flair: float
    reconstruction_t1gd: float
    top1: float
    top5: float
    top15: float
    dice_lost: float


def learning_curves(strategies: Sequence[StrategyResult]) -> tuple[LearningCurve, ...]:
    """Every part of the loss of every network and modality; trainings without epochs have none."""
    curves = []
    for result in strategies:
        network = result.strategy.network
        for modality, history in () if network is None else sorted(network.history.items()):
            epochs = list(history.epochs)
            names = dict.fromkeys(name for epoch in epochs for name in (*epoch.training, *epoch.validation))
            curves += [
                LearningCurve(
                    label=result.label,
                    modality=modality,
                    part=name,
                    epochs=tuple(epoch.epoch for epoch in epochs),
                    training=tuple(float(epoch.training.get(name, float("nan"))) for epoch in epochs),
                    validation=tuple(float(epoch.validation.get(name, float("nan"))) for epoch in epochs),
                )
                for name in sorted(names, key=lambda name: (name != LOSS_PART, name))
            ]
    return tuple(curves)


def network_rows(evaluation: RetrievalEvaluation) -> tuple[NetworkRow, ...]:
    """A row per network and group, grouped by kind, loss, number of training tumors and latent size."""
    scores = {(score.label, score.group): score for score in evaluation.scores()}
    rebuilt = {(score.label, score.group): score for score in evaluation.reconstructions()}
    undefined = float("nan")
    rows = []
    for result in evaluation.strategies:
        network = result.strategy.network
        if network is None:
            continue
        curves = [curve for curve in learning_curves([result]) if curve.part == LOSS_PART]
        least = {curve.modality: _least(curve.validation) for curve in curves}
        for group in evaluation.groups:
            score, reconstruction = scores.get((result.label, group)), rebuilt.get((result.label, group))
            if score is None:
                continue
            rows.append(
                NetworkRow(
                    label=result.label,
                    kind=network.kind,
                    latent_size=network.latent_size,
                    loss=network.loss,
                    num_training_tumors=network.num_training_tumors,
                    setting="small" if network.is_small else "papers",
                    num_epochs=max((len(curve.epochs) for curve in curves), default=0),
                    group=group,
                    validation_flair=least.get("flair", undefined),
                    validation_t1gd=least.get("t1gd", undefined),
                    reconstruction_flair=undefined if reconstruction is None else reconstruction.dice_flair,
                    reconstruction_t1gd=undefined if reconstruction is None else reconstruction.dice_t1gd,
                    top1=score.top1,
                    top5=score.top5,
                    top15=score.top15,
                    dice_lost=score.dice_lost,
                )
            )
    return tuple(
        sorted(rows, key=lambda row: (row.group, row.kind, row.loss, row.num_training_tumors, row.latent_size))
    )


def _least(values: Sequence[float]) -> float:
    """Least value that is not NaN; NaN if there is none."""
    return min((value for value in values if value == value), default=float("nan"))
