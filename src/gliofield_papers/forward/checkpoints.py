"""Surrogates that are evaluated together: what their checkpoints must have in common, and what tests must not share.

All are asked about the same cubes around the same seeds, so cube, spacing, rule of the domain and trained ranges must
be equal; loss and the tissues that a network knows may differ, for those are what the paper's ablations compare.
Everything can be checked before a tumor is simulated.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gliofield.anatomy import Anatomy
from gliofield.errors import ParameterError
from gliofield.records import to_record
from gliofield_papers.surrogate import LearnedFisherKolmogorov, SurrogateHeader, SurrogateSamples

_SPACING_SLACK = 1e-3
#: Name of the control.
GUESS_ALONE = "guess alone"


def load_surrogates(
    checkpoints: Sequence[str | os.PathLike[str]], *, device: str = "auto"
) -> tuple[LearnedFisherKolmogorov, ...]:
    """Trained surrogates that can be asked about the same tumors; last, as a control, a guess that one corrects.

    Parameters
    ----------
    checkpoints : sequence of path
        Trained surrogates, at least one, each once.
    device : str
        Where networks compute: ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    CheckpointError
        If a checkpoint cannot be read, or its weights do not fit what it says of its network.
    ParameterError
        If there is none, one is given twice, or they differ in cube, spacing, rule of the domain or trained ranges.
    """
    if not checkpoints:
        raise ParameterError("there is nothing to evaluate: give at least one checkpoint.")
    files = [os.path.realpath(path) for path in checkpoints]
    for number, path in enumerate(files):
        if path in files[:number]:
            raise ParameterError(f"{os.fspath(checkpoints[number])} is given twice: expected each checkpoint once.")
    models = tuple(LearnedFisherKolmogorov(checkpoint=os.fspath(path), device=device) for path in checkpoints)
    first = models[0]
    for model in models[1:]:
        differences = _differences(_conditions(model.header), _conditions(first.header))
        if differences:
            raise ParameterError(
                f"{model.checkpoint} and {first.checkpoint} cannot be asked about the same tumors, the first differs "
                f"in {differences}. Evaluate them one by one."
            )
    correcting = [model for model in models if model.header.settings.network.corrects_guess]
    return (*models, *(replace(model, guess_only=True) for model in correcting[:1]))


def surrogate_names(models: Sequence[LearnedFisherKolmogorov]) -> tuple[str, ...]:
    """Names that tell surrogates apart: of the files, or whole paths where two files have the same name."""
    names = [GUESS_ALONE if model.guess_only else os.path.basename(model.checkpoint) for model in models]
    return tuple(model.checkpoint if names.count(name) > 1 else name for model, name in zip(models, names, strict=True))


def require_fitting_anatomies(models: Sequence[LearnedFisherKolmogorov], anatomies: Sequence[Anatomy]) -> None:
    """Refuse anatomies that a surrogate was trained or validated in, or whose domain follows another rule.

    Raises
    ------
    ParameterError
        If a surrogate does not fit them.
    """
    hashes = {anatomy.content_hash for anatomy in anatomies}
    for model in models:
        header = model.header
        seen = hashes & {*header.trained_on["anatomies"], *header.validated_on["anatomies"]}
        if seen:
            raise ParameterError(
                f"{model.checkpoint} was trained or validated in {len(seen)} of the anatomies of the tests: expected "
                "unseen ones. Take anatomies of other numbers, or other patients."
            )
        rules = {anatomy.domain_rule for anatomy in anatomies} - {header.domain_rule}
        if header.domain_rule is not None and rules:
            raise ParameterError(
                f"{model.checkpoint} was trained in domains of the rule {header.domain_rule!r}, those of the tests "
                f"follow {', '.join(repr(rule) for rule in sorted(rules))}. Make the anatomies by that rule."
            )


def require_fitting_samples(models: Sequence[LearnedFisherKolmogorov], samples: SurrogateSamples) -> None:
    """Refuse samples of another cube, spacing or range than those of the training, or in anatomies that do not fit.

    Raises
    ------
    ParameterError
        If a surrogate does not fit them.
    """
    of_samples = {
        "crop_size": samples.crop_size,
        "spacing_mm": samples.spacing_mm,
        "domain_rule": None,
        **to_record(samples.ranges),
    }
    for model in models:
        differences = _differences(_conditions(model.header), of_samples)
        if differences:
            raise ParameterError(
                f"{model.checkpoint} was not trained for these samples, it differs from them in {differences}. "
                "Simulate samples for it."
            )
    require_fitting_anatomies(models, samples.anatomies)


def _conditions(header: SurrogateHeader) -> dict[str, Any]:
    return {
        "crop_size": header.settings.network.crop_size,
        "spacing_mm": header.spacing_mm,
        "domain_rule": header.domain_rule,
        **to_record(header.settings.ranges),
    }


def _differences(own: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """What differs, for a message, of what both know; empty if nothing does."""
    pairs = {name: (value, others[name]) for name, value in own.items()}
    return ", ".join(
        f"{name} ({value}, not {other})"
        for name, (value, other) in pairs.items()
        if None not in (value, other) and not (_is_near(value, other) if name == "spacing_mm" else value == other)
    )


def _is_near(spacing_mm: float, other_mm: float) -> bool:
    return abs(spacing_mm / other_mm - 1.0) <= _SPACING_SLACK
