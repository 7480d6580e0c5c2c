"""A personalization on disk: the result folder of `DESIGN` section 8.

    density_patient.nii.gz   cell density on the patient's grid and affine, float32
    density_atlas.nii.gz     the same tumor on the simulation grid of the atlas
    target_priority_patient.nii.gz   which voxels to treat first: ranks, higher ones first
    unexplained_patient.nii.gz       what the model does not explain of the scan (`assimilate`)
    outlines_patient.nii.gz  1 brain, 2 whole tumor, 3 tumor core, 4 resection cavity: what targets are made of
    targets/, targets.json, targets.png   what `gliofield target` adds (`targets_folder`)
    candidates/              densities of the best matches in both spaces, if asked for: patient_01.nii.gz, …
    parameters.json          growth parameters with units where the method has them, runners-up
    transforms/              patient <-> atlas, as ITK files
    quality.json             verdict, concerns, Dice per modality in both spaces, registration, part outside the domain
    overview.png             the picture to look at first
    report.html              the page to look at first, with all of this in it (`report_page`)
    view/                    what it shows of the scan (`view_files`)
    posterior/               how sure the method is, where it says (`posterior_folder`)
    provenance.json          input hashes, versions, settings, seconds, references

The folder appears by one rename when everything in it is written.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gliofield.concern import verdict_in_words
from gliofield.cores import require_threads
from gliofield.grid import Grid
from gliofield.growth.parameters import RATE_NAMES, seed_values
from gliofield.imaging import Candidate
from gliofield.metrics import MaskAgreement
from gliofield.nifti import write_volume
from gliofield.output import FolderMarker, atomic_folder
from gliofield.pipeline.density_posterior import CELLS_OUTSIDE_CORE, DensityPosterior
from gliofield.pipeline.provenance import provenance
from gliofield.pipeline.rankings import MARGIN_MM
from gliofield.pipeline.result import PersonalizationResult
from gliofield.progress import StageClock
from gliofield.radiotherapy.planning_case import OUTLINES_FILE, outlines_of
from gliofield.registration import write_transform
from gliofield.registration.transform_files import TRANSFORM_MARKER
from gliofield.report.json_files import write_json
from gliofield.report.overview import overview_figure
from gliofield.report.page_layers import IMAGE_NAMES
from gliofield.report.posterior_folder import POSTERIOR_FILES, write_posterior
from gliofield.report.report_page import REPORT_NAME, ViewerSource, write_report
from gliofield.report.targets_folder import TARGET_FILES
from gliofield.report.view_files import VIEW_FILES, VIEW_FOLDER, ScanView, make_view, write_view
from gliofield.volume import Volume

# Written last; a folder without it is no result and is never replaced, nor is one that holds anything else.
RESULT_MARKER = FolderMarker(
    "provenance.json",
    files=(
        "density_patient.nii.gz",
        "density_atlas.nii.gz",
        "target_priority_patient.nii.gz",
        "unexplained_patient.nii.gz",
        OUTLINES_FILE,
        "parameters.json",
        "quality.json",
        "overview.png",
        REPORT_NAME,
        *(f"{VIEW_FOLDER}/{name}" for name in VIEW_FILES),
        "candidates/patient_*.nii.gz",
        "candidates/atlas_*.nii.gz",
        *(f"transforms/{name}" for name in (TRANSFORM_MARKER, *TRANSFORM_MARKER.files)),
        *(f"posterior/{name}" for name in POSTERIOR_FILES),
        *TARGET_FILES,
    ),
)
_PICTURE_MODALITIES = ("t1c", "t1", "flair", "t2")
# Concerns that the picture tells in full.
_MOST_REMARKS = 3


def write_result_folder(
    result: PersonalizationResult,
    folder: str | os.PathLike[str],
    *,
    name: str = "",
    force: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
    seconds_before: Mapping[str, float] | None = None,
    viewer: ViewerSource | None = None,
    num_threads: int | None = None,
) -> Path:
    """Write a result folder and return its path.

    Parameters
    ----------
    result : PersonalizationResult
        What `personalize` returned.
    folder : path
        Target; must not exist (or be empty) unless `force`.
    name : str
        Name of the patient for the picture's title.
    force : bool
        Replace an existing result folder.
    inputs : paths
        What the run has read: a folder that holds any of it is not replaced.
    seconds_before : mapping of str to float, optional
        Wall time of stages before `personalize`, for the provenance [s].
    viewer : ViewerSource, optional
        The viewer of the page; None: as the cache has it.
    num_threads : int, optional
        Threads that compress volumes beside the pictures; None: all cores.

    Raises
    ------
    OutputError
        If the folder exists and `force` is false or it is no result folder, or it cannot be written (nothing is left
        then).
    ParameterError
        If the number of threads is below 1.
    """
    target, threads = Path(folder), require_threads(num_threads)
    clock = StageClock()
    with atomic_folder(target, replace=force, marker=RESULT_MARKER, inputs=inputs) as partial:
        title = name or target.resolve().name
        # To compress volumes takes as long as all the rest, and runs beside it, as what the page will show does.
        beside = [lambda: write_view(partial / VIEW_FOLDER, _view(result, title))]
        beside += [functools.partial(file.write, partial) for file in _volume_files(result)]
        with clock.stage("write"), _done_beside(beside, threads):
            write_posterior(partial / "posterior", result, _picture_image(result)[1])
            write_transform(partial / "transforms", result.registration.transform)
            write_json(partial / "parameters.json", _parameters(result))
            write_json(partial / "quality.json", quality_summary(result))
            figure = result_figure(result, name=name)
            figure.savefig(partial / "overview.png", facecolor=figure.get_facecolor())
        record = provenance(result, seconds_before=seconds_before, seconds_after=clock.seconds)
        write_json(partial / RESULT_MARKER, record)
        write_report(partial, viewer=viewer or ViewerSource.cached())
    return target


def _view(result: PersonalizationResult, name: str) -> ScanView:
    return make_view(
        result.case,
        name=name,
        atlas=result.atlas,
        transform=result.registration.transform,
        judged=result.density_judged,
        thresholds=result.thresholds,
    )


def result_figure(result: PersonalizationResult, *, name: str = "") -> Any:
    """Overview figure (matplotlib) of a result."""
    modality, image = _picture_image(result)
    agreement, flair = result.agreement_patient, result.case.images.get("flair")
    core = "no core" if agreement.dice_t1gd is None else f"T1Gd {agreement.dice_t1gd:.2f}"
    before = "" if result.agreement_corrected is None else " before the correction"
    title = " · ".join(
        part
        for part in (
            name,
            f"{IMAGE_NAMES[modality]} image" if flair is None or modality == "flair" else "",
            f"method {result.method_name}",
            f"Dice {core}, FLAIR {agreement.dice_flair:.2f}{before}",
        )
        if part
    )
    told = [f"{each.level}: {each.text}" for each in result.concerns if each.level != "note"]
    further = [f"and {len(told) - _MOST_REMARKS} more concerns"] if len(told) > _MOST_REMARKS else []
    return overview_figure(
        background=image,
        segmentation=result.case.segmentation,
        cell_density=result.density_patient,
        brain=result.case.brain,
        thresholds=result.thresholds,
        title=title,
        flair=None if modality == "flair" else flair,
        uncovered=_uncovered(result),
        verdict=verdict_in_words(result.concerns),
        remarks=[_volumes_in_words(result), *told[:_MOST_REMARKS], *further],
        caption="gliofield · for research use only; not a medical device",
    )


def _volumes_in_words(result: PersonalizationResult) -> str:
    seen, density = result.case.segmentation, result.density_patient
    above_ml = float(np.count_nonzero(result.thresholds.whole_tumor(density.data))) * density.grid.voxel_volume_ml
    margin_ml = None if result.rankings is None else result.rankings.volume_ml
    parts = [
        f"core {seen.core_ml:.1f} ml",
        f"whole tumor {seen.whole_ml:.1f} ml",
        f"density above {result.thresholds.flair_threshold:g} {above_ml:.1f} ml",
        *([] if margin_ml is None else [f"core with {MARGIN_MM:.0f} mm {margin_ml:.0f} ml"]),
        *_stated_cells(result),
    ]
    return " · ".join(parts)


def _uncovered(result: PersonalizationResult) -> NDArray[np.bool_] | None:
    """Visible tumor at or below the threshold of FLAIR, before a correction; None where that is not known."""
    if result.density_judged is None:
        return None
    return result.case.segmentation.whole_tumor & ~result.thresholds.whole_tumor(result.density_judged.data)


def _picture_image(result: PersonalizationResult) -> tuple[str, Volume]:
    """The image that pictures show, with its name."""
    modality = next(key for key in _PICTURE_MODALITIES if key in result.case.images)
    return modality, result.case.images[modality]


def _stated_cells(result: PersonalizationResult) -> list[str]:
    """The cells outside the core in words; nothing where the method does not state them."""
    stated = result.cells_outside_core
    return [] if stated is None else [stated.in_words()]


def quality_summary(result: PersonalizationResult) -> dict[str, Any]:
    """Content of `quality.json`."""
    stated = result.cells_outside_core
    return {
        "verdict": result.verdict,
        "concerns": [dataclasses.asdict(concern) for concern in result.concerns],
        "dice_patient_space": _agreement(result.agreement_patient),
        "dice_atlas_space": _agreement(result.agreement_atlas),
        **_corrected(result),
        "tumor_volume_ml": {
            "tumor_core": result.case.segmentation.core_ml,
            "whole_tumor": result.case.segmentation.whole_ml,
        },
        **({} if stated is None else {CELLS_OUTSIDE_CORE: dataclasses.asdict(stated)}),
        "coverage": None if result.coverage is None else result.coverage.to_json(),
        "rankings": None if result.rankings is None else result.rankings.to_json(),
        "input": None if result.input_checks is None else result.input_checks.to_json(),
        "tumor_outside_domain": dict(result.tumor_outside_domain),
        "registration": dataclasses.asdict(result.registration_quality),
    }


def _corrected(result: PersonalizationResult) -> dict[str, Any]:
    """Agreement after a correction, marked as what it is; nothing where none was made."""
    if result.agreement_corrected is None:
        return {}
    return {"dice_after_correction": {**_agreement(result.agreement_corrected), "note": "by construction"}}


def _agreement(agreement: MaskAgreement) -> dict[str, Any]:
    return {
        "t1gd": agreement.dice_t1gd,
        "flair": agreement.dice_flair,
        "combined": agreement.combined,
        "num_modalities": agreement.num_modalities,
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _VolumeFile:
    """A volume of a result folder: its path there, on which grid it is stored (None: its own), and what it is."""

    path: str
    volume: Volume
    stored_as: Grid | None
    description: str

    def write(self, folder: Path) -> None:
        (folder / self.path).parent.mkdir(exist_ok=True)
        write_volume(folder / self.path, self.volume, stored_as=self.stored_as, description=self.description)


@contextmanager
def _done_beside(tasks: Sequence[Callable[[], None]], num_threads: int) -> Iterator[None]:
    """Threads do some tasks while the block does something else; all are done at its end."""
    with ThreadPoolExecutor(num_threads) as executor:
        try:
            waiting = [executor.submit(task) for task in tasks]
            yield
            for one in waiting:
                one.result()
        finally:
            executor.shutdown(cancel_futures=True)


def _volume_files(result: PersonalizationResult) -> list[_VolumeFile]:
    """Densities, further maps of the method, priorities and outlines, and the densities of candidates."""
    stored_as = result.case.stored_grid
    in_words = {
        "density": "tumor-cell density, relative; research use only",
        "target_priority": "target priority, ranks; research use only",
        "outlines": "1 brain, 2 whole tumor, 3 core, 4 cavity; research use only",
    }
    maps = {"density": result.density_patient, **result.maps_patient}
    if result.rankings is not None:
        maps["target_priority"] = result.rankings.priority
    files = [
        _VolumeFile(
            path=f"{name}_patient.nii.gz",
            volume=volume,
            stored_as=stored_as,
            description=in_words.get(name, f"{name.replace('_', ' ')}; research use only"),
        )
        for name, volume in maps.items()
    ]
    in_atlas = "tumor-cell density, relative; atlas space"
    files += [
        _VolumeFile(
            path=OUTLINES_FILE,
            volume=outlines_of(result.case),
            stored_as=stored_as,
            description=in_words["outlines"],
        ),
        _VolumeFile(path="density_atlas.nii.gz", volume=result.density_atlas, stored_as=None, description=in_atlas),
    ]
    candidates = [one.cell_density for one in result.estimate.candidates if one.cell_density is not None]
    pairs = zip(candidates, result.candidate_densities_patient, strict=True) if candidates else ()
    for rank, (atlas_density, patient_density) in enumerate(pairs, start=1):
        of_match = f"tumor-cell density of match {rank}"
        files += [
            _VolumeFile(
                path=f"candidates/patient_{rank:02d}.nii.gz",
                volume=patient_density,
                stored_as=stored_as,
                description=f"{of_match}; research use only",
            ),
            _VolumeFile(
                path=f"candidates/atlas_{rank:02d}.nii.gz",
                volume=atlas_density,
                stored_as=None,
                description=f"{of_match}; atlas space",
            ),
        ]
    return files


def _candidate(candidate: Candidate) -> dict[str, Any]:
    """Numbers of a candidate; its density, if kept, is a file."""
    names = [field.name for field in dataclasses.fields(candidate) if field.name != "cell_density"]
    return {name: getattr(candidate, name) for name in names}


def _intervals(result: PersonalizationResult) -> dict[str, Any] | None:
    """Credible intervals by name; None where the method gives none."""
    posterior = result.estimate.posterior
    if not isinstance(posterior, DensityPosterior):
        return None
    return {name: dataclasses.asdict(interval) for name, interval in posterior.intervals.items()}


def _parameters(result: PersonalizationResult) -> dict[str, Any]:
    parameters = dict(result.estimate.parameters)
    if result.seed_atlas_mm is not None:
        parameters |= seed_values(result.seed_atlas_mm)
    identifiable = _identifiable(parameters)
    if result.seed_atlas_mm is not None and result.seed_patient_mm is not None:
        identifiable["seed_atlas_mm"] = list(result.seed_atlas_mm)
        identifiable["seed_patient_mm"] = list(result.seed_patient_mm)
    intervals = _intervals(result)
    return {
        "parameters": parameters,
        "identifiable": identifiable,
        "intervals": intervals,
        "note": _note(result, has_intervals=intervals is not None),
        "candidates": [_candidate(candidate) for candidate in result.estimate.candidates],
    }


def _identifiable(parameters: Mapping[str, float]) -> dict[str, Any]:
    """What one scan determines of growth parameters; nothing where they are incomplete."""
    if any(name not in parameters for name in RATE_NAMES):
        return {}
    diffusivity, rate, growth_time = (parameters[name] for name in RATE_NAMES)
    return {
        "diffusion_length_mm": math.sqrt(diffusivity * growth_time),
        "proliferation_number": math.sqrt(rate * growth_time),
        "infiltration_length_mm": math.sqrt(diffusivity / rate) if rate > 0.0 else None,
    }


def _note(result: PersonalizationResult, *, has_intervals: bool) -> str:
    if not result.estimate.parameters:
        return f"The method {result.method_name!r} gives a density alone, without growth parameters."
    return (
        "One scan determines only sqrt(D*T), sqrt(rho*T) and the seed; diffusivity, proliferation rate and growth time "
        "alone are not determined by it. "
        + (
            "Intervals hold 95 % of the posterior, under the weights and checks in posterior/posterior.json."
            if has_intervals
            else f"The method {result.method_name!r} gives no intervals."
        )
    )
