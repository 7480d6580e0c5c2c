"""The tables of ``gliofield papers bayes`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gliofield.metrics.errors_by_tissue import SURROGATE_LEVELS, MeanValue
from gliofield.report.tables import markdown_table, mean_cell, number, section
from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, ParameterCalibration
from gliofield_papers.bayes.cost import REFERENCE_WAY, WayCost
from gliofield_papers.bayes.evaluation import BayesEvaluation
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import PatientPosterior
from gliofield_papers.bayes.patients import PUBLISHED_MAP, SOLVER, SURROGATE, published_names
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseRun, DensityScore

#: Words for the names of the runs.
RUN_LABELS = dict(zip(RUN_NAMES, ("with PET", "without PET"), strict=True))
_SCORES = ("tissue", "either", "white_matter", "gray_matter", "csf")
_SCORE_HEADERS = ("tissue", "either tumor", "WM", "GM", "CSF")


def bayes_report(evaluation: BayesEvaluation) -> str:
    """Conditions and all tables, as sections of the third level."""
    sections = [
        _conditions(evaluation),
        section(
            "Ranks of the truth",
            _ranks_text(evaluation),
            _ranks(evaluation),
        ),
        section(
            "Coverage of credible intervals",
            "Share of cases whose equal-tailed interval holds the truth. The first line is what a calibrated "
            "posterior shows between samples of this number, and one binomial standard error of a single parameter; "
            "the last the mean over parameters.",
            "\n\n".join(f"{RUN_LABELS[name]}:\n\n{_coverage(evaluation, name)}" for name in RUN_NAMES),
        ),
        section(
            "Error of the density",
            "Mean over cases of the mean absolute error: over all tissue, over voxels where either density has tumor, "
            "and by tissue over the papers' voxels; Dice above three levels, in parentheses the cases where neither "
            "density exceeds one. MAP is the best sample's density, mean the posterior mean density.",
            f"{_densities(evaluation)}\n\n{_paired(evaluation)}",
        ),
        section(
            "Cost of a posterior of a virtual case",
            "Medians. Effective samples are samples less duplicates; correlation is not seen by them. "
            + _measured_on([case.conditions for case in evaluation.cases]),
            _case_cost(evaluation),
        ),
    ]
    if evaluation.cost is not None:
        sections.append(section("Ways to a posterior on one case", _cost_text(evaluation), _cost(evaluation)))
    if evaluation.patients:
        sections.append(section("Real patients: MAP and 95 % intervals", _patients_text(evaluation), _map(evaluation)))
        sections.append(
            section("Real patients: numerical solver and surrogate", _pairs_text(evaluation), _pairs(evaluation))
        )
    if evaluation.left_out:
        reasons = "\n".join(f"- {name}: {reason}" for name, reason in evaluation.left_out.items())
        sections.append(f"Patients left out:\n\n{reasons}")
    return "\n\n".join(sections)


def _conditions(evaluation: BayesEvaluation) -> str:
    settings = evaluation.settings
    case = settings.case
    start = (
        f"started around the best 64 of {case.num_start_draws:,} draws of the prior"
        if case.num_start_draws
        else "started from the prior"
    )
    parts = [
        "**Small**: fewer cases, samples or steps, and coarser than the method's own setting."
        if settings.is_small
        else "",
        f"{len(evaluation.cases)} virtual cases at {settings.spacing_mm:g} mm, time steps {settings.time_step_scale:g} "
        f"times the solver's, {evaluation.num_compared_voxels:,} of {evaluation.num_domain_voxels:,} voxels compared; "
        f"{case.num_samples} samples, {case.num_steps} steps per stage, {start}, imaging parameters "
        f"{'integrated' if case.integrates_imaging else 'sampled'}; seed {settings.seed}.",
    ]
    return " ".join(part for part in parts if part)


def _measured_on(conditions: Sequence[MachineConditions]) -> str:
    """Machines on which seconds were measured, and a warning if one was busy."""
    machines = dict.fromkeys(f"{each.architecture} with {each.num_cores} cores" for each in conditions)
    busy = [each for each in conditions if each.is_machine_busy]
    text = f"Seconds on {' and '.join(machines)}."
    if busy:
        worst = max(busy, key=lambda each: each.load_average)
        text += f" {worst.busy_warning} So measured: {len(busy)} of {len(conditions)}, this the worst."
    return text


def _ranks_text(evaluation: BayesEvaluation) -> str:
    some, places = next(iter(evaluation.calibration.values())).parameters[0], evaluation.time_places
    smallest = ", ".join(
        f"{RUN_LABELS[name]} {number(each.smallest_p_value, '.2g')}" for name, each in evaluation.calibration.items()
    )
    histograms = dict.fromkeys(_histogram_text(each.parameters[0]) for each in evaluation.calibration.values())
    text = (
        f"Rank among {some.num_draws} posterior draws; p of χ² over {' or '.join(histograms)}, and the mean place of "
        f"the truth, 0.5 ± {some.mean_place_error:.3f} if nothing is biased. Smallest p times the number of tests: "
        f"{smallest}. The true T lies, on average, at place {number(float(places.mean()), '.2f')} ± "
        f"{1.0 / math.sqrt(12.0 * len(places)):.2f} between the ends that its D_w T and ρ T leave of the prior: 0.5 "
        "over many truths, and what ranks of D_w, ρ and T can be expected to share over these."
    )
    failures = _case_failures(evaluation.cases)
    return f"{text}\n\n{failures}" if failures else text


def _histogram_text(each: ParameterCalibration) -> str:
    bins, (low, high) = len(each.bin_counts), each.band
    band = f"{low} to {high} cases a bin lie within the band" if bins > 1 else "too few cases for a histogram"
    return f"{bins} bins ({band})"


def _case_failures(cases: Sequence[CaseRecord]) -> str:
    """How many cases calibration knows nothing of, and why; empty if there is none."""
    lines = []
    for name in RUN_NAMES:
        by_reason = dict[str, list[str]]()
        for case in cases:
            if name in case.failures:
                by_reason.setdefault(case.failures[name], []).append(str(case.number))
        lines += [
            f"- {len(numbers)} of {len(cases)} {RUN_LABELS[name]} (case {', '.join(numbers)}): {reason}"
            for reason, numbers in by_reason.items()
        ]
    if not lines:
        return ""
    return "Cases that could not be sampled are missing from every table, as from ranks and coverage:\n\n" + "\n".join(
        lines
    )


def _ranks(evaluation: BayesEvaluation) -> str:
    names = list(dict.fromkeys(each.name for run in evaluation.calibration.values() for each in run.parameters))
    by_run = {run: {each.name: each for each in evaluation.calibration[run].parameters} for run in RUN_NAMES}
    rows = []
    for name in names:
        cells = []
        for run in RUN_NAMES:
            each = by_run[run].get(name)
            cells += ["-", "-"] if each is None else [number(each.p_value, ".2g"), f"{each.mean_place:.2f}"]
        rows.append([name, *cells])
    headers = ["parameter", *(f"{RUN_LABELS[run]}: {what}" for run in RUN_NAMES for what in ("p", "place"))]
    return markdown_table(headers, rows)


def _coverage(evaluation: BayesEvaluation, name: str) -> str:
    calibration = evaluation.calibration[name]
    expected = [
        f"{value:.1%} ± {error:.1%}"
        for value, error in zip(calibration.expected_coverage, calibration.coverage_errors, strict=True)
    ]
    rows = [["expected", *expected]]
    rows += [[each.name, *(f"{value:.1%}" for value in each.coverage)] for each in calibration.parameters]
    rows.append(["mean", *(f"{value:.1%}" for value in calibration.mean_coverage)])
    return markdown_table(["parameter", *(f"{level:.0%} interval" for level in COVERAGE_LEVELS)], rows)


def _densities(evaluation: BayesEvaluation) -> str:
    rows = []
    for name in RUN_NAMES:
        for what in ("mean", "map"):
            scores = [_score_of(run, what) for run in _runs(evaluation, name)]
            errors = [number(MeanValue.of([getattr(score, each) for score in scores]).mean) for each in _SCORES]
            overlaps = [MeanValue.of([score.dice[level] for score in scores]) for level in SURROGATE_LEVELS]
            rows.append([RUN_LABELS[name], what if what == "mean" else "MAP", *errors, *map(mean_cell, overlaps)])
    headers = ["", "density", *_SCORE_HEADERS, *(f"Dice {level:g}" for level in SURROGATE_LEVELS)]
    return markdown_table(headers, rows)


def _paired(evaluation: BayesEvaluation) -> str:
    """Differences case by case, with standard errors."""
    rows = []
    for label, differences in (
        *((f"MAP − mean, {RUN_LABELS[name]}", _differences(evaluation, name)) for name in RUN_NAMES),
        ("mean, without − with PET", _pet_differences(evaluation)),
    ):
        values = np.array(differences)
        mean = float(values.mean()) if len(values) else float("nan")
        error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else float("nan")
        better = np.count_nonzero(values > 0.0)
        rows.append([label, number(mean), number(error), f"{better} of {len(values)}"])
    return markdown_table(["difference of the error over tissue", "mean", "standard error", "above 0"], rows)


def _differences(evaluation: BayesEvaluation, name: str) -> list[float]:
    return [run.map_density.tissue - run.mean_density.tissue for run in _runs(evaluation, name)]


def _runs(evaluation: BayesEvaluation, name: str) -> list[CaseRun]:
    """That run of all cases in which it was sampled."""
    return [case.runs[name] for case in evaluation.cases if name in case.runs]


def _pet_differences(evaluation: BayesEvaluation) -> list[float]:
    with_pet, without = RUN_NAMES
    return [
        case.runs[without].mean_density.tissue - case.runs[with_pet].mean_density.tissue
        for case in evaluation.cases
        if {with_pet, without} <= case.runs.keys()
    ]


def _score_of(run: CaseRun, what: str) -> DensityScore:
    return run.mean_density if what == "mean" else run.map_density


def _case_cost(evaluation: BayesEvaluation) -> str:
    rows = []
    for name in RUN_NAMES:
        runs = _runs(evaluation, name)
        simulations = float(np.median([run.num_simulations for run in runs]))
        effective = float(np.median([run.effective_samples for run in runs]))
        rows.append(
            [
                RUN_LABELS[name],
                f"{np.median([run.num_stages for run in runs]):.0f}",
                f"{simulations:,.0f}",
                f"{sum(run.num_failed for run in runs)}",
                number(float(np.median([run.seconds for run in runs])), ".1f"),
                f"{effective:.0f}",
                number(1000.0 * effective / simulations),
            ]
        )
    headers = ["", "stages", "simulations", "failed (all)", "seconds", "effective samples", "per 1,000 simulations"]
    return markdown_table(headers, rows)


def _cost_text(evaluation: BayesEvaluation) -> str:
    cost = evaluation.cost
    assert cost is not None
    return (
        f"Masks of a virtual case at {cost.spacing_mm:g} mm, core {cost.core_ml:.1f} ml, whole tumor "
        f"{cost.whole_ml:.1f} ml, no PET; true μ1 = {cost.truth['diffusion_length_mm']:.2f} mm, μ2 = "
        f"{cost.truth['proliferation_number']:.2f}. Distances are mean |difference| of mean densities where either "
        f"has tumor: from that of {REFERENCE_WAY}, and from the truth. μ1 = √(D_w T), μ2 = √(ρ T). Simulations and "
        f"seconds are those of sampling, without maps. {_measured_on([cost.conditions])}"
    )


def _cost(evaluation: BayesEvaluation) -> str:
    assert evaluation.cost is not None
    rows = [_cost_row(way) for way in evaluation.cost.ways]
    headers = [
        "way", "settings", "log evidence", "μ1 [mm]", "μ2", "from one level", "from truth", "simulations", "coarse",
        "seconds", "effective", "per 1,000",
    ]  # fmt: skip
    table = markdown_table(headers, rows)
    refusals = [f"- {way.way}: {way.refusal}" for way in evaluation.cost.ways if way.refusal]
    return "\n\n".join([table, *(["Refused:\n\n" + "\n".join(refusals)] if refusals else [])])


def _cost_row(way: WayCost) -> list[str]:
    simulations = way.num_fine + way.num_coarse
    # A way that simulates nothing has effective samples for free.
    rate = 1000.0 * way.effective_samples / simulations if simulations else float("nan")
    return [
        way.way,
        way.settings,
        number(way.log_evidence, ".1f"),
        _with_spread(way.diffusion_length_mm),
        _with_spread(way.proliferation_number),
        "-" if way.way == REFERENCE_WAY else number(way.mean_distance),
        number(way.truth_distance),
        f"{way.num_fine:,}",
        f"{way.num_coarse:,}",
        number(way.seconds, ".1f"),
        number(way.effective_samples, ".0f"),
        number(rate),
    ]


def _with_spread(moments: tuple[float, float]) -> str:
    mean, std = moments
    return f"{number(mean, '.2f')} ± {number(std, '.2f')}" if math.isfinite(mean) else "-"


def _patients_text(evaluation: BayesEvaluation) -> str:
    has_pet = any(patient.uses_pet for patient in evaluation.patients)
    return (
        "Best sample, in parentheses the 95 % interval, in the units of the names; in the atlas, "
        + ("with FET-PET where there is one. " if has_pet else "without FET-PET. ")
        + "Paper: smallest and largest MAP of its five patients by either model (Table I); other patients, who had "
        "FET-PET, in their own anatomy."
    )


def _map(evaluation: BayesEvaluation) -> str:
    models = [
        (patient, label) for patient in evaluation.patients for label in (SOLVER, SURROGATE) if label in patient.models
    ]
    sampled = dict.fromkeys(name for patient, label in models for name in patient.models[label].parameters)
    names = [*published_names(evaluation.patients), *(name for name in sampled if name not in PUBLISHED_MAP)]
    rows = []
    for name in names:
        published = PUBLISHED_MAP.get(name)
        paper = (
            ["-", "-"]
            if published is None
            else [f"{low:.4g}-{high:.4g}" for low, high in (published.solver, published.surrogate)]
        )
        rows.append([name, *(_estimate_cell(patient, label, name) for patient, label in models), *paper])
    headers = [
        "parameter", *(f"{patient.name}, {label}" for patient, label in models), "paper, solver", "paper, surrogate",
    ]  # fmt: skip
    return markdown_table(headers, rows)


def _estimate_cell(patient: PatientPosterior, label: str, name: str) -> str:
    found = patient.models[label].parameters.get(name)
    if found is None:
        return "-"
    best = number(found.map, ".4g")
    interval = f"({found.low:.3g} to {found.high:.3g})"
    return interval if best == "-" else f"{best} {interval}"


def _pairs_text(evaluation: BayesEvaluation) -> str:
    has_surrogate = any(SURROGATE in {**each.models, **each.failures} for each in evaluation.patients)
    conditions = [model.conditions for patient in evaluation.patients for model in patient.models.values()]
    without = "" if has_surrogate else " No surrogate was given (--checkpoint), so there is nothing to compare with."
    return (
        f"Dice of both MAP densities above three levels, and their mean |difference| where either has tumor; seconds, "
        f"and simulations at full and at half the resolution; Dice of masks drawn from the posterior with the "
        f"observed ones. Simulations and seconds are those of sampling; a run that was stopped in between has no "
        f"seconds. {_measured_on(conditions)}{without}"
    )


def _pairs(evaluation: BayesEvaluation) -> str:
    rows = []
    for patient in evaluation.patients:
        overlaps = [number(patient.map_dice.get(level, float("nan")), ".3f") for level in SURROGATE_LEVELS]
        for place, label in enumerate(label for label in (SOLVER, SURROGATE) if label in patient.models):
            found = patient.models[label]
            rows.append(
                [
                    patient.name,
                    label,
                    *(overlaps if place == 0 else ["", "", ""]),
                    number(patient.map_distance) if place == 0 else "",
                    number(found.seconds, ".0f"),
                    f"{found.num_fine:,} + {found.num_coarse:,}",
                    number(found.dice_core, ".2f"),
                    number(found.dice_whole, ".2f"),
                ]
            )
    headers = [
        "patient", "growth model", *(f"Dice {level:g}" for level in SURROGATE_LEVELS), "difference", "seconds",
        "simulations", "core", "whole",
    ]  # fmt: skip
    remarks = [_concerns(evaluation.patients), _model_failures(evaluation.patients)]
    return "\n\n".join([markdown_table(headers, rows), *(remark for remark in remarks if remark)])


def _concerns(patients: Sequence[PatientPosterior]) -> str:
    lines = [
        f"- {patient.name}, {label}: {concern}"
        for patient in patients
        for label, found in patient.models.items()
        for concern in found.concerns
    ]
    return "Concerns of the method itself:\n\n" + "\n".join(lines) if lines else ""


def _model_failures(patients: Sequence[PatientPosterior]) -> str:
    lines = [f"- {patient.name}, {what}: {reason}" for patient in patients for what, reason in patient.failures.items()]
    return "Not sampled:\n\n" + "\n".join(lines) if lines else ""
