"""``gliomap simulate``: grow one tumor in an atlas."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from gliomap.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors


def simulate(
    seed_mm: Annotated[
        tuple[float, float, float], typer.Option("--seed-mm", help="Seed position X Y Z in atlas space [mm, RAS+].")
    ],
    diffusivity: Annotated[float, typer.Option(help="Diffusivity in white matter D_w [mm²/day] (cm²/day x 100).")],
    proliferation: Annotated[float, typer.Option(help="Proliferation rate ρ [1/day].")],
    time: Annotated[list[float], typer.Option("--time", help="Time since the seed [days]; repeat for snapshots.")],
    out: Annotated[Path, typer.Option(help="Density file (.nii.gz); with several times one file each, -t0100d.")],
    model: Annotated[str, typer.Option(help="Growth model: fk (Fisher-Kolmogorov).")] = "fk",
    atlas: Annotated[str, typer.Option(help="Atlas name or folder.")] = "sri24",
    diffusivity_ratio: Annotated[float, typer.Option(help="D_w / D_g, white over gray matter.")] = 10.0,
    spacing_mm: Annotated[float, typer.Option(help="Voxel spacing of the simulation grid [mm].")] = 1.875,
    domain_rule: Annotated[str | None, typer.Option(help="Rule of the simulation domain.")] = None,
    scheme: Annotated[str | None, typer.Option(help="Time-stepping scheme.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads inside this one run.")] = 1,
    figure: Annotated[Path | None, typer.Option(help="Also draw a contact sheet (.png).")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grow one tumor in an atlas and write its cell density."""
    with user_errors(as_json=as_json), progress_bars() as report:
        from gliomap.anatomy import DEFAULT_DOMAIN_RULE, load_atlas
        from gliomap.errors import ParameterError, unknown_name
        from gliomap.growth import FisherKolmogorov, FisherKolmogorovParameters
        from gliomap.imaging import VisibilityThresholds
        from gliomap.nifti import require_nifti_name, write_volume
        from gliomap.output import atomic_file, require_absent
        from gliomap.volume import Volume

        if model != "fk":
            raise ParameterError(unknown_name("growth model", model, ["fk"]))
        times = sorted(set(time))
        files = [out] if len(times) == 1 else [_snapshot_path(out, days) for days in times]
        require_nifti_name(out)
        if figure is not None and figure.suffix.lower() != ".png":
            raise ParameterError(f"--figure {figure} must end in .png.")
        for path in [*files, *([figure] if figure else [])]:
            require_absent(path, replace=force)
        loaded = load_atlas(atlas, report=report)
        grid = loaded.simulation_grid(spacing_mm=spacing_mm)
        anatomy = loaded.anatomy(grid, domain_rule=domain_rule or DEFAULT_DOMAIN_RULE)
        parameters = FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=diffusivity,
            proliferation_rate_per_day=proliferation,
            seed_mm=seed_mm,
            diffusivity_ratio=diffusivity_ratio,
        )
        solver = (
            FisherKolmogorov(num_threads=threads)
            if scheme is None
            else FisherKolmogorov(scheme=scheme, num_threads=threads)
        )
        solution = solver.simulate(anatomy, parameters, times)
        thresholds = VisibilityThresholds()
        with ExitStack() as outputs:  # all of the files appear, or none
            for path, density in zip(files, solution.cell_density, strict=True):
                partial = outputs.enter_context(atomic_file(path))
                description = "tumor-cell density, relative; research use only"
                write_volume(partial, Volume(density, grid), description=description)
            if figure is not None:
                from gliomap.report import growth_sheet

                sheet = growth_sheet(
                    solution,
                    seed_mm=seed_mm,
                    background=loaded.t1,
                    brain=Volume(loaded.tissue_maps.brain, loaded.grid),
                    thresholds=thresholds,
                    title=f"D_w {diffusivity:g} mm²/day, ρ {proliferation:g} /day, {loaded.name}",
                )
                sheet.savefig(outputs.enter_context(atomic_file(figure)), facecolor=sheet.get_facecolor())
    core, whole = (solution.volume_ml(t) for t in (thresholds.t1gd_threshold, thresholds.flair_threshold))
    rows = [
        {"time_days": days, "file": path, "volume_ml_t1gd": float(c), "volume_ml_flair": float(w)}
        for days, path, c, w in zip(solution.times_days, files, core, whole, strict=True)
    ]
    content = {"snapshots": rows, "figure": figure, "scheme": solution.scheme, "num_steps": solution.num_steps}

    def text() -> str:
        lines = [
            f"{row['time_days']:8.1f} days  core {row['volume_ml_t1gd']:7.2f} ml  "
            f"whole {row['volume_ml_flair']:7.2f} ml  {row['file']}"
            for row in rows
        ]
        return "\n".join([*lines, *([f"contact sheet: {figure}"] if figure else [])])

    print_result(content, as_json=as_json, text=text)


def _snapshot_path(out: Path, days: float) -> Path:
    """Name of one snapshot; different times never share one."""
    ending = "".join(out.suffixes[-2:]) if out.suffix.lower() == ".gz" else out.suffix
    stem = out.name[: len(out.name) - len(ending)]
    text = f"{days:06.1f}" if days == round(days, 1) else repr(days)
    return out.with_name(f"{stem}-t{text}d{ending}")
