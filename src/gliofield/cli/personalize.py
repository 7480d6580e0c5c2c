"""``gliofield personalize``: from a patient's files to a result folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_notices, print_result, progress_bars, user_errors
from gliofield.cli.options import SampleImagingOption


def personalize(
    out: Annotated[Path, typer.Option(help="Result folder to write.")],
    folder: Annotated[
        Path | None, typer.Argument(help="A BraTS folder; or give the files by the options below.")
    ] = None,
    t1c: Annotated[Path | None, typer.Option(help="T1 with contrast (T1Gd), skull-stripped.")] = None,
    flair: Annotated[Path | None, typer.Option(help="FLAIR.")] = None,
    seg: Annotated[Path | None, typer.Option(help="Tumor segmentation (labels).")] = None,
    t1: Annotated[Path | None, typer.Option(help="T1; registered to the atlas if given.")] = None,
    t2: Annotated[Path | None, typer.Option(help="T2.")] = None,
    pet: Annotated[Path | None, typer.Option(help="FET-PET (used by method sample and by --posterior).")] = None,
    core: Annotated[Path | None, typer.Option(help="Tumor-core mask, instead of --seg.")] = None,
    whole: Annotated[Path | None, typer.Option(help="Whole-tumor mask, instead of --seg.")] = None,
    brain_mask: Annotated[Path | None, typer.Option(help="Brain mask; default: non-zero voxels.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="Label scheme (brats2021, brats2023, brats2024-post) or necrotic=1,edema=2,…")
    ] = None,
    method: Annotated[str, typer.Option(help="Inverse method: query, infer, sample.")] = "query",
    database: Annotated[
        Path | None, typer.Option(help="Simulation database; default: one of 5,000 tumors, built once and cached.")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(help="Index: exact (default), direct, ds64, ds32, radiomics, ae, vae, hash."),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Trained networks: for index ae, vae or hash; for infer, instead of those that gliofield has."
        ),
    ] = None,
    grow_in: Annotated[
        str, typer.Option(help="Where the answer grows: atlas, or patient (in its own anatomy, by one more run).")
    ] = "atlas",
    posterior: Annotated[
        bool, typer.Option("--posterior", help="With query: the uncertainty its database allows.")
    ] = False,
    posterior_tempering: Annotated[
        float | None, typer.Option(help="Its tempering exponent; default: the largest the database can carry.")
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="With sample: samples of the posterior.")] = 128,
    steps: Annotated[int, typer.Option(min=1, help="With sample: steps per sample and stage.")] = 20,
    levels: Annotated[
        int, typer.Option(min=1, max=2, help="With sample: 2 works at half the resolution first, 1 does not.")
    ] = 2,
    sample_imaging: SampleImagingOption = False,
    prior: Annotated[str, typer.Option(help="Prior of a posterior: paper, patient.")] = "paper",
    correlation_length_mm: Annotated[
        float, typer.Option(min=0.0, help="How far residuals are alike; 0 takes voxels for independent.")
    ] = 3.0,
    stage_file: Annotated[
        Path | None,
        typer.Option(help="With sample: written after each stage; a run goes on from it. Implies --deterministic."),
    ] = None,
    sample_in: Annotated[
        str, typer.Option(help="With sample: where tumors grow, atlas or patient (in its own anatomy).")
    ] = "atlas",
    spacing_mm: Annotated[
        float | None, typer.Option(help="With --sample-in patient: spacing of the simulations; default: 1.875.")
    ] = None,
    device: Annotated[str, typer.Option(help="With sample: cpu, or cuda to grow tumors in batches on a GPU.")] = "cpu",
    atlas: Annotated[str, typer.Option(help="Atlas name or folder.")] = "sri24",
    registration: Annotated[str | None, typer.Option(help="Registration preset (fast, papers, affine, none).")] = None,
    t1gd_threshold: Annotated[float, typer.Option(help="Density above which T1Gd shows tumor.")] = 0.6,
    flair_threshold: Annotated[float, typer.Option(help="Density above which FLAIR shows tumor.")] = 0.2,
    candidates: Annotated[int, typer.Option("-k", "--candidates", min=1, help="How many best matches to keep.")] = 15,
    candidate_densities: Annotated[
        int, typer.Option(min=0, help="Of how many of them to write the densities too.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of whatever is random.")] = 0,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Bit-identical result from the same inputs and seed (slower).")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read and check the inputs.")] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tumor-cell density of one patient, in the patient's own space."""
    files = {
        "t1c": t1c, "flair": flair, "segmentation": seg, "t1": t1, "t2": t2, "pet": pet, "tumor_core": core,
        "whole_tumor": whole, "brain_mask": brain_mask,
    }  # fmt: skip
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import label_scheme, load_atlas
        from gliofield.cli.infer_options import InferOptions
        from gliofield.cli.posterior_options import PosteriorOptions
        from gliofield.errors import ParameterError, unknown_name
        from gliofield.imaging import VisibilityThresholds
        from gliofield.output import require_absent
        from gliofield.personalize import (
            InverseMethod,
            PersonalizationSettings,
            QueryMethod,
            open_or_build_database,
            read_case,
        )
        from gliofield.personalize import personalize as run
        from gliofield.progress import StageClock
        from gliofield.registration import DEFAULT_PRESET
        from gliofield.report import write_result_folder
        from gliofield.report.result_folder import RESULT_MARKER
        from gliofield.retrieval import DEFAULT_INDEX, require_index_name
        from gliofield.retrieval.embedding import read_embedding_header

        if method not in ("query", "infer", "sample"):
            raise ParameterError(unknown_name("method", method, ["query", "infer", "sample"]))
        inference = InferOptions(method_name=method, checkpoint=checkpoint, grow_in=grow_in)
        inference.require_fitting(index=index, database=database)
        uncertainty = PosteriorOptions(
            posterior=posterior,
            tempering=posterior_tempering,
            samples=samples,
            steps=steps,
            levels=levels,
            sample_imaging=sample_imaging,
            prior=prior,
            correlation_length_mm=correlation_length_mm,
            stage_file=stage_file,
            sample_in=sample_in,
            spacing_mm=spacing_mm,
            device=device,
            seed=seed,
        )
        uncertainty.require_fitting(method, index=index, checkpoint=checkpoint, database=database)
        index_name = index or DEFAULT_INDEX
        require_index_name(index_name, checkpoint=inference.checkpoint_of_index)
        if inference.checkpoint_of_index is not None:
            read_embedding_header(inference.checkpoint_of_index)
        if candidate_densities > candidates:
            raise ParameterError(
                f"--candidate-densities must be at most the number of candidates {candidates}, got "
                f"{candidate_densities}."
            )
        settings = PersonalizationSettings(
            registration=registration or DEFAULT_PRESET,
            thresholds=VisibilityThresholds(t1gd_threshold=t1gd_threshold, flair_threshold=flair_threshold),
            seed=seed,
            # A run goes on from its stage file with the same masks and anatomy only.
            deterministic=deterministic or stage_file is not None,
            num_threads=threads,
        )
        require_absent(out, replace=force, marker=RESULT_MARKER)
        clock = StageClock(report)
        with clock.stage("read"):
            case = read_case(_case_files(folder, files), scheme=None if labels is None else label_scheme(labels))
        if not dry_run:
            with clock.stage("load atlas"):
                loaded = load_atlas(atlas, report=report)
            if uncertainty.is_in_patient:
                result = uncertainty.sampled_in_patient(case, loaded, settings, num_workers=threads, report=report)
            else:
                chosen: InverseMethod
                if method == "sample":
                    with clock.stage("prepare"):
                        chosen = uncertainty.sample_method(loaded, database, threads)
                elif inference.is_chosen:
                    with clock.stage("load network"):
                        chosen = inference.method(loaded)
                else:
                    with clock.stage("open database"):
                        opened = open_or_build_database(database, loaded, num_workers=threads, report=report)
                    query = QueryMethod(
                        database=opened,
                        index=index_name,
                        num_candidates=candidates,
                        checkpoint=checkpoint,
                        num_densities=candidate_densities,
                        num_threads=threads,
                    )
                    chosen = uncertainty.with_posterior(query, loaded, threads) if posterior else query
                result = run(case, atlas=loaded, method=chosen, settings=settings, report=report)
            result = inference.grown(result, loaded)
            name = _patient_name(folder, out)
            write_result_folder(result, out, name=name, force=force, seconds_before=clock.seconds)
    if dry_run:
        _print_case(case, as_json=as_json)
    else:
        _print_outcome(result, out, as_json=as_json)


