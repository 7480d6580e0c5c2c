"""The laws of inverse methods (`imaging.InverseMethod`).

A method is asked once in each space it wants, with and without a tumor core, and runs through `personalize` on the
phantom's patient to a saved result folder.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gliofield.anatomy import Atlas, SpaceRequest
from gliofield.errors import SegmentationError
from gliofield.growth import SEED_NAMES
from gliofield.imaging import Candidate, Estimate, InverseMethod, Observation
from gliofield.leftovers import scratch_folder
from gliofield.pipeline import (
    Case,
    PersonalizationResult,
    PersonalizationSettings,
    find_case_files,
    make_space,
    observe,
    personalize,
    read_case,
)
from gliofield.progress import ignore_progress
from gliofield.registration import Transform
from gliofield.testing.laws import Laws, laws_of
from gliofield.testing.phantom_brain import PHANTOM_GRID, phantom_atlas, write_phantom_patient

# Atlas and patient of the phantom share one world.
_SETTINGS = PersonalizationSettings(registration="none")
_FILES = ("density_patient.nii.gz", "density_atlas.nii.gz", "parameters.json", "quality.json", "provenance.json")


def check_inverse_method(method: InverseMethod) -> None:
    """Check that an inverse method keeps the laws of its protocol, on the patient of the phantom.

    Parameters
    ----------
    method : InverseMethod
        The method, ready to be asked. What it is made of (a database, networks) must be of the phantom's atlas:
        `build_phantom_database`, `phantom_atlas`.

    Raises
    ------
    BrokenLawError
        If a law is broken: the message says which, and by what value.

    Examples
    --------
    >>> from gliofield.pipeline import DistanceMethod
    >>> check_inverse_method(DistanceMethod())
    """
    laws = laws_of("inverse method", method)
    law = "it must have name, references, request_space(wanted) and estimate(observation, *, report)"
    laws.require(isinstance(method, InverseMethod), law, type(method).__name__)
    laws.require_texts(method.references, "references")
    atlas = phantom_atlas()
    requests = _requests(laws, method, atlas)
    with scratch_folder() as folder:
        patient = write_phantom_patient(Path(folder) / "patient")
        case = read_case(find_case_files(patient))
        for request in requests:
            _check_estimates(_Question(laws=laws, method=method, observation=_observed(case, atlas, request)))
        result = personalize(case, method=method, atlas=atlas, settings=_SETTINGS)
        _check_result(laws, result, result.save(Path(folder) / "result"))


def _requests(laws: Laws, method: InverseMethod, atlas: Atlas) -> list[SpaceRequest]:
    """The different spaces a method asks for."""
    found: list[SpaceRequest] = []
    for wanted in (None, "atlas", "patient"):
        request = method.request_space(wanted)
        law = f"request_space({wanted!r}) must return a SpaceRequest"
        laws.require(isinstance(request, SpaceRequest), law, repr(request))
        law = "it must be made for the phantom's atlas (build_phantom_database, phantom_atlas)"
        hash_of_atlas = request.atlas_hash
        laws.require(hash_of_atlas in (None, atlas.content_hash), law, f"another content hash, {hash_of_atlas}")
        if request not in found:
            found.append(request)
    return found


def _observed(case: Case, atlas: Atlas, request: SpaceRequest) -> Observation:
    space = make_space(
        request, case=case, atlas=atlas, transform=Transform.identity(), spacing_mm=float(PHANTOM_GRID.spacing_mm[0])
    )
    return observe(case, space, _SETTINGS.thresholds)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """A method, what it is asked, and its laws."""

    laws: Laws
    method: InverseMethod
    observation: Observation

    def estimate(self) -> Estimate:
        return self.method.estimate(self.observation, report=ignore_progress)


def _check_estimates(question: _Question) -> None:
    """One answer, the same again, and one without a core."""
    laws, seen = question.laws, question.observation
    core, whole = seen.tumor_core.copy(), seen.whole_tumor.copy()
    first = question.estimate()
    _check_estimate(question, first)
    untouched = np.array_equal(core, seen.tumor_core) and np.array_equal(whole, seen.whole_tumor)
    laws.require(untouched, "the masks of the observation must stay as they were", "other masks")
    second = question.estimate()
    gap = float(np.abs(second.cell_density.data - first.cell_density.data).max())
    laws.require(
        gap == 0.0, "the same observation twice must give the same density", f"a difference of up to {gap:.3g}"
    )
    same = dict(second.parameters) == dict(first.parameters)
    law = "the same observation twice must give the same parameters"
    laws.require(same, f"{law}, {dict(first.parameters)}", dict(second.parameters))
    coreless = dataclasses.replace(seen, tumor_core=np.zeros_like(core))
    without = dataclasses.replace(question, observation=coreless)
    try:
        answer = without.estimate()
    except SegmentationError:
        return
    except Exception as error:
        law = "a tumor without core must be answered, or refused with SegmentationError"
        laws.require(False, law, f"{type(error).__name__} ({error})")
    else:
        _check_estimate(without, answer)


def _check_estimate(question: _Question, estimate: Estimate) -> None:
    """Space, density, and what stands beside it."""
    laws, seen = question.laws, question.observation
    laws.require(isinstance(estimate, Estimate), "estimate must return an Estimate", type(estimate).__name__)
    in_space = estimate.space is seen.space
    laws.require(in_space, "the estimate must lie in the space of the observation", repr(estimate.space))
    density = estimate.cell_density.data
    lowest, highest = float(density.min()), float(density.max())
    laws.require(0.0 <= lowest and highest <= 1.0, "cell_density must lie in [0, 1]", f"{lowest:.6g} to {highest:.6g}")
    laws.require(highest > 0.0, "cell_density must have cells somewhere", "none")
    _check_parameters(laws, estimate.parameters)
    laws.require_texts(tuple(concern.text for concern in estimate.concerns), "concerns")
    laws.require_json(dict(estimate.details), "details")
    are_candidates = all(isinstance(each, Candidate) for each in estimate.candidates)
    laws.require(are_candidates, "candidates must be Candidates", [type(each).__name__ for each in estimate.candidates])
    for candidate in estimate.candidates:
        _check_parameters(laws, candidate.parameters)
    maps = {} if estimate.posterior is None else estimate.posterior.maps
    elsewhere = [name for name, volume in maps.items() if not volume.grid.is_same_as(seen.grid)]
    laws.require(not elsewhere, "maps of the posterior must lie on the grid of the observation", elsewhere)


def _check_parameters(laws: Laws, parameters: Mapping[str, float]) -> None:
    """Finite numbers by name, a seed with all its coordinates or none."""
    numbers = all(isinstance(name, str) and math.isfinite(value) for name, value in parameters.items())
    laws.require(numbers, "parameters must be finite numbers by name", dict(parameters))
    seed = [name for name in SEED_NAMES if name in parameters]
    law = f"a seed must have its three coordinates, {', '.join(SEED_NAMES)}"
    laws.require(len(seed) in (0, len(SEED_NAMES)), law, f"only {', '.join(seed)}")


def _check_result(laws: Laws, result: PersonalizationResult, folder: Path) -> None:
    """What reached the patient, and the folder of it."""
    density = result.density_patient
    on_scan = density.grid.is_same_as(result.case.grid)
    laws.require(on_scan, "personalize must bring the density to the patient's grid", density.grid.describe())
    laws.require(bool(density.data.any()), "personalize must bring some cells to the patient", "none")
    laws.require(result.method_name in result.summary(), "the summary must name the method", result.summary())
    missing = [name for name in _FILES if not (folder / name).is_file()]
    laws.require(not missing, "the result folder must be complete", f"no {', '.join(missing)}")
