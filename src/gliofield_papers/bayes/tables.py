"""The tables of ``gliofield papers bayes`` as Markdown, beside the paper's numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from gliofield.bayes.pareto_smoothing import LARGEST_RELIABLE_SHAPE
from gliofield.report.tables import Column, ResultTable, number, section
from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, ParameterCalibration
from gliofield_papers.bayes.cost import REFERENCE_WAY, WayCost
from gliofield_papers.bayes.evaluation import BayesEvaluation
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import ModelPosterior, PatientPosterior
from gliofield_papers.bayes.patients import PUBLISHED_MAP, SOLVER, SURROGATE, published_names
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseRun
from gliofield_papers.errors_by_tissue import SURROGATE_LEVELS, MeanValue

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
            "Medians; effective samples by weights. " + _measured_on([case.conditions for case in evaluation.cases]),
            ResultTable(columns=_CASE_COST, rows=[(name, _runs(evaluation, name)) for name in RUN_NAMES]).markdown(),
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
    parts = [
        "**Small**: fewer cases, samples or steps, and coarser than the method's own setting."
        if settings.is_small
        else "",
        f"{len(evaluation.cases)} virtual cases at {settings.spacing_mm:g} mm, time steps {settings.time_step_scale:g} "
        f"times the solver's, {evaluation.num_compared_voxels:,} of {evaluation.num_domain_voxels:,} voxels compared; "
        f"{case.num_samples} effective samples, imaging parameters integrated; seed {settings.seed}.",
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
    names = dict.fromkeys(each.name for run in evaluation.calibration.values() for each in run.parameters)
    by_run = {run: {each.name: each for each in evaluation.calibration[run].parameters} for run in RUN_NAMES}

    def column(run: str, title: str, attribute: str, form: str) -> Column:
        found = by_run[run]
        return Column(
            f"{RUN_LABELS[run]}: {title}",
            lambda name: getattr(found[name], attribute) if name in found else None,
            form,
        )

    columns = [Column("parameter", str)]
    for run in RUN_NAMES:
        columns += [column(run, "p", "p_value", ".2g"), column(run, "place", "mean_place", ".2f")]
    return ResultTable(columns=columns, rows=list(names)).markdown()


def _coverage(evaluation: BayesEvaluation, name: str) -> str:
    calibration = evaluation.calibration[name]
    expected = [
        f"{value:.1%} ± {error:.1%}"
        for value, error in zip(calibration.expected_coverage, calibration.coverage_errors, strict=True)
    ]
    rows = [
        ("expected", expected),
        *((each.name, each.coverage) for each in calibration.parameters),
        ("mean", calibration.mean_coverage),
    ]
    columns = [
        Column(f"{level:.0%} interval", lambda row, place=place: row[1][place], ".1%")
        for place, level in enumerate(COVERAGE_LEVELS)
    ]
    return ResultTable(columns=[Column("parameter", itemgetter(0)), *columns], rows=rows).markdown()


def _densities(evaluation: BayesEvaluation) -> str:
    rows = [
        (RUN_LABELS[name], title, [getattr(run, f"{what}_density") for run in _runs(evaluation, name)])
        for name in RUN_NAMES
        for title, what in (("mean", "mean"), ("MAP", "map"))
    ]
    errors = [
        Column(title, lambda row, name=name: MeanValue.of([getattr(score, name) for score in row[2]]).mean)
        for title, name in zip(_SCORE_HEADERS, _SCORES, strict=True)
    ]
    overlaps = [
        Column(f"Dice {level:g}", lambda row, level=level: MeanValue.of([score.dice[level] for score in row[2]]).cell)
        for level in SURROGATE_LEVELS
    ]
    columns = [Column("", itemgetter(0)), Column("density", itemgetter(1)), *errors, *overlaps]
    return ResultTable(columns=columns, rows=rows).markdown()


def _paired(evaluation: BayesEvaluation) -> str:
    """Differences case by case, with standard errors."""
    rows = [
        *((f"MAP − mean, {RUN_LABELS[name]}", np.array(_differences(evaluation, name))) for name in RUN_NAMES),
        ("mean, without − with PET", np.array(_pet_differences(evaluation))),
    ]
    columns = [
        Column("difference of the error over tissue", itemgetter(0)),
        Column("mean", lambda row: float(row[1].mean()) if len(row[1]) else None),
        Column(
            "standard error",
            lambda row: float(row[1].std(ddof=1)) / math.sqrt(len(row[1])) if len(row[1]) > 1 else None,
        ),
        Column("above 0", lambda row: f"{np.count_nonzero(row[1] > 0.0)} of {len(row[1])}"),
    ]
    return ResultTable(columns=columns, rows=rows).markdown()


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


def _median(runs: Sequence[CaseRun], name: str) -> float:
    return float(np.median([getattr(run, name) for run in runs]))


_CASE_COST = (
    Column("", lambda row: RUN_LABELS[row[0]]),
    Column("k̂", lambda row: _median(row[1], "pareto_shape"), ".2f"),
    Column("k̂ > 0.7 (all)", lambda row: sum(not run.pareto_shape <= LARGEST_RELIABLE_SHAPE for run in row[1])),
    Column("simulations", lambda row: _median(row[1], "num_simulations"), ",.0f"),
    Column("failed (all)", lambda row: sum(run.num_failed for run in row[1])),
    Column("seconds", lambda row: _median(row[1], "seconds"), ".1f"),
    Column("effective samples", lambda row: _median(row[1], "effective_samples"), ".0f"),
    Column(
        "per 1,000 simulations",
        lambda row: 1000.0 * _median(row[1], "effective_samples") / _median(row[1], "num_simulations"),
    ),
)


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
    table = ResultTable(columns=_WAYS, rows=evaluation.cost.ways).markdown()
    refusals = [f"- {way.way}: {way.refusal}" for way in evaluation.cost.ways if way.refusal]
    return "\n\n".join([table, *(["Refused:\n\n" + "\n".join(refusals)] if refusals else [])])


def _effective_rate(way: WayCost) -> float | None:
    """Effective samples per 1,000 simulations; a way that simulates nothing has them for free."""
    return 1000.0 * way.effective_samples / way.num_simulations if way.num_simulations else None


_WAYS = (
    Column("way", "way"),
    Column("settings", "settings"),
    Column("log evidence", "log_evidence", ".1f"),
    Column("μ1 [mm]", lambda way: _with_spread(way.diffusion_length_mm)),
    Column("μ2", lambda way: _with_spread(way.proliferation_number)),
    Column(f"from {REFERENCE_WAY}", lambda way: None if way.way == REFERENCE_WAY else way.mean_distance),
    Column("from truth", "truth_distance"),
    Column("simulations", "num_simulations", ","),
    Column("seconds", "seconds", ".1f"),
    Column("effective", "effective_samples", ".0f"),
    Column("per 1,000", _effective_rate),
)


def _with_spread(moments: tuple[float, float]) -> str:
    mean, std = moments
    return f"{number(mean, '.2f')} ± {number(std, '.2f')}" if math.isfinite(mean) else "-"


def _patients_text(evaluation: BayesEvaluation) -> str:
    has_pet = any(patient.uses_pet for patient in evaluation.patients)
    return (
        "Best sample, in parentheses the 95 % interval, in the units of the names; "
        + ("as published, in their own anatomy, " if evaluation.settings.is_published else "in the atlas, ")
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

    def published(model: str) -> Column:
        return Column(f"paper, {model}", lambda name: _published_range(name, model))

    columns = [
        Column("parameter", str),
        *(
            Column(f"{each.name}, {label}", lambda name, each=each, label=label: _estimate_cell(each, label, name))
            for each, label in models
        ),
        published("solver"),
        published("surrogate"),
    ]
    return ResultTable(columns=columns, rows=names).markdown()


def _published_range(name: str, model: str) -> str | None:
    if name not in PUBLISHED_MAP:
        return None
    low, high = getattr(PUBLISHED_MAP[name], model)
    return f"{low:.4g}-{high:.4g}"


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
        f"and simulations; Dice of masks drawn from the posterior with the "
        f"observed ones. Simulations and seconds are those of sampling; a run that was stopped in between has no "
        f"seconds. {_measured_on(conditions)}{without}"
    )


def _pairs(evaluation: BayesEvaluation) -> str:
    rows = [
        _PatientModel(patient=patient, label=label, model=patient.models[label], is_first=place == 0)
        for patient in evaluation.patients
        for place, label in enumerate(label for label in (SOLVER, SURROGATE) if label in patient.models)
    ]
    remarks = [_concerns(evaluation.patients), _model_failures(evaluation.patients)]
    table = ResultTable(columns=_PAIRS, rows=rows).markdown()
    return "\n\n".join([table, *(remark for remark in remarks if remark)])


@dataclass(frozen=True, kw_only=True)
class _PatientModel:
    """One growth model of a patient; what is of both stands on the first line of the patient."""

    patient: PatientPosterior
    label: str
    model: ModelPosterior
    is_first: bool

    def overlap(self, level: float) -> str:
        """Dice of both MAP densities above a level."""
        return number(self.patient.map_dice.get(level, float("nan")), ".3f") if self.is_first else ""


_PAIRS = (
    Column("patient", lambda row: row.patient.name),
    Column("growth model", "label"),
    *(Column(f"Dice {level:g}", lambda row, level=level: row.overlap(level)) for level in SURROGATE_LEVELS),
    Column("difference", lambda row: row.patient.map_distance if row.is_first else ""),
    Column("seconds", lambda row: row.model.seconds, ".0f"),
    Column("simulations", lambda row: row.model.num_simulations, ","),
    Column("core", lambda row: row.model.dice_core, ".2f"),
    Column("whole", lambda row: row.model.dice_whole, ".2f"),
)


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
