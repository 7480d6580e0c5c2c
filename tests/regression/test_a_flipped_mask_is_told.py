"""Symptom: masks whose arrays were flipped against the image were taken as they were: nine of nine.

Cause: the one check asked whether the mask lies in the brain, and a flipped one does.
Guard: FLAIR must change at the outline of the whole tumor.
"""

import numpy as np
from phantom_brain import PHANTOM_GRID, phantom_labels, write_phantom_patient

from gliofield.nifti import write_volume
from gliofield.pipeline import check_case, find_case_files, read_case
from gliofield.volume import Volume


def test_a_mask_that_flair_contradicts_is_a_concern(tmp_path):
    """The right one raises nothing; front and back exchanged, FLAIR is dark where the edema should be."""
    folder = write_phantom_patient(tmp_path / "patient")
    right = check_case(read_case(find_case_files(folder)))
    flipped = np.ascontiguousarray(phantom_labels().data[::-1, ::-1])
    write_volume(folder / "case_seg.nii.gz", Volume(flipped, PHANTOM_GRID))
    wrong = check_case(read_case(find_case_files(folder)))

    assert right.concerns == ()
    assert "mask-against-flair" in [concern.name for concern in wrong.concerns]
    assert wrong.flair_edge < 0.75 < right.flair_edge
