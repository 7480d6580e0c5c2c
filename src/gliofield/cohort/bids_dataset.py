"""Patients of a BIDS data set: images of ``sub-*/[ses-*/]anat`` and ``pet``, outlines of its derivatives.

What a role (``t1c``, ``segmentation``, …) takes is a filter on suffix and entities, as other BIDS apps have it;
`DEFAULT_FILTER` is what BIDS says of such files, and a filter of the caller replaces entries of it. An image of a
derivative is preferred to a raw one, since outlines lie on what was processed. Nothing is chosen where two files fit.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gliofield.errors import GliofieldError, ParameterError, unknown_name
from gliofield.pipeline import CaseFiles

#: Suffix and entities of each input; None: the entity is absent; "*": it is there.
DEFAULT_FILTER: dict[str, dict[str, Any]] = {
    "t1c": {"suffix": "T1w", "ce": "*", "label": None},
    "flair": {"suffix": "FLAIR", "ce": None},
    "t1": {"suffix": "T1w", "ce": None},
    "t2": {"suffix": "T2w", "ce": None},
    "pet": {"suffix": "pet"},
    "segmentation": {"suffix": "dseg"},
    "tumor_core": {"suffix": "mask", "label": ["core", "tumorcore"]},
    "whole_tumor": {"suffix": "mask", "label": ["tumor", "wholetumor", "lesion"]},
    "brain_mask": {"suffix": "mask", "desc": "brain", "label": None},
}
# Names that PyBIDS and its filter files give to entities.
_LONG_NAMES = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "tracer": "trc",
    "description": "desc",
    "resolution": "res",
}
_NIFTI = re.compile(r"(?P<entities>(?:[a-zA-Z0-9]+-[a-zA-Z0-9+]+_)*)(?P<suffix>[a-zA-Z0-9]+)\.nii(\.gz)?")
_OUTLINES = ("segmentation", "tumor_core", "whole_tumor")


@dataclass(frozen=True, kw_only=True)
class BidsChoice:
    """What is meant of a data set.

    Parameters
    ----------
    filters : mapping of str to mapping
        Entries of `DEFAULT_FILTER` to replace: entity to value, to a list of values, to None (absent) or "*" (present).
    participants, sessions : tuple of str
        Labels, with or without ``sub-`` and ``ses-``; empty: all participants, and sessions where there is but one.
    """

    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BidsFiles:
    """One session of one subject.

    Parameters
    ----------
    root : Path
        Of the data set.
    subject, session : str
        Labels; the session is empty where there is none.
    files : CaseFiles or None
        Its files.
    problem : str
        Why there are none.
    """

    root: Path
    subject: str
    session: str = ""
    files: CaseFiles | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """``sub-X`` or ``sub-X_ses-Y``."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")


@dataclass(frozen=True)
class _Image:
    path: Path
    entities: Mapping[str, str]
    is_derived: bool

    def fits(self, wanted: Mapping[str, Any]) -> bool:
        for entity, value in wanted.items():
            found = self.entities.get(_LONG_NAMES.get(entity, entity))
            if value is None or value == "*":
                if (found is None) != (value is None):
                    return False
            elif found not in ([str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]):
                return False
        return True


def is_bids_dataset(folder: Path) -> bool:
    """Whether a folder is a data set: it says so, or has subjects with anatomical images."""
    if (folder / "dataset_description.json").is_file():
        return True
    return any(any(folder.glob(pattern)) for pattern in ("sub-*/anat", "sub-*/ses-*/anat"))


