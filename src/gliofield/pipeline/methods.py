"""From the options of an inverse method to the method itself, with its database, networks and workers."""

from __future__ import annotations

from dataclasses import replace

from gliofield.anatomy import Atlas
from gliofield.cores import require_threads
from gliofield.imaging import InverseMethod
from gliofield.pipeline.distance_methods import DistanceMethod, MarginMethod
from gliofield.pipeline.method_options import (
    Assimilate,
    Distance,
    Infer,
    Margin,
    MethodOptions,
    PluggedMethod,
    Query,
    Sample,
    WholeMargin,
)
from gliofield.pipeline.settings import PersonalizationSettings
from gliofield.plugins import load_plugin
from gliofield.progress import Reporter, ignore_progress
from gliofield.worker_processes import require_guarded_script


def prepare_method(
    options: MethodOptions,
    *,
    atlas: Atlas,
    settings: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> InverseMethod:
    """Inverse method of some options: databases are opened, or built on first use, and networks loaded.

    Parameters
    ----------
    options : MethodOptions
        What the user chose: `Assimilate`, `Query`, … or the options of another package.
    atlas : Atlas
        The atlas the method works with.
    settings : PersonalizationSettings, optional
        Seed, threads and space.
    report : Reporter
        Told about every long step.

    Raises
    ------
    ParameterError
        If options do not belong together, PyTorch is missing where a network is needed, or a script cannot start
        processes (`require_guarded_script`).
    DatabaseError, CheckpointError
        If a database or checkpoint cannot be used, or belongs to another atlas.
    """
    chosen = PersonalizationSettings() if settings is None else settings
    match options:
        case Assimilate():
            return _assimilate(options, chosen)
        case Query():
            return _query(options, atlas, chosen, report)
        case Infer():
            return _infer(options, atlas)
        case Sample():
            return _sample(options, chosen)
        case Margin():
            return MarginMethod(name=options.name, around="tumor core", margin_mm=options.margin_mm)
        case WholeMargin():
            return MarginMethod(name=options.name, around="whole tumor", margin_mm=options.margin_mm)
        case Distance():
            return DistanceMethod(decay_length_mm=options.decay_length_mm)
        case PluggedMethod():
            return options.prepare(atlas=atlas, settings=chosen, report=report)


def _assimilate(options: Assimilate, settings: PersonalizationSettings) -> InverseMethod:
    from gliofield.assimilation import EnsembleSettings, FitSettings
    from gliofield.pipeline.assimilate_method import AssimilateMethod
    from gliofield.pipeline.ensemble_posterior import UncertaintySettings

    fit = FitSettings(num_stretched=0) if options.isotropic else FitSettings()
    uncertainty = None
    if options.uncertainty:
        ensemble = EnsembleSettings(num_members=options.num_members)
        uncertainty = UncertaintySettings(ensemble=ensemble, seed=settings.seed)
    return AssimilateMethod(fit=fit, uncertainty=uncertainty, num_threads=require_threads(settings.num_threads))


def _query(options: Query, atlas: Atlas, settings: PersonalizationSettings, report: Reporter) -> InverseMethod:
    from gliofield.bayes.database_posterior import DatabasePosteriorSettings
    from gliofield.pipeline.default_database import open_database
    from gliofield.pipeline.query_method import QueryMethod
    from gliofield.pipeline.query_posterior import QueryWithPosterior
    from gliofield.retrieval import require_index_name

    require_index_name(options.index, checkpoint=options.checkpoint)
    threads = settings.num_threads
    database = open_database(options.database, atlas=atlas, num_workers=threads, report=report)
    query = QueryMethod(
        database=database,
        index=options.index,
        num_candidates=options.num_candidates,
        checkpoint=options.checkpoint,
        num_densities=options.num_densities,
        num_threads=threads,
    )
    if not options.posterior:
        return query
    return QueryWithPosterior(
        query=query,
        settings=DatabasePosteriorSettings(
            correlation_length_mm=options.correlation_length_mm,
            pet_fwhm_mm=options.pet_fwhm_mm,
            tempering_exponent=options.tempering_exponent,
            num_threads=require_threads(threads),
        ),
        prior=options.prior,
        pet_model=options.pet_model,
    )


def _infer(options: Infer, atlas: Atlas) -> InverseMethod:
    from gliofield.inverse import InversePredictor, shipped_checkpoint
    from gliofield.learning import require_torch
    from gliofield.pipeline.infer_method import InferMethod

    require_torch()
    checkpoint = options.checkpoint or shipped_checkpoint(atlas.name, atlas.content_hash)
    return InferMethod(predictor=InversePredictor(checkpoint), atlas=atlas)


def _sample(options: Sample, settings: PersonalizationSettings) -> InverseMethod:
    from gliofield.bayes import ImportanceSettings
    from gliofield.pipeline.sample_method import SampleMethod, SampleSettings

    num_workers = require_threads(settings.num_threads)
    if num_workers > 1:
        require_guarded_script()  # before the registration, which takes longer than anybody wants to wait for this
    if options.preset != "default":
        chosen: SampleSettings = load_plugin("preset", options.preset, own=("default",))(seed=settings.seed)
    else:
        chosen = SampleSettings(
            sampler=ImportanceSettings(seed=settings.seed, num_effective=options.num_samples),
            pet_model=options.pet_model,
            pet_fwhm_mm=options.pet_fwhm_mm,
            correlation_length_mm=options.correlation_length_mm,
        )
    chosen = replace(chosen, prior=options.prior, num_workers=num_workers, stage_file=options.stage_file)
    return SampleMethod(settings=chosen, device=options.device)
