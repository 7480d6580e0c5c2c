"""``gliofield simulate``: grow one tumor in an atlas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors
from gliofield.cli.options import AtlasOption, DomainRuleOption, SpacingOption
from gliofield.progress import Reporter

if TYPE_CHECKING:
    from gliofield.anatomy import Anatomy
    from gliofield.growth import MassEffectSolution, Solution

_MASS_EFFECT = "mass-effect"
_MODELS = ("fk", _MASS_EFFECT)
# What a run with mass effect writes beside each density.
_MOVED = ("displacement", "white_matter", "gray_matter", "csf")


def simulate(
    seed_mm: Annotated[
        tuple[float, float, float], typer.Option("--seed-mm", help="Seed position X Y Z in atlas space [mm, RAS+].")
    ],
    diffusivity: Annotated[float, typer.Option(help="Diffusivity in white matter D_w [mm²/day] (cm²/day x 100).")],
    proliferation: Annotated[float, typer.Option(help="Proliferation rate ρ [1/day].")],
    time: Annotated[list[float], typer.Option("--time", help="Time since the seed [days]; repeat for snapshots.")],
    out: Annotated[Path, typer.Option(help="Density file (.nii.gz); with several times one file each, -t0100d.")],
    model: Annotated[
        str, typer.Option(help="Growth model: fk (Fisher-Kolmogorov) or mass-effect (it also pushes the tissue).")
    ] = "fk",
    push: Annotated[
        float | None, typer.Option("--push", help="Push of the tumor γ [Pa], for mass-effect; default 10000.")
    ] = None,
    atlas: AtlasOption = "sri24",
    diffusivity_ratio: Annotated[float, typer.Option(help="D_w / D_g, white over gray matter.")] = 10.0,
    spacing_mm: SpacingOption = 1.875,
    domain_rule: DomainRuleOption = None,
    scheme: Annotated[str | None, typer.Option(help="Time-stepping scheme of fk: strang-rkl2 or published.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads inside this one run.")] = 1,
    figure: Annotated[Path | None, typer.Option(help="Also draw a contact sheet (.png).")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grow one tumor in an atlas and write its cell density.

    With mass effect also the displacement and the moved tissue maps, beside each density: -displacement (vector image
    in mm, ITK's convention), -white_matter, -gray_matter, -csf.
    """
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliofield.anatomy import DEFAULT_DOMAIN_RULE, load_atlas
        from gliofield.errors import ParameterError
        from gliofield.growth import MassEffectSolution
        from gliofield.imaging import VisibilityThresholds
        from gliofield.nifti import require_nifti_name, write_volume
        from gliofield.output import atomic_file, require_absent
        from gliofield.volume import Volume

        grow = _growth(
            model,
            push_pa=push,
            scheme=scheme,
            num_threads=threads,
            diffusivity=diffusivity,
            proliferation=proliferation,
            seed_mm=seed_mm,
            diffusivity_ratio=diffusivity_ratio,
            report=report,
        )
        times = sorted(set(time))
        files = [out] if len(times) == 1 else [_snapshot_path(out, days) for days in times]
        companions = [_with_ending(path, kind) for path in files for kind in _MOVED] if model == _MASS_EFFECT else []
        require_nifti_name(out)
        if figure is not None and figure.suffix.lower() != ".png":
            raise ParameterError(f"--figure {figure} must end in .png.")
        for path in [*files, *companions, *([figure] if figure else [])]:
            require_absent(path, replace=force)
        loaded = load_atlas(atlas, report=report)
        grid = loaded.simulation_grid(spacing_mm=spacing_mm)
        anatomy = loaded.anatomy(grid, domain_rule=domain_rule or DEFAULT_DOMAIN_RULE)
        solution = grow(anatomy, times)
        thresholds = VisibilityThresholds()
        with ExitStack() as outputs:  # all of the files appear, or none
            for index, (path, density) in enumerate(zip(files, solution.cell_density, strict=True)):
                partial = outputs.enter_context(atomic_file(path))
                description = "tumor-cell density, relative; research use only"
                write_volume(partial, Volume(density, grid), description=description)
                if isinstance(solution, MassEffectSolution):
                    _write_moved(solution, index, path, outputs)
            if figure is not None:
                from gliofield.report import growth_sheet

                pushed = f", {model}" + (f", γ {push:g} Pa" if push is not None else "")
                sheet = growth_sheet(
                    solution,
                    seed_mm=seed_mm,
                    background=loaded.t1,
                    brain=Volume(loaded.tissue_maps.brain, loaded.grid),
                    thresholds=thresholds,
                    title=f"D_w {diffusivity:g} mm²/day, ρ {proliferation:g} /day, {loaded.name}{pushed}",
                )
                sheet.savefig(outputs.enter_context(atomic_file(figure)), facecolor=sheet.get_facecolor())
    core, whole = (solution.volume_ml(t) for t in (thresholds.t1gd_threshold, thresholds.flair_threshold))
    rows = [
        {"time_days": days, "file": path, "volume_ml_t1gd": float(c), "volume_ml_flair": float(w)}
        for days, path, c, w in zip(solution.times_days, files, core, whole, strict=True)
    ]
    if isinstance(solution, MassEffectSolution):
        for index, row in enumerate(rows):
            row["largest_displacement_mm"] = solution.largest_displacement_mm(index)
            row["min_jacobian_determinant"] = solution.min_jacobian_determinant[index]
    content = {
        "snapshots": rows,
        "figure": figure,
        "model": model,
        "scheme": solution.scheme,
        "num_steps": solution.num_steps,
        "front_resolution": solution.front_resolution if solution.front_resolution < float("inf") else None,
    }
    if not solution.is_front_resolved:
        typer.echo(solution.front_warning, err=True)

    def text() -> str:
        lines = []
        for row in rows:
            moved = f"moved {row['largest_displacement_mm']:5.2f} mm  " if "largest_displacement_mm" in row else ""
            lines.append(
                f"{row['time_days']:8.1f} days  core {row['volume_ml_t1gd']:7.2f} ml  "
                f"whole {row['volume_ml_flair']:7.2f} ml  {moved}{row['file']}"
            )
        return "\n".join([*lines, *([f"contact sheet: {figure}"] if figure else [])])

    print_result(content, as_json=as_json, text=text)


