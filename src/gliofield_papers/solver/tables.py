"""The tables of ``gliofield papers solver`` as Markdown, ready for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from gliofield.growth import MassEffect
from gliofield.report.tables import markdown_table, number, section
from gliofield_papers.solver.accuracy import REFERENCE_TIME_STEP_SCALE, CouplingRow, TimeStepRow
from gliofield_papers.solver.backends import BackendRow
from gliofield_papers.solver.evaluation import Conditions, MemoryRow, SolverEvaluation
from gliofield_papers.solver.front_speed import FrontSpeedRow
from gliofield_papers.solver.scaling import GridExponents, GridRow, ThreadRow
from gliofield_papers.solver.tumors import EvaluationTumor


def solver_report(evaluation: SolverEvaluation) -> str:
    """Conditions and all tables, as sections of the third level."""
    settings = evaluation.settings
    volumes = sorted(tumor.volume_ml for tumor in evaluation.tumors)
    sections = [
        conditions_text(evaluation.conditions),
        section(
            "Reaction-diffusion: time steps",
            f"{len(volumes)} random tumors of {volumes[0]:.0f}-{volumes[-1]:.0f} ml (design `clinical`, seed "
            f"{settings.seed}), {settings.spacing_mm:g} mm, one thread, median of {settings.num_repeats} repeats. Dice "
            f"with runs of 1/{1.0 / REFERENCE_TIME_STEP_SCALE:.0f} of the time step, FLAIR at 0.2 and T1Gd at 0.6.",
            _time_steps(evaluation.time_steps),
        ),
    ]
    if evaluation.couplings:
        sections.append(
            section(
                "Mass effect: coupling steps",
                f"{_tumors(evaluation.mass_effect_tumors)}; {settings.spacing_mm:g} mm, "
                f"{settings.max_threads} threads, one run each. Errors against the last row, of the worst tumor: "
                "largest difference of displacements in % of the largest displacement, Dice at 0.2.",
                _couplings(evaluation.couplings),
            )
        )
    sections += [
        section(
            "Grids",
            "The same tumor on every grid; reaction-diffusion on one thread, mass effect on "
            f"{settings.max_threads}. A voxel-step is one stencil evaluation on a voxel of the box around the tumor.",
            _grids(evaluation.grids),
            "Exponents p of cost ∝ (domain voxels)^p. The number of stages of a step grows with 1/spacing, which alone "
            "adds 1/3.",
            _exponents(evaluation.exponents),
        ),
        section("Threads", "One run shared by threads, wall time.", _threads(evaluation.threads)),
        section("Backends", "Reaction-diffusion; seconds per tumor.", _backends(evaluation.backends)),
        section(
            "Front resolution",
            "Speed of a front along an axis of the grid in uniform white matter, over the exact speed of the equation, "
            "and what the lattice prescribes.",
            _fronts(evaluation.fronts),
        ),
        section("Memory", "Most memory of the process so far.", _memory(evaluation.memory)),
    ]
    return "\n\n".join(sections)


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


def _time_steps(rows: Sequence[TimeStepRow]) -> str:
    def name(scale: float) -> str:
        notes = {1.0: " (default)", REFERENCE_TIME_STEP_SCALE: " (reference)"}
        return f"{scale:g}{notes.get(scale, '')}"

    headers = ["time step", "FLAIR least", "median", "T1Gd least", "median", "steps", "seconds", "ns/voxel-step"]
    return markdown_table(
        headers,
        [
            [
                name(row.time_step_scale),
                number(row.dice_flair_min, ".4f"),
                number(row.dice_flair_median, ".4f"),
                number(row.dice_t1gd_min, ".4f"),
                number(row.dice_t1gd_median, ".4f"),
                number(row.num_steps, ".0f"),
                number(row.seconds, ".3f"),
                number(row.ns_per_voxel_step, ".2f"),
            ]
            for row in rows
        ],
    )


def _couplings(rows: Sequence[CouplingRow]) -> str:
    default = MassEffect()

    def name(row: CouplingRow) -> str:
        if row is rows[-1]:
            return f"{row.num_coupling_steps} (reference)"
        is_default = row.num_coupling_steps == default.num_coupling_steps
        return f"{row.num_coupling_steps}{' (default)' if is_default else ''}"

    headers = [
        "coupling steps",
        "force tolerance",
        "displacement error",
        "Dice least",
        "largest mm",
        "seconds",
        "iterations",
        "least det J",
        "failed",
    ]
    return markdown_table(
        headers,
        [
            [
                name(row),
                number(row.force_tolerance, "g"),
                number(row.displacement_error, ".1%"),
                number(row.dice_flair_min, ".4f"),
                number(row.largest_displacement_mm, ".2f"),
                number(row.seconds, ".2f"),
                number(row.num_solver_iterations, ".0f"),
                number(row.min_jacobian_determinant, ".2f"),
                str(row.num_failed),
            ]
            for row in rows
        ],
    )


def _grids(rows: Sequence[GridRow]) -> str:
    headers = ["model", "mm", "domain voxels", "front/spacing", "ml > 0.2", "seconds", "ns/voxel-step", "iterations"]
    return markdown_table(
        headers,
        [
            [
                row.model,
                f"{row.spacing_mm:.4g}",
                f"{row.num_domain_voxels:,}",
                number(row.front_resolution, ".2f"),
                number(row.volume_ml, ".1f"),
                number(row.seconds, ".3g"),
                number(row.ns_per_voxel_step, ".2f") if not row.num_solver_iterations else "-",
                str(row.num_solver_iterations or "-"),
            ]
            for row in rows
        ],
    )


def _exponents(rows: Sequence[GridExponents]) -> str:
    headers = ["model", "seconds", "voxel-steps", "seconds per voxel-step"]
    return markdown_table(
        headers,
        [
            [row.model, *(number(p, ".2f") for p in (row.seconds, row.voxel_steps, row.seconds_per_voxel_step))]
            for row in rows
        ],
    )


def _threads(rows: Sequence[ThreadRow]) -> str:
    return markdown_table(
        ["model", "mm", "threads", "seconds", "gain"],
        [
            [
                row.model,
                f"{row.spacing_mm:.4g}",
                str(row.num_threads),
                number(row.seconds, ".3g"),
                number(row.gain, ".2f"),
            ]
            for row in rows
        ],
    )


def _backends(rows: Sequence[BackendRow]) -> str:
    headers = ["backend", "runs", "seconds", "numba seconds", "ns/voxel-step", "largest difference to numba", "note"]
    return markdown_table(
        headers,
        [
            [
                row.backend,
                str(row.num_runs),
                number(row.seconds, ".3g"),
                number(row.numba_seconds, ".3g"),
                number(row.ns_per_voxel_step, ".3g"),
                number(row.largest_difference, ".1e"),
                row.note,
            ]
            for row in rows
        ],
    )


def _fronts(rows: Sequence[FrontSpeedRow]) -> str:
    return markdown_table(
        ["front/spacing", "measured", "lattice"],
        [
            [f"{row.front_resolution:g}", number(row.speed_over_exact, ".3f"), number(row.lattice_over_exact, ".3f")]
            for row in rows
        ],
    )


def _memory(rows: Sequence[MemoryRow]) -> str:
    return markdown_table(["after", "GiB"], [[row.after, number(row.peak_gib, ".2f")] for row in rows])
