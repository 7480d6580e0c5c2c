"""Result folders of the phantom, made without registration in well under a second."""

from __future__ import annotations

import gzip

from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.pipeline import PersonalizationSettings, personalize
from gliofield.report import write_result_folder
from gliofield.report.report_page import ViewerSource

#: A script in place of the viewer's.
STAND_IN = ViewerSource(script=gzip.compress(b"globalThis.Niivue = undefined;", mtime=0))


_made = {}


def phantom_result(folder, *, method="distance", name="P1"):
    """Result of a method on the phantom, whose files are written into a folder first; each made once."""
    if method not in _made:
        _made[method] = _personalized(folder, method, name)
    return _made[method]


def _personalized(folder, method, name):
    patient = write_phantom_patient(folder / name, name=name)
    return personalize(
        patient, method=method, atlas=phantom_atlas(), settings=PersonalizationSettings(registration="none")
    )


def write_phantom_result(folder, *, method="distance", name="P1", viewer=None):
    """The folder of a result of the phantom."""
    result = phantom_result(folder, method=method)
    return write_result_folder(result, folder / "result", name=name, viewer=viewer)
