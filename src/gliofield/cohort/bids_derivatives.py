"""Results as BIDS derivatives: density maps with their sidecars, and what the group level reads.

    OUT/dataset_description.json, README.md, .bidsignore
    OUT/sub-X[/ses-Y]/anat/sub-X[_ses-Y]_space-T1w_desc-tumorcells_probseg.nii.gz, .json
    OUT/sub-X[/ses-Y]/anat/sub-X[_ses-Y]_space-T1w_desc-target_priority.nii.gz      (no file of BIDS; ignored there)
    OUT/sub-X[/ses-Y]/figures/     pictures and report (ignored)
    OUT/logs/sub-X[_ses-Y].json    the patient's row, also of one that failed (ignored)
    OUT/cohort.tsv, cohort.html    the group (ignored)

``space-T1w`` is the space of the images that were given, whichever of them was registered; ``SpatialReference`` names
that one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gliofield import __version__
from gliofield.cohort.numbers import Value
from gliofield.cohort.page import PAGE, write_page
from gliofield.cohort.patients import CohortPatient
from gliofield.cohort.run import NOTICE
from gliofield.cohort.table import TABLE, Row, write_table
from gliofield.errors import OutputError, ParameterError
from gliofield.leftovers import is_temporary
from gliofield.output import atomic_file
from gliofield.pipeline.read_provenance import read_provenance
from gliofield.report.json_files import write_json

_DESCRIPTION, _ROWS, _BIDS_VERSION, _LINK = "dataset_description.json", "logs", "1.10.0", "raw"
_IGNORED = ("*.html", "cohort.tsv", "logs/", "figures", "**/*_priority.nii.gz", "**/*_priority.json")
_PICTURES = ("overview.png", "report.html", "quality.json", "parameters.json", "provenance.json")
_README = f"""# Tumor cells by gliofield

Maps of tumor-cell density, personalized by gliofield {__version__}: `*_desc-tumorcells_probseg.nii.gz` holds the cell
density relative to the carrying capacity, in [0, 1]; `*_desc-target_priority.nii.gz` ranks voxels, higher ones first.
`figures` has the pictures and all numbers of a patient, `cohort.tsv` and `cohort.html` those of the group.

{NOTICE}
"""


def require_derivatives_folder(out: Path) -> None:
    """Refuse a folder that holds something else than derivatives of gliofield.

    Raises
    ------
    OutputError
        If it does.
    """
    entries = [each for each in out.iterdir() if not is_temporary(each.name)] if out.is_dir() else []
    if entries and _generator(out) != "gliofield":
        raise OutputError(
            f"{out} exists and holds no derivatives of gliofield (by its {_DESCRIPTION}). Choose a new folder, or that "
            "of an earlier run."
        )


def _generator(out: Path) -> str | None:
    try:
        return str(json.loads((out / _DESCRIPTION).read_text(encoding="utf-8"))["GeneratedBy"][0]["Name"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def write_description(out: Path, root: Path) -> None:
    """Write what says of the folder what it is; `root` is the data set that it is derived from."""
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "Name": "gliofield: tumor-cell densities",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "gliofield", "Version": __version__, "Description": NOTICE}],
        "DatasetLinks": {_LINK: Path(os.path.relpath(root.resolve(), out.resolve())).as_posix()},
    }
    texts = {
        _DESCRIPTION: json.dumps(content, indent=2) + "\n",
        "README.md": _README,
        ".bidsignore": "\n".join(_IGNORED) + "\n",
    }
    for name, text in texts.items():
        with atomic_file(out / name, replace=True) as partial:
            partial.write_text(text, encoding="utf-8")


def write_derivatives(out: Path, patients: Sequence[CohortPatient], rows: Sequence[Row], work: Path) -> None:
    """Write what is done of some patients of a data set, and the rows of all that were worked on.

    Parameters
    ----------
    out : Path
        The derivatives.
    patients : sequence of CohortPatient
        Of a BIDS data set.
    rows : sequence of mapping
        Of `run_cohort`, in the same order.
    work : Path
        Folder of the cohort.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    for patient, row in zip(patients, rows, strict=True):
        if patient.bids is None or row["status"] == "missing":
            continue
        subject = out / f"sub-{patient.bids.subject}"
        place = subject / f"ses-{patient.bids.session}" if patient.bids.session else subject
        kept: dict[str, Value] = dict(row)
        if row["status"] == "done":
            kept["folder"] = (place / "figures").relative_to(out).as_posix()
            _write_patient(place, patient, work / str(row["folder"]))
        (out / _ROWS).mkdir(parents=True, exist_ok=True)
        if patient.bids.session:  # what was said of the subject while no session was chosen
            (out / _ROWS / f"sub-{patient.bids.subject}.json").unlink(missing_ok=True)
        with atomic_file(out / _ROWS / f"{patient.folder_name}.json", replace=True) as partial:
            write_json(partial, kept)


def _write_patient(place: Path, patient: CohortPatient, result: Path) -> None:
    for folder in ("anat", "figures"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    beginning = place / "anat" / f"{patient.name}_space-T1w_desc"
    density = beginning.with_name(f"{beginning.name}-tumorcells_probseg.nii.gz")
    _copy(result / "density_patient.nii.gz", density)
    _copy(result / "target_priority_patient.nii.gz", beginning.with_name(f"{beginning.name}-target_priority.nii.gz"))
    with atomic_file(beginning.with_name(f"{beginning.name}-tumorcells_probseg.json"), replace=True) as partial:
        write_json(partial, _sidecar(patient, result))
    for name in _PICTURES:
        _copy(result / name, place / "figures" / name)


def _copy(source: Path, target: Path) -> None:
    """Copy a file if it is there."""
    if source.is_file():
        with atomic_file(target, replace=True) as partial:
            shutil.copyfile(source, partial)


def _sidecar(patient: CohortPatient, result: Path) -> dict[str, Any]:
    """What BIDS wants to know of the map, and what a reader should."""
    quality = json.loads((result / "quality.json").read_text(encoding="utf-8"))
    provenance = read_provenance(result)
    return {
        "Description": "Tumor-cell density relative to the carrying capacity, in [0, 1], on the grid of the scan.",
        "SpatialReference": _address(patient, provenance["inputs"]["structural_image"]),
        "Sources": [_address(patient, role) for role in _given(patient)],
        "Units": "1",
        "Method": provenance["settings"]["method"],
        "Verdict": quality["verdict"],
        "Concerns": [each["text"] for each in quality["concerns"]],
        "GeneratedBy": [{"Name": "gliofield", "Version": __version__}],
        "Notice": NOTICE,
    }


def _given(patient: CohortPatient) -> Mapping[str, Path]:
    return {} if patient.files is None else patient.files.given


def _address(patient: CohortPatient, role: str) -> str:
    """A file of the raw data set as BIDS names it."""
    assert patient.bids is not None
    return f"bids:{_LINK}:{_given(patient)[role].relative_to(patient.bids.root).as_posix()}"


def write_group(out: Path) -> tuple[Row, ...]:
    """Write table and page of all patients that the participant level has left something of.

    Raises
    ------
    ParameterError
        If there is none.
    OutputError
        If they cannot be written.
    """
    paths = sorted((out / _ROWS).glob("sub-*.json"))
    rows = tuple(json.loads(path.read_text(encoding="utf-8")) for path in paths)
    if not rows:
        raise ParameterError(f"{out} holds no patient yet: run the participant level first.")
    write_table(out / TABLE, rows)
    write_page(out / PAGE, rows, out)
    return rows
