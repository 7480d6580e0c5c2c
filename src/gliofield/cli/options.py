"""Options and arguments that several commands share; those of all trainings are in `training_options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatabaseArgument = Annotated[Path, typer.Argument(help="Simulation database.")]
AtlasOption = Annotated[str, typer.Option(help="Atlas name or folder.")]
DatabaseAtlasOption = Annotated[
    str | None, typer.Option(help="Atlas name or folder; default: the database's, by name.")
]
MovedAtlasOption = Annotated[str, typer.Option(help="Atlas name or folder whose brain is moved at random.")]
SpacingOption = Annotated[float, typer.Option(help="Voxel spacing of the simulation grid [mm].")]
DomainRuleOption = Annotated[str | None, typer.Option(help="Rule of the simulation domain.")]
RegistrationOption = Annotated[str | None, typer.Option(help="Registration preset of the patients.")]
TablesOption = Annotated[Path | None, typer.Option(help="Also write the tables to this file (.md).")]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")]
SampleImagingOption = Annotated[
    bool,
    typer.Option(
        "--sample-imaging",
        help="Sample thresholds, width and PET parameters too, instead of integrating them out (method sample).",
    ),
]
