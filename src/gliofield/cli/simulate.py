"""``gliofield simulate``: grow one tumor in an atlas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.options import panel, shared
from gliofield.cli.outputs import require_output_file

if TYPE_CHECKING:
    from gliofield.anatomy import Anatomy, Atlas
    from gliofield.growth import MassEffectSolution, Solution

    Grow = Callable[[Anatomy, Sequence[float]], Solution]

# What a run with mass effect writes beside each density.
_MOVED = ("displacement", "white_matter", "gray_matter", "csf")

_tumor, _tumor_choice = panel("Tumor")
_place, _place_choice = panel("Atlas and output")


def simulate(
    console: Console,
    seed_mm: Annotated[tuple[float, float, float], _tumor(help="Seed position X Y Z in atlas space [mm, RAS+].")],
    white_matter_diffusivity_mm2_per_day: Annotated[
        float, _tumor("--diffusivity", help="Diffusivity in white matter D_w [mm²/day] (100 times that in cm²/day).")
    ],
    proliferation_rate_per_day: Annotated[float, _tumor("--proliferation", help="Proliferation rate ρ [1/day].")],
    times_days: Annotated[
        list[float], _tumor("--time", help="Time since the seed [days]; repeatable, for several snapshots.")
    ],
    out: Annotated[
        Path, _place(help="Density to write (.nii.gz); with several times one file each, named by the day.")
    ],
    diffusivity_ratio: Annotated[float, _tumor(help="D_w / D_g, white over gray matter.")] = 10.0,
    model: Annotated[
        str,
        _tumor_choice(
            *options.MODELS, kind="growth model", help="Fisher-Kolmogorov, or with mass effect: it pushes tissue."
        ),
    ] = "fk",
    checkpoint: Annotated[Path | None, _tumor(help="Trained network, for a model that is one.")] = None,
    push_pa: Annotated[
        float | None, _tumor("--push", help="Push of the tumor γ [Pa], for mass-effect; default 10000.")
    ] = None,
    scheme: Annotated[
        str | None,
        _tumor_choice(*options.SCHEMES, kind="scheme", help="Time-stepping scheme of fk; default: strang-rkl2."),
    ] = None,
    atlas: Annotated[str, _place(help="Name or folder of the atlas.")] = "sri24",
    spacing_mm: Annotated[float, _place(help="Voxel spacing of the simulation grid [mm].")] = 1.875,
    domain_rule: Annotated[
        str, _place_choice(*options.DOMAIN_RULES, kind="domain rule", help="Where in the brain the tumor may grow.")
    ] = options.DEFAULT_DOMAIN_RULE,
    figure: Annotated[Path | None, _place(help="Also draw a contact sheet (.png).")] = None,
    force: Annotated[bool, _place("--force", help="Replace outputs that exist.")] = False,
    num_threads: Annotated[int, shared("--threads", min=1, help="Threads inside this one run.")] = 1,
) -> None:
    """Grow one tumor in an atlas and write its cell density.

    With mass effect also the displacement and the moved tissue maps, beside each density: -displacement (vector image
    in mm, ITK's convention), -white_matter, -gray_matter, -csf.
    """
    times = sorted(set(times_days))
    files = [out] if len(times) == 1 else [_snapshot_path(out, days) for days in times]
    inputs = [path for path in Path(atlas).glob("*") if path.is_file()]
    _require_outputs(out, files, figure, is_moved=model == "mass-effect", replace=force, inputs=inputs)

    from gliofield.anatomy import load_atlas
    from gliofield.imaging import VisibilityThresholds

    tumor: dict[str, Any] = {
        "white_matter_diffusivity_mm2_per_day": white_matter_diffusivity_mm2_per_day,
        "proliferation_rate_per_day": proliferation_rate_per_day,
        "seed_mm": seed_mm,
        "diffusivity_ratio": diffusivity_ratio,
    }
    grow = _growth(
        console, model, tumor, checkpoint=checkpoint, push_pa=push_pa, scheme=scheme, num_threads=num_threads
    )
    loaded = load_atlas(atlas, report=console.report)
    anatomy = loaded.anatomy(loaded.simulation_grid(spacing_mm=spacing_mm), domain_rule=domain_rule)
    solution = grow(anatomy, times)
    title = (
        f"D_w {white_matter_diffusivity_mm2_per_day:g} mm²/day, ρ {proliferation_rate_per_day:g} /day, {loaded.name}"
        + ("" if model == "fk" else f", {model}" + ("" if push_pa is None else f", γ {push_pa:g} Pa"))
    )
    _write(solution, files, figure, atlas=loaded, seed_mm=seed_mm, title=title, replace=force)
    if not solution.is_front_resolved:
        console.notes([solution.front_warning])
    rows = _rows(solution, files, VisibilityThresholds())
    content = {
        "snapshots": rows,
        "figure": figure,
        "model": model,
        "scheme": solution.scheme,
        "num_steps": solution.num_steps,
        "front_resolution": solution.front_resolution if solution.front_resolution < float("inf") else None,
    }
    lines = [_line(row) for row in rows] + ([f"contact sheet: {figure}"] if figure else [])
    console.result(content, lambda: "\n".join(lines))


def _require_outputs(
    out: Path, files: Sequence[Path], figure: Path | None, *, is_moved: bool, replace: bool, inputs: Sequence[Path]
) -> None:
    from gliofield.nifti import require_nifti_name

    require_nifti_name(out)
    require_output_file(figure, ending=".png", replace=replace, inputs=inputs)
    companions = [_with_ending(path, kind) for path in files for kind in _MOVED] if is_moved else []
    for path in [*files, *companions]:
        require_output_file(path, ending="", replace=replace, inputs=inputs)


def _growth(
    console: Console,
    model: str,
    tumor: Mapping[str, Any],
    *,
    checkpoint: Path | None,
    push_pa: float | None,
    scheme: str | None,
    num_threads: int,
) -> Grow:
    """The chosen model with its parameters, ready for an anatomy and times."""
    from gliofield.database import named_model
    from gliofield.errors import ParameterError
    from gliofield.growth import FisherKolmogorov, FisherKolmogorovParameters, MassEffect, MassEffectParameters

    report = console.report
    if model not in options.OWN_MODELS:
        console.refuse("push_pa", "scheme", "num_threads", because=f"with --model {model}")
        growing, plugged = FisherKolmogorovParameters(**tumor), named_model(model, checkpoint=checkpoint)
        return lambda anatomy, times: plugged.simulate(anatomy, growing, times)
    console.refuse("checkpoint", because=f"with --model {model}")
    if model == "fk":
        if push_pa is not None:
            raise ParameterError(f"--push {push_pa:g} belongs to --model mass-effect, got --model fk.")
        growing = FisherKolmogorovParameters(**tumor)
        solver = FisherKolmogorov(scheme=scheme or options.SCHEMES[0], num_threads=num_threads, report=report)
        return lambda anatomy, times: solver.simulate(anatomy, growing, times)
    if scheme is not None:
        raise ParameterError(f"--scheme {scheme} belongs to --model fk: mass-effect has one scheme. Leave it out.")
    pushing = MassEffectParameters(**{**tumor, **({} if push_pa is None else {"push_pa": push_pa})})
    pusher = MassEffect(num_threads=num_threads, report=report)
    return lambda anatomy, times: pusher.simulate(anatomy, pushing, times)


def _write(
    solution: Solution,
    files: Sequence[Path],
    figure: Path | None,
    *,
    atlas: Atlas,
    seed_mm: tuple[float, float, float],
    title: str,
    replace: bool,
) -> None:
    """Write densities, what was moved, and the sheet: all of the files appear, or none."""
    from gliofield.growth import moved_tissue
    from gliofield.imaging import VisibilityThresholds
    from gliofield.nifti import write_volume
    from gliofield.output import atomic_file
    from gliofield.volume import Volume

    moved = moved_tissue(solution)
    with ExitStack() as outputs:
        for index, (path, density) in enumerate(zip(files, solution.cell_density, strict=True)):
            partial = outputs.enter_context(atomic_file(path, replace=replace))
            description = "tumor-cell density, relative; research use only"
            write_volume(partial, Volume(density, solution.grid), description=description)
            if moved is not None:
                _write_moved(moved, index, path, outputs, replace=replace)
        if figure is not None:
            from gliofield.report import growth_sheet

            sheet = growth_sheet(
                solution,
                seed_mm=seed_mm,
                background=atlas.t1,
                brain=Volume(atlas.tissue_maps.brain, atlas.grid),
                thresholds=VisibilityThresholds(),
                title=title,
            )
            sheet.savefig(outputs.enter_context(atomic_file(figure, replace=replace)), facecolor=sheet.get_facecolor())


def _write_moved(solution: MassEffectSolution, index: int, path: Path, outputs: ExitStack, *, replace: bool) -> None:
    """Displacement and moved tissue maps beside the density `path`."""
    from gliofield.nifti import write_volume
    from gliofield.output import atomic_file
    from gliofield.registration import write_displacement
    from gliofield.volume import Volume

    partial = outputs.enter_context(atomic_file(_with_ending(path, "displacement"), replace=replace))
    write_displacement(partial, solution.displacement_mm[index], solution.grid)
    maps = solution.tissue_maps(index)
    for kind in _MOVED[1:]:
        partial = outputs.enter_context(atomic_file(_with_ending(path, kind), replace=replace))
        description = f"{kind} fraction, moved by the tumor; research use only"
        write_volume(partial, Volume(getattr(maps, kind), solution.grid), description=description)


def _rows(solution: Solution, files: Sequence[Path], thresholds: Any) -> list[dict[str, Any]]:
    """What there is to say of each snapshot."""
    from gliofield.growth import moved_tissue

    moved = moved_tissue(solution)
    core, whole = (solution.volume_ml(t) for t in (thresholds.t1gd_threshold, thresholds.flair_threshold))
    rows: list[dict[str, Any]] = [
        {"time_days": days, "file": path, "volume_ml_t1gd": float(c), "volume_ml_flair": float(w)}
        for days, path, c, w in zip(solution.times_days, files, core, whole, strict=True)
    ]
    if moved is not None:
        for index, row in enumerate(rows):
            row["largest_displacement_mm"] = moved.largest_displacement_mm(index)
            row["min_jacobian_determinant"] = moved.min_jacobian_determinant[index]
    return rows


def _line(row: Mapping[str, Any]) -> str:
    moved = f"moved {row['largest_displacement_mm']:5.2f} mm  " if "largest_displacement_mm" in row else ""
    return (
        f"{row['time_days']:8.1f} days  core {row['volume_ml_t1gd']:7.2f} ml  whole {row['volume_ml_flair']:7.2f} ml  "
        f"{moved}{row['file']}"
    )


def _snapshot_path(out: Path, days: float) -> Path:
    """Name of one snapshot; different times never share one."""
    text = f"{days:06.1f}" if days == round(days, 1) else repr(days)
    return _with_ending(out, f"t{text}d")


def _with_ending(path: Path, ending: str) -> Path:
    """The NIfTI name with something more in front of its suffix."""
    suffix = "".join(path.suffixes[-2:]) if path.suffix.lower() == ".gz" else path.suffix
    return path.with_name(f"{path.name[: len(path.name) - len(suffix)]}-{ending}{suffix}")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    tumor = "--seed-mm 40 -10 30 --diffusivity 0.2 --proliferation 0.03"
    add_command(
        app,
        "simulate",
        simulate,
        examples=[
            f"gliofield simulate {tumor} --time 300 --out tumor.nii.gz",
            f"gliofield simulate {tumor} --time 100 --time 200 --out growth.nii.gz --figure growth.png",
        ],
        runs_long=True,
    )