def _growth(
    model: str,
    *,
    push_pa: float | None,
    scheme: str | None,
    num_threads: int,
    diffusivity: float,
    proliferation: float,
    seed_mm: tuple[float, float, float],
    diffusivity_ratio: float,
    report: Reporter,
) -> Callable[[Anatomy, Sequence[float]], Solution]:
    """The chosen model with its parameters, ready for an anatomy and times."""
    from gliofield.errors import ParameterError, unknown_name
    from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, MassEffect, MassEffectParameters

    if model not in _MODELS:
        raise ParameterError(unknown_name("growth model", model, _MODELS))
    if model == _MASS_EFFECT:
        if scheme is not None:
            raise ParameterError(f"--scheme {scheme} belongs to --model fk: mass-effect has one scheme. Leave it out.")
        chosen_push = {} if push_pa is None else {"push_pa": push_pa}
        pushing = MassEffectParameters(
            white_matter_diffusivity_mm2_per_day=diffusivity,
            proliferation_rate_per_day=proliferation,
            seed_mm=seed_mm,
            diffusivity_ratio=diffusivity_ratio,
            **chosen_push,
        )
        return lambda anatomy, times: MassEffect(num_threads=num_threads, report=report).simulate(
            anatomy, pushing, times
        )
    if push_pa is not None:
        raise ParameterError(f"--push {push_pa:g} belongs to --model mass-effect, got --model {model}.")
    growing = FisherKolmogorovParameters(
        white_matter_diffusivity_mm2_per_day=diffusivity,
        proliferation_rate_per_day=proliferation,
        seed_mm=seed_mm,
        diffusivity_ratio=diffusivity_ratio,
    )
    solver = FisherKolmogorov(scheme=scheme or "strang-rkl2", num_threads=num_threads, report=report)
    return lambda anatomy, times: solver.simulate(anatomy, growing, times)


def _write_moved(solution: MassEffectSolution, index: int, path: Path, outputs: ExitStack) -> None:
    """Displacement and moved tissue maps beside the density `path`."""
    from gliofield.nifti import write_volume
    from gliofield.output import atomic_file
    from gliofield.registration import write_displacement
    from gliofield.volume import Volume

    partial = outputs.enter_context(atomic_file(_with_ending(path, "displacement")))
    write_displacement(partial, solution.displacement_mm[index], solution.grid)
    maps = solution.tissue_maps(index)
    for kind in _MOVED[1:]:
        partial = outputs.enter_context(atomic_file(_with_ending(path, kind)))
        description = f"{kind} fraction, moved by the tumor; research use only"
        write_volume(partial, Volume(getattr(maps, kind), solution.grid), description=description)


def _snapshot_path(out: Path, days: float) -> Path:
    """Name of one snapshot; different times never share one."""
    text = f"{days:06.1f}" if days == round(days, 1) else repr(days)
    return _with_ending(out, f"t{text}d")


def _with_ending(path: Path, ending: str) -> Path:
    """The NIfTI name with something more in front of its suffix."""
    suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    return path.with_name(f"{path.name[: len(path.name) - len(suffix)]}-{ending}{suffix}")
