"""The posterior of a personalization on disk: the folder ``posterior`` of a result.

mean_patient.nii.gz, std_patient.nii.gz                posterior mean and standard deviation of the density
probability_t1gd_patient.nii.gz, …_flair_…             P(u > threshold) of the two thresholds
…_atlas.nii.gz                                         the same in the atlas
samples.npz, samples.json                              parameters with weights; drawn by weight, for ArviZ
maps.png                                               mean, standard deviation and P(u > FLAIR's threshold)
members.npz                                            densities of an ensemble on its own grid, if it has one
posterior.json                                         intervals, checks of the masks, stages, how it was found
corner.png, stages.png                                 pairs of parameters, trace of the sampler
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from gliofield.nifti import write_volume
from gliofield.pipeline.density_posterior import DensityPosterior
from gliofield.pipeline.result import PersonalizationResult
from gliofield.radiotherapy.planning_case import MEMBERS_FILE, write_members
from gliofield.report.json_files import write_json
from gliofield.report.posterior_figures import corner_figure, stage_figure
from gliofield.report.uncertainty_figure import uncertainty_figure
from gliofield.volume import Volume

#: Names of the files; their kind and the place of the maps vary.
POSTERIOR_FILES = (
    "*_patient.nii.gz",
    "*_atlas.nii.gz",
    "maps.png",
    "posterior.json",
    "samples.npz",
    "samples.json",
    "members.npz",
    "corner.png",
    "stages.png",
)
_DESCRIPTIONS = {
    "mean": "posterior mean of the tumor-cell density",
    "std": "posterior standard deviation of the density",
    "probability_t1gd": "P(density > T1Gd threshold)",
    "probability_flair": "P(density > FLAIR threshold)",
}


def write_posterior(folder: Path, result: PersonalizationResult, background: Volume) -> None:
    """Write the posterior of a result into a new folder: maps, and samples where it has them; nothing without one.

    The maps are drawn over a `background` image of the patient.
    """
    posterior = result.estimate.posterior
    if posterior is None:
        return
    folder.mkdir()
    for name, volume in result.posterior_atlas.items():
        write_volume(folder / f"{name}_atlas.nii.gz", volume, description=f"{_description(name)}; atlas")
    for name, volume in result.posterior_patient.items():
        write_volume(
            folder / f"{name}_patient.nii.gz",
            volume,
            stored_as=result.case.stored_grid,
            description=f"{_description(name)}; research use only",
        )
    if result.posterior_patient:
        _draw_maps(folder / "maps.png", result, background)
    if not isinstance(posterior, DensityPosterior):
        return
    write_json(folder / "posterior.json", posterior_summary(posterior))
    _write_samples(folder, posterior)
    if posterior.members is not None:
        write_members(folder / Path(MEMBERS_FILE).name, posterior.members)
    number, effective = len(posterior.samples.parameters), posterior.samples.effective_sample_size
    title = f"method {result.method_name}: {number} samples, {effective:.0f} effective; median and 95 %"
    title += "" if posterior.prior is None else "; gray: the prior"
    corner_figure(posterior.samples, prior=posterior.prior, title=title).savefig(folder / "corner.png")
    if posterior.stages:
        stage_figure(posterior.stages).savefig(folder / "stages.png")


def posterior_summary(posterior: DensityPosterior) -> dict[str, Any]:
    """Content of `posterior.json`."""
    samples = posterior.samples
    return {
        "map": samples.map_parameters,
        "mean": samples.mean,
        "std": samples.std,
        "units": dict(zip(samples.names, samples.units, strict=True)),
        "intervals": {name: dataclasses.asdict(interval) for name, interval in posterior.intervals.items()},
        "effective_sample_size": samples.effective_sample_size,
        "mask_checks": {name: dataclasses.asdict(check) for name, check in posterior.mask_checks.items()},
        "details": dict(posterior.details),
        "stages": [dataclasses.asdict(info) for info in posterior.stages],
    }


def _draw_maps(path: Path, result: PersonalizationResult, background: Volume) -> None:
    figure = uncertainty_figure(
        background=background,
        segmentation=result.case.segmentation,
        maps=result.posterior_patient,
        brain=result.case.brain,
        title=f"How sure method {result.method_name} is, place by place",
        caption="gliofield · for research use only; not a medical device",
    )
    figure.savefig(path, facecolor=figure.get_facecolor())


def _write_samples(folder: Path, posterior: DensityPosterior) -> None:
    samples = posterior.samples
    np.savez(
        folder / "samples.npz",
        names=np.array(samples.names),
        units=np.array(samples.units),
        parameters=samples.parameters,
        log_weights=samples.log_weights,
        log_prior=samples.log_prior,
        log_likelihood=samples.log_likelihood,
    )
    # ArviZ knows equal weights only.
    equal = samples.equally_weighted(np.random.default_rng(0))
    chain = {name: [column.tolist()] for name, column in zip(equal.names, equal.parameters.T, strict=True)}
    log_posterior = (equal.log_prior + equal.log_likelihood).tolist()
    write_json(folder / "samples.json", {"posterior": chain, "sample_stats": {"lp": [log_posterior]}})


def _description(name: str) -> str:
    return _DESCRIPTIONS.get(name, name.replace("_", " "))
