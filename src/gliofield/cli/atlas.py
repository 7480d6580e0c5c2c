"""``gliofield atlas``: list, fetch, describe."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command, make_group
from gliofield.cli.console import Console

app = make_group("atlas", "Brain atlases: list, fetch, describe.")

_KnownName = Annotated[str, typer.Argument(metavar="ATLAS", help="Name of the atlas.")]
_Name = Annotated[str, typer.Argument(metavar="ATLAS", help="Name of an atlas, or a folder with an atlas.json.")]


def list_known(console: Console) -> None:
    """List the atlases known by name."""
    from gliofield.anatomy import list_atlases

    entries = list_atlases()
    lines = (
        f"{entry.name:<8} {'ready' if entry.is_available else 'not fetched':<12} {entry.licence}\n"
        f"         {entry.source}"
        for entry in entries
    )
    console.result({"atlases": [dataclasses.asdict(entry) for entry in entries]}, lambda: "\n".join(lines))


def fetch(console: Console, name: _KnownName, force: options.Force = False) -> None:
    """Make an atlas available offline.

    It is fetched once, checked by its hash, and kept in the user's cache.
    """
    from gliofield.anatomy import fetch_atlas

    folder = fetch_atlas(name, force=force, report=console.report)
    console.result({"name": name, "folder": folder}, lambda: f"{name} is in {folder}")


def describe_atlas(console: Console, name: _Name) -> None:
    """Describe an atlas: its grid, volumes, licence, and the simulation domain under every rule."""
    from gliofield.anatomy import DEFAULT_DOMAIN_RULE, DOMAIN_RULES, load_atlas

    atlas = load_atlas(name, report=console.report)
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
    rules = (
        f"domain           {volume:.0f} ml (rule {rule}{', the default' if rule == DEFAULT_DOMAIN_RULE else ''})"
        for rule, volume in domains.items()
    )
    lines = (
        f"{atlas.name}: {atlas.source}",
        f"licence          {atlas.licence}",
        f"template         {atlas.grid.describe()}",
        f"simulation grid  {atlas.simulation_grid().describe()}",
        f"brain            {content['brain_ml']:.0f} ml (WM {content['white_matter_ml']:.0f}, "
        f"GM {content['gray_matter_ml']:.0f}, CSF {content['csf_ml']:.0f})",
        *rules,
        f"content hash     {atlas.content_hash}",
    )
    console.result(content, lambda: "\n".join(lines))


add_command(app, "list", list_known, examples=["gliofield atlas list"])
add_command(app, "fetch", fetch, examples=["gliofield atlas fetch sri24"])
add_command(
    app,
    "info",
    describe_atlas,
    examples=["gliofield atlas info mni152", "gliofield atlas info my-atlas --json"],
    reads_images=True,
)