def read_filter(path: Path) -> dict[str, dict[str, Any]]:
    """A filter from its file: JSON, role to entity to value.

    Raises
    ------
    ParameterError
        If it cannot be read, or names a role there is not.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"the BIDS filter {path} cannot be read: {error}. Expected JSON.") from error
    if not isinstance(content, dict) or not all(isinstance(each, dict) for each in content.values()):
        raise ParameterError(
            f'the BIDS filter {path} is not understood: expected {{"t1c": {{"suffix": "T1w", "ce": "*"}}, …}}.'
        )
    for role in content:
        if role not in DEFAULT_FILTER:
            raise ParameterError(unknown_name("input of the BIDS filter", role, DEFAULT_FILTER))
    return content


def read_bids_dataset(root: Path, choice: BidsChoice) -> list[BidsFiles]:
    """Every subject that is wanted, once for each session that is wanted.

    Raises
    ------
    ParameterError
        If there is no subject, or one that is asked for is not there.
    """
    images: dict[str, list[_Image]] = defaultdict(list)
    for image in _images(root):
        images[image.entities["sub"]].append(image)
    subjects = sorted(images.keys() | {each.name[4:] for each in root.glob("sub-*") if each.is_dir()})
    wanted = [each.removeprefix("sub-") for each in choice.participants] or subjects
    for each in wanted:
        if each not in subjects:
            raise ParameterError(unknown_name("participant", each, subjects))
    if not wanted:
        raise ParameterError(f"{root} is a BIDS data set without subjects: expected folders sub-…")
    return [one for subject in wanted for one in _sessions(root, subject, images[subject], choice)]


def _images(root: Path) -> Iterator[_Image]:
    """Every NIfTI file of the data set and its derivatives that BIDS names."""
    places = [(root, False)] + [(each, True) for each in _derivatives(root)]
    for place, is_derived in places:
        for pattern in ("sub-*/anat", "sub-*/pet", "sub-*/ses-*/anat", "sub-*/ses-*/pet"):
            for path in sorted(file for folder in place.glob(pattern) for file in folder.iterdir()):
                entities = _entities(path.name)
                if "sub" in entities:
                    yield _Image(path, entities, is_derived)


def _derivatives(root: Path) -> list[Path]:
    """Data sets below ``derivatives``, and that folder itself."""
    folder = root / "derivatives"
    return [folder, *sorted(each for each in folder.iterdir() if each.is_dir())] if folder.is_dir() else []


def _entities(name: str) -> dict[str, str]:
    found = _NIFTI.fullmatch(name)
    if found is None:
        return {}
    pairs = (part.split("-", 1) for part in found["entities"].split("_") if part)
    return {**dict(pairs), "suffix": found["suffix"]}


def _sessions(root: Path, subject: str, images: Sequence[_Image], choice: BidsChoice) -> list[BidsFiles]:
    """The sessions of a subject that are wanted."""
    labels = sorted({image.entities["ses"] for image in images if "ses" in image.entities})
    asked = [each.removeprefix("ses-") for each in choice.sessions]
    chosen = [each for each in labels if each in asked] if asked else labels
    if asked and labels and not chosen:
        shown = ", ".join(f"ses-{each}" for each in labels)
        return [BidsFiles(root=root, subject=subject, problem=f"none of its sessions ({shown}) is one asked for.")]
    if len(chosen) > 1 and not asked:
        shown = ", ".join(f"ses-{each}" for each in chosen)
        problem = f"{len(chosen)} sessions could be meant ({shown}): say which by its label (--session-label)."
        return [BidsFiles(root=root, subject=subject, problem=problem)]
    return [_session(root, subject, session, images, choice) for session in chosen or [""]]


def _session(root: Path, subject: str, session: str, images: Sequence[_Image], choice: BidsChoice) -> BidsFiles:
    # An image without a session, such as a brain mask made once, belongs to all.
    own = [image for image in images if image.entities.get("ses", session) == session]
    named: dict[str, Any] = {"root": root, "subject": subject, "session": session}
    try:
        found = {role: _one(role, own, choice) for role in DEFAULT_FILTER}
        given = {role: path for role, path in found.items() if path is not None}
        if "segmentation" in given:
            for role in ("tumor_core", "whole_tumor"):
                given.pop(role, None)
        if not set(_OUTLINES) & given.keys():
            raise ParameterError(
                "no outlines of the tumor: expected a segmentation (…_dseg.nii.gz) in derivatives, or masks. Name it "
                "by --bids-filter where it is called otherwise."
            )
        return BidsFiles(**named, files=CaseFiles(**given))
    except GliofieldError as error:
        return BidsFiles(**named, problem=str(error))


def _one(role: str, images: Sequence[_Image], choice: BidsChoice) -> Path | None:
    """The one image of a role; of derivatives if there is one."""
    wanted = choice.filters.get(role, DEFAULT_FILTER[role])
    fitting = [image for image in images if image.fits(wanted)]
    best = [image for image in fitting if image.is_derived] or fitting
    if len(best) > 1:
        names = ", ".join(image.path.name for image in best)
        raise ParameterError(f"{len(best)} files could be the {role} ({names}): choose one by --bids-filter.")
    return best[0].path if best else None
