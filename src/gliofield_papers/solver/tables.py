"""The tables of ``gliofield papers solver`` as Markdown, ready for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from gliofield.growth import MassEffect
from gliofield.report.tables import Column, ResultTable, section
from gliofield_papers.solver.accuracy import REFERENCE_TIME_STEP_SCALE, CouplingRow
from gliofield_papers.solver.evaluation import Conditions, SolverEvaluation
from gliofield_papers.solver.tumors import EvaluationTumor

_NOTES_OF_SCALES = {1.0: " (default)", REFERENCE_TIME_STEP_SCALE: " (reference)"}
_TIME_STEPS = (
    Column("time step", lambda row: f"{row.time_step_scale:g}{_NOTES_OF_SCALES.get(row.time_step_scale, '')}"),
    Column("FLAIR least", "dice_flair_min", ".4f"),
    Column("median", "dice_flair_median", ".4f"),
    Column("T1Gd least", "dice_t1gd_min", ".4f"),
    Column("median", "dice_t1gd_median", ".4f"),
    Column("steps", "num_steps", ".0f"),
    Column("seconds", "seconds", ".3f"),
    Column("ns/voxel-step", "ns_per_voxel_step", ".2f"),
)
_COUPLINGS = (
    Column("force tolerance", "force_tolerance", "g"),
    Column("displacement error", "displacement_error", ".1%"),
    Column("Dice least", "dice_flair_min", ".4f"),
    Column("largest mm", "largest_displacement_mm", ".2f"),
    Column("seconds", "seconds", ".2f"),
    Column("iterations", "num_solver_iterations", ".0f"),
    Column("least det J", "min_jacobian_determinant", ".2f"),
    Column("failed", "num_failed"),
)
_GRIDS = (
    Column("model", "model"),
    Column("mm", "spacing_mm", ".4g"),
    Column("domain voxels", "num_domain_voxels", ","),
    Column("front/spacing", "front_resolution", ".2f"),
    Column("ml > 0.2", "volume_ml", ".1f"),
    Column("seconds", "seconds", ".3g"),
    # With mass effect most of the time goes elsewhere.
    Column("ns/voxel-step", lambda row: None if row.num_solver_iterations else row.ns_per_voxel_step, ".2f"),
    Column("iterations", lambda row: row.num_solver_iterations or None),
)
_EXPONENTS = (
    Column("model", "model"),
    Column("seconds", "seconds", ".2f"),
    Column("voxel-steps", "voxel_steps", ".2f"),
    Column("seconds per voxel-step", "seconds_per_voxel_step", ".2f"),
)
_THREADS = (
    Column("model", "model"),
    Column("mm", "spacing_mm", ".4g"),
    Column("threads", "num_threads"),
    Column("seconds", "seconds", ".3g"),
    Column("gain", "gain", ".2f"),
)
_BACKENDS = (
    Column("backend", "backend"),
    Column("runs", "num_runs"),
    Column("seconds", "seconds", ".3g"),
    Column("numba seconds", "numba_seconds", ".3g"),
    Column("ns/voxel-step", "ns_per_voxel_step", ".3g"),
    Column("largest difference to numba", "largest_difference", ".1e"),
    Column("note", "note"),
)
_FRONTS = (
    Column("front/spacing", "front_resolution", "g"),
    Column("measured", "speed_over_exact", ".3f"),
    Column("lattice", "lattice_over_exact", ".3f"),
)
_FRONT_NOTE = (
    "Speed of a front along an axis of the grid in uniform white matter, over the exact speed of the equation, and "
    "what the lattice prescribes."
)
_MEMORY = (Column("after", "after"), Column("GiB", "peak_gib", ".2f"))


def solver_report(evaluation: SolverEvaluation) -> str:
    """Conditions and all tables, as sections of the third level."""
    settings = evaluation.settings
    volumes = sorted(tumor.volume_ml for tumor in evaluation.tumors)
    parts = [
        conditions_text(evaluation.conditions),
        ResultTable(
            title="Reaction-diffusion: time steps",
            note=f"{len(volumes)} random tumors of {volumes[0]:.0f}-{volumes[-1]:.0f} ml (design `clinical`, seed "
            f"{settings.seed}), {settings.spacing_mm:g} mm, one thread, median of {settings.num_repeats} repeats. Dice "
            f"with runs of 1/{1.0 / REFERENCE_TIME_STEP_SCALE:.0f} of the time step, FLAIR at 0.2 and T1Gd at 0.6.",
            columns=_TIME_STEPS,
            rows=evaluation.time_steps,
        ).markdown(),
        *([_couplings(evaluation)] if evaluation.couplings else []),
        section(
            "Grids",
            "The same tumor on every grid; reaction-diffusion on one thread, mass effect on "
            f"{settings.max_threads}. A voxel-step is one stencil evaluation on a voxel of the box around the tumor.",
            ResultTable(columns=_GRIDS, rows=evaluation.grids).markdown(),
            "Exponents p of cost ∝ (domain voxels)^p. The number of stages of a step grows with 1/spacing, which alone "
            "adds 1/3.",
            ResultTable(columns=_EXPONENTS, rows=evaluation.exponents).markdown(),
        ),
        *(
            ResultTable(title=title, note=note, columns=columns, rows=rows).markdown()
            for title, note, columns, rows in (
                ("Threads", "One run shared by threads, wall time.", _THREADS, evaluation.threads),
                ("Backends", "Reaction-diffusion; seconds per tumor.", _BACKENDS, evaluation.backends),
                ("Front resolution", _FRONT_NOTE, _FRONTS, evaluation.fronts),
                ("Memory", "Most memory of the process so far.", _MEMORY, evaluation.memory),
            )
        ),
    ]
    return "\n\n".join(parts)


def conditions_text(conditions: Conditions) -> str:
    """What was measured on, with a warning if others wanted the cores as well."""
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    lines = [
        f"- {conditions.atlas}, {conditions.grid}",
        f"- domain `{conditions.domain_rule}`, {conditions.num_domain_voxels:,} voxels, {conditions.domain_ml:.0f} ml",
        f"- {conditions.architecture}, {conditions.num_cores} cores, load average {conditions.load_average_before:.1f} "
        f"before and {conditions.load_average_after:.1f} after",
        f"- {versions}; float32",
    ]
    if conditions.is_machine_busy:
        lines.append(f"- {conditions.busy_warning}")
    return "\n".join(lines)


def _tumors(tumors: Sequence[EvaluationTumor]) -> str:
    count = "1 tumor" if len(tumors) == 1 else f"{len(tumors)} tumors"
    described = ", ".join(
        f"{tumor.volume_ml:.0f} ml (infiltration length {tumor.parameters.infiltration_length_mm:.1f} mm)"
        for tumor in tumors
    )
    return f"{count} that would have {described} without push; γ = {tumors[0].pushing_parameters.push_pa:g} Pa"


def _couplings(evaluation: SolverEvaluation) -> str:
    settings, rows = evaluation.settings, evaluation.couplings
    default = MassEffect().num_coupling_steps

    def name(row: CouplingRow) -> str:
        note = " (reference)" if row is rows[-1] else " (default)" if row.num_coupling_steps == default else ""
        return f"{row.num_coupling_steps}{note}"

    return ResultTable(
        title="Mass effect: coupling steps",
        note=f"{_tumors(evaluation.mass_effect_tumors)}; {settings.spacing_mm:g} mm, {settings.max_threads} threads, "
        "one run each. Errors against the last row, of the worst tumor: largest difference of displacements in % of "
        "the largest displacement, Dice at 0.2.",
        columns=(Column("coupling steps", name), *_COUPLINGS),
        rows=rows,
    ).markdown()
