"""``gliofield atlas``: list, fetch, describe."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from gliofield.cli.console import ForceOption, JsonOption, print_result, progress_bars, user_errors

app = typer.Typer(help="Brain atlases: list, fetch, describe.", no_args_is_help=True)


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the atlases known by name."""
    from gliofield.anatomy import list_atlases

    with user_errors(as_json=as_json):
        entries = list_atlases()
        content = {"atlases": [dataclasses.asdict(entry) for entry in entries]}
        print_result(
            content,
            as_json=as_json,
            text=lambda: "\n".join(
                f"{entry.name:<8} {'ready' if entry.is_available else 'not fetched':<12} {entry.licence}\n"
                f"         {entry.source}"
                for entry in entries
            ),
        )


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help="Atlas name.")], force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Make an atlas available offline (once; checked by its hash, kept in the user's cache)."""
    from gliofield.anatomy import fetch_atlas

    with user_errors(as_json=as_json), progress_bars() as report:
        folder = fetch_atlas(name, force=force, report=report)
    print_result({"name": name, "folder": folder}, as_json=as_json, text=lambda: f"{name} is in {folder}")


@app.command("info")
def info_command(
    name: Annotated[str, typer.Argument(help="Atlas name, or a folder with an atlas.json.")],
    as_json: JsonOption = False,
) -> None:
    """Describe an atlas: grid, volumes, simulation domain under every rule, licence."""
    from gliofield.anatomy import DEFAULT_DOMAIN_RULE, DOMAIN_RULES, load_atlas

    with user_errors(as_json=as_json), progress_bars() as report:
        atlas = load_atlas(name, report=report)
        maps = atlas.tissue_maps
        voxel_ml = atlas.grid.voxel_volume_ml
        domains = {rule: atlas.anatomy(domain_rule=rule).volume_ml for rule in DOMAIN_RULES}
        content = {
            "name": atlas.name,
            "licence": atlas.licence,
            "source": atlas.source,
            "content_hash": atlas.content_hash,
            "grid": atlas.grid.to_dict(),
            "simulation_grid": atlas.simulation_grid().to_dict(),
            "brain_ml": float(maps.brain.sum()) * voxel_ml,
            "white_matter_ml": float(maps.white_matter.sum(dtype="float64")) * voxel_ml,
            "gray_matter_ml": float(maps.gray_matter.sum(dtype="float64")) * voxel_ml,
            "csf_ml": float(maps.csf.sum(dtype="float64")) * voxel_ml,
            "domain_ml": domains,
            "default_domain_rule": DEFAULT_DOMAIN_RULE,
        }

    def text() -> str:
        lines = [
            f"{atlas.name}: {atlas.source}",
            f"licence          {atlas.licence}",
            f"template         {atlas.grid.describe()}",
            f"simulation grid  {atlas.simulation_grid().describe()}",
            f"brain            {content['brain_ml']:.0f} ml (WM {content['white_matter_ml']:.0f}, "
            f"GM {content['gray_matter_ml']:.0f}, CSF {content['csf_ml']:.0f})",
            *(
                f"domain           {volume:.0f} ml by {rule}{' (default)' if rule == DEFAULT_DOMAIN_RULE else ''}"
                for rule, volume in domains.items()
            ),
            f"content hash     {atlas.content_hash}",
        ]
        return "\n".join(lines)

    print_result(content, as_json=as_json, text=text)
