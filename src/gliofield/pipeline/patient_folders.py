"""Patients in folders: each a BraTS folder, or a folder of such."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gliofield.errors import ParameterError
from gliofield.pipeline.case import CaseFiles, find_case_files


def find_patients(folders: Sequence[str | os.PathLike[str]]) -> tuple[dict[str, CaseFiles], dict[str, str]]:
    """Files of all patients in folders, each a BraTS folder or a folder of such.

    Parameters
    ----------
    folders : sequence of path
        Folders.

    Returns
    -------
    patients, left_out : dict
        Files by name of the patient's folder; and why a folder among others holds no patient, by its name.

    Raises
    ------
    ParameterError
        If a folder does not exist, holds no patient, or two patients have one name.
    """
    patients: dict[str, CaseFiles] = {}
    left_out: dict[str, str] = {}
    for folder in (Path(each) for each in folders):
        if not folder.is_dir():
            raise ParameterError(f"{folder} is no folder: expected a BraTS folder, or one that holds such folders.")
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        found: dict[str, CaseFiles] = {}
        if not inner:
            found[folder.resolve().name] = find_case_files(folder)
        for path in inner:
            try:
                found[path.name] = find_case_files(path)
            except ParameterError as error:
                left_out[path.name] = str(error)
        if not found:
            raise ParameterError(f"{folder} holds no patient in a BraTS folder. Left out: {left_out}")
        twice = sorted(found.keys() & patients.keys())
        if twice:
            raise ParameterError(f"patients must have names of their own, got {', '.join(twice)} twice.")
        patients |= found
    return patients, left_out