def _case_files(folder: Path | None, files: dict[str, Path | None]) -> Any:
    from gliofield.errors import ParameterError
    from gliofield.personalize import CaseFiles, find_case_files

    given = {name: path for name, path in files.items() if path is not None}
    if folder is None:
        return CaseFiles(**given)
    if given:
        raise ParameterError(
            f"give a BraTS folder or single files, not both: got {folder} and --{', --'.join(sorted(given))}."
        )
    return find_case_files(folder)


def _patient_name(folder: Path | None, out: Path) -> str:
    return folder.resolve().name if folder is not None else out.resolve().name


def _print_case(case: Any, *, as_json: bool) -> None:
    segmentation = case.segmentation
    content = {
        "images": sorted(case.images),
        "label_scheme": segmentation.scheme,
        "tumor_core_ml": segmentation.core_ml,
        "whole_tumor_ml": segmentation.whole_ml,
        "grid": case.stored_grid.to_dict(),
        "missing_modalities": list(case.missing_modalities),
    }
    print_result(
        content,
        as_json=as_json,
        text=lambda: (
            f"inputs are fine: {', '.join(content['images'])}; labels {segmentation.scheme}; core "
            f"{segmentation.core_ml:.2f} ml, whole tumor {segmentation.whole_ml:.2f} ml\n{case.stored_grid.describe()}"
        ),
    )


def _print_outcome(result: Any, out: Path, *, as_json: bool) -> None:
    from gliofield.report import quality_summary

    agreement = result.agreement_patient
    content = {
        "folder": out,
        "overview": out / "overview.png",
        "parameters": dict(result.estimate.parameters),
        "quality": quality_summary(result),
        "seconds": dict(result.seconds),
    }
    print_notices(result.estimate.details.get("index_notices", ()))

    def text() -> str:
        core = "no core" if agreement.dice_t1gd is None else f"{agreement.dice_t1gd:.2f}"
        lines = [
            f"Dice in the patient: T1Gd {core}, FLAIR {agreement.dice_flair:.2f} (sum {agreement.combined:.2f} of "
            f"{agreement.num_modalities})",
            *(f"note: {concern}" for concern in result.concerns),
            f"time: {', '.join(f'{stage} {value:.1f} s' for stage, value in result.seconds.items())}",
            f"result:  {out}",
            f"picture: {out / 'overview.png'}",
        ]
        return "\n".join(lines)

    print_result(content, as_json=as_json, text=text)
