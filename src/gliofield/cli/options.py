"""Options that several commands share, and the names they choose from.

The names stand here again because importing the modules that own them takes seconds; a test holds both equal. Those of
other packages stand in their metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gliofield.cli.settings_options import choice
from gliofield.plugins import find_plugins

if TYPE_CHECKING:
    from gliofield.pipeline import CaseFiles

REGISTRATIONS = ("fast", "papers", "affine", "none")
DEFAULT_REGISTRATION = "fast"
DOMAIN_RULES = ("tissue-majority", "csf-minority", "csf-below-0.9", "brain")
DEFAULT_DOMAIN_RULE = "csf-below-0.9"
OWN_DESIGNS = ("clinical",)
DESIGNS = (*OWN_DESIGNS, *find_plugins("design", own=OWN_DESIGNS))
DEFAULT_DESIGN = "clinical"
OWN_MODELS = ("fk", "mass-effect")
MODELS = (*OWN_MODELS, *find_plugins("growth model", own=OWN_MODELS))
SCHEMES = ("strang-rkl2", "published")
DEVICES = ("cpu", *find_plugins("device", own=("cpu",)))
NETWORK_DEVICES = ("auto", "cpu", "cuda")
GUIDELINES = ("estro-eano-2023", "idh-mutant-grade2", "idh-mutant-grade3", "nrg")
DEFAULT_GUIDELINE = "estro-eano-2023"
METRICS = ("dice", "jaccard")
GROWTH_TARGETS = ("invariants", "rates")
TARGET_SCALES = ("linear", "log")
OWN_INDEXES = ("exact", "direct")
INDEXES = (*OWN_INDEXES, *find_plugins("index", own=OWN_INDEXES))


def panel(title: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Makers of an option and of a `choice` under a heading of the help page."""
    return partial(typer.Option, rich_help_panel=title), partial(choice, rich_help_panel=title)


shared, shared_choice = panel("Shared")
_patient, _ = panel("Patient")

PatientFolder = Annotated[
    Path | None,
    typer.Argument(metavar="PATIENT", help="BraTS folder of one patient.", rich_help_panel="Patient"),
]
T1c = Annotated[Path | None, _patient(help="T1 with contrast (T1Gd), skull-stripped.")]
Flair = Annotated[Path | None, _patient(help="FLAIR.")]
T1 = Annotated[Path | None, _patient(help="T1; what is registered to the atlas, if it is there.")]
T2 = Annotated[Path | None, _patient(help="T2.")]
Pet = Annotated[Path | None, _patient(help="FET-PET, in any unit of uptake (SUV, ratio to brain).")]
Seg = Annotated[Path | None, _patient(help="Tumor segmentation: an image of labels.")]
Core = Annotated[Path | None, _patient(help="Tumor-core mask, instead of labels.")]
Whole = Annotated[Path | None, _patient(help="Whole-tumor mask, instead of labels.")]
BrainMask = Annotated[Path | None, _patient(help="Brain mask; default: the voxels that are not zero.")]
Labels = Annotated[
    str | None,
    _patient(
        metavar="SCHEME",
        help="What labels mean: brats2021, brats2023, nnunet, hd-glio or others, or necrotic=1,edema=2,…",
    ),
]

Database = Annotated[Path, typer.Argument(metavar="DB", help="Folder of a simulation database.")]
Patients = Annotated[
    list[Path] | None, typer.Option(help="BraTS folder of a patient, or a folder of such folders; repeatable.")
]
Atlas = Annotated[str, typer.Option(help="Name or folder of the atlas.")]
DatabaseAtlas = Annotated[str | None, typer.Option(help="Name or folder of the atlas; default: the database's.")]
Spacing = Annotated[float, typer.Option(help="Voxel spacing of the simulation grid [mm].")]
DesignPush = Annotated[
    float | None,
    typer.Option(
        "--push", help="Push γ of every tumor [Pa], for --model mass-effect; default: drawn between 0 and 20,000."
    ),
]
DomainRule = Annotated[str, choice(*DOMAIN_RULES, kind="domain rule", help="Where in the brain a tumor may grow.")]
Registration = Annotated[
    str, choice(*REGISTRATIONS, kind="registration preset", help="How patients are registered to the atlas.")
]
Tables = Annotated[Path | None, typer.Option(help="Also write the tables to this file (.md).")]
Figures = Annotated[
    Path | None, typer.Option(help="Also draw figures into this new folder, with the numbers behind them.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Use fewer tumors, for a first look.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Threads = Annotated[int | None, shared("--threads", min=1, help="Threads; default: all cores.")]
Device = Annotated[str, shared_choice(*NETWORK_DEVICES, kind="device", help="Where the network computes.")]
SolverDevice = Annotated[str, choice(*DEVICES, kind="device", help="Where tumors are simulated.")]
_masks, _ = panel("Masks")
T1gdThresholds = Annotated[
    tuple[float, float], _masks(help="Range from which thresholds of T1Gd are drawn, in (0, 1).")
]
FlairThresholds = Annotated[
    tuple[float, float], _masks(help="Range from which thresholds of FLAIR are drawn, in (0, 1).")
]
Perturb = Annotated[bool, _masks("--perturb", help="Imitate errors of registration and annotation.")]


def case_files(folder: Path | None, **given: Path | None) -> CaseFiles:
    """Files of a patient, by field of `CaseFiles`: those of a folder, completed or replaced by single ones."""
    from gliofield.pipeline import CaseFiles, find_case_files

    files = {name: path for name, path in given.items() if path is not None}
    return CaseFiles(**files) if folder is None else find_case_files(folder, given=files)
