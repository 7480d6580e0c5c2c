"""Anatomies of real patients to grow tumors in: the atlas's tissue, moved onto each by its registration.

The lesion is left out of the registration, so the tissue under it is the atlas's: the brain as it may have been.
"""

from __future__ import annotations

from collections.abc import Mapping

from gliofield.anatomy import DEFAULT_DOMAIN_RULE, Anatomy, Atlas, SpaceRequest
from gliofield.errors import GridMismatchError, ImageError, NumericalError, RegistrationError
from gliofield.pipeline import CaseFiles, PersonalizationSettings, make_space, read_case, register_case
from gliofield.progress import ProgressEvent, Reporter, ignore_progress

# What makes a single patient unusable.
_PATIENT_ERRORS = (ImageError, GridMismatchError, RegistrationError, NumericalError)


def patient_anatomies(
    atlas: Atlas,
    patients: Mapping[str, CaseFiles],
    *,
    spacing_mm: float,
    domain_rule: str = DEFAULT_DOMAIN_RULE,
    settings: PersonalizationSettings | None = None,
    report: Reporter = ignore_progress,
) -> tuple[tuple[Anatomy, ...], dict[str, str]]:
    """The anatomies of some patients, and why others have none.

    Parameters
    ----------
    atlas : Atlas
        Whose tissue is moved.
    patients : mapping of str to CaseFiles
        Files of each patient by name.
    spacing_mm : float
        Spacing of the simulation grids [mm].
    domain_rule : str
        Rule of the simulation domain.
    settings : PersonalizationSettings or None
        Registration; None: the default.
    report : Reporter
        Told of every patient.

    Returns
    -------
    anatomies : tuple of Anatomy
        In the order of `patients`, on grids of their own.
    left_out : dict of str to str
        Why a patient could not be read or registered, by name.
    """
    chosen = PersonalizationSettings() if settings is None else settings
    anatomies, left_out = list[Anatomy](), dict[str, str]()
    for done, (name, files) in enumerate(patients.items(), start=1):
        try:
            case = read_case(files)
            registration = register_case(case, atlas, chosen)
            anatomies.append(
                make_space(
                    SpaceRequest(name="patient", spacing_mm=spacing_mm, domain_rule=domain_rule),
                    case=case,
                    atlas=atlas,
                    transform=registration.transform,
                ).anatomy
            )
        except _PATIENT_ERRORS as error:
            left_out[name] = str(error)
        report(ProgressEvent(task="register patients", completed=done, total=len(patients)))
    return tuple(anatomies), left_out
