"""``gliofield follow-up``: a second scan of a patient against the map of the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gliofield.cli import options
from gliofield.cli.commands import add_command
from gliofield.cli.console import Console
from gliofield.cli.settings_options import choice

if TYPE_CHECKING:
    from gliofield.cohort.follow_up import FollowUp


def follow_up(
    console: Console,
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Result folder of the first scan.")],
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="BraTS folder of the first scan.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="BraTS folder of the second scan.")],
    out: Annotated[Path, typer.Option(help="Folder of what is found.")],
    labels: Annotated[str | None, typer.Option(metavar="SCHEME", help="What labels of the first scan mean.")] = None,
    second_labels: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="What labels of the second scan mean; default: as the first.")
    ] = None,
    registration: Annotated[
        str,
        choice(*options.REGISTRATIONS, kind="registration preset", help="How one head is laid on the other."),
    ] = "affine",
    outline_error_mm: Annotated[
        float, typer.Option(help="How far outlines of the same tumor lie apart [mm]; sets the noise floor of growth.")
    ] = 1.0,
    force: options.Force = False,
) -> None:
    """Score a second scan of a patient against the map of the first.

    Both heads are registered to each other. Said is which part of the tumor seen later the map held, at the volume of
    the 15 mm margin, what volume would have held 95 % of it, and whether the tumor grew by more than outlines vary.
    """
    from gliofield.cohort.follow_up import FOLLOW_UP_MARKER, FollowUpSettings, score_follow_up, write_follow_up
    from gliofield.output import require_absent
    from gliofield.pipeline import read_case

    inputs = (result, first, second)
    require_absent(out, replace=force, marker=FOLLOW_UP_MARKER, inputs=inputs)
    settings = FollowUpSettings(registration=registration, outline_error_mm=outline_error_mm)
    before, after = read_case(first, scheme=labels), read_case(second, scheme=second_labels or labels)
    found = score_follow_up(before, result, after, settings, report=console.report)
    write_follow_up(found, out, first=before, force=force)
    console.result({"folder": out, **found.to_json()}, lambda: _text(found, out))


def _text(found: FollowUp, out: Path) -> str:
    from gliofield.report.tables import Column, ResultTable

    def of(values: Mapping[str, Mapping[str, float | None]], what: str) -> Column:
        titles = {"tumor_core": "core", "whole_tumor": "whole tumor"}
        words, form = ("held", ".1%") if values is found.coverage else ("V95 [ml]", ".1f")
        return Column(f"{titles[what]}: {words}", lambda name: values[name][what], form)

    columns = [Column("ranking", lambda name: name)]
    columns += [of(values, what) for what in found.growth for values in (found.coverage, found.volume_95_ml)]
    volume = "no core, so no volume to compare at" if found.margin_volume_ml is None else "at the volume of the margin"
    ml = "" if found.margin_volume_ml is None else f", {found.margin_volume_ml:.1f} ml"
    lines = [f"What the second scan shows, by rankings of the first, {volume}{ml}:", ""]
    lines += [ResultTable(columns=columns, rows=list(found.coverage)).markdown(), ""]
    for name, growth in found.growth.items():
        words = "beyond" if growth.is_beyond_floor else "within"
        lines.append(
            f"{name.replace('_', ' ')}: {growth.first_ml:.1f} → {growth.second_ml:.1f} ml, {growth.change_ml:+.1f} ml, "
            f"{words} what drawing outlines again may change ({growth.floor_ml:.1f} ml)"
        )
    lines += [f"brains overlap by a Dice of {found.brain_overlap:.3f}", f"result: {out}"]
    lines.append("For research use only; not a medical device.")
    return "\n".join(lines)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        "follow-up",
        follow_up,
        examples=["gliofield follow-up RESULT FIRST SECOND --out FOLLOWUP"],
        reads_images=True,
    )
