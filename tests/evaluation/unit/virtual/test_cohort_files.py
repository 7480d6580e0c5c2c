import json
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
from phantom_brain import phantom_atlas
from small_cohort import RESOLUTION, first_of, shared

from gliofield.errors import ImageError, OutputError, ParameterError
from gliofield.nifti import read_volume
from gliofield.virtual import Resolution
from gliofield_evaluation.virtual import cohort_design, cohort_files, read_cohort, write_cohort

KINDS = ("plain", "no-core", "cavity")
PATIENTS = tuple(first_of(kind) for kind in KINDS)


def write(folder, patients, workers=1, report=lambda event: None):
    write_cohort(folder, patients, workers=workers, atlas=phantom_atlas(), resolution=RESOLUTION, report=report)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three patients, written."""
    folder = tmp_path_factory.mktemp("cohort") / "made"
    write(folder, PATIENTS)
    return folder


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_cohort_reads_back(cohort):
    """Every patient under every condition, as a case that is ready, with its truth."""
    cases = read_cohort(cohort)
    order = [patient.name for patient in cohort_design() if patient in PATIENTS]

    assert [(case.name, case.condition) for case in cases] == [
        (name, condition) for name in order for condition in ("none", "one-sided", "severe")
    ]
    for case in cases:
        made = shared(case.kind)
        read = case.case()

        assert set(read.images) == {"t1", "t1c", "flair"}
        assert np.array_equal(read.segmentation.tumor_core, made.signs.tumor_core)
        assert np.array_equal(read.segmentation.whole_tumor, made.signs_of(case.condition).whole_tumor)
        assert (read.segmentation.cavity is not None) == (case.kind == "cavity")
        assert np.array_equal(case.truth().data, made.cell_density.data)
        assert np.array_equal(case.core(), made.signs.tumor_core)
        assert case.has_core == (case.kind != "no-core")
        assert case.thresholds == made.drawn.thresholds
        read.grid.require_same_as(case.truth().grid, self_name="case", other_name="truth")


def test_recurrences_are_there_or_the_reason(cohort):
    """Masks on the same grid; no files where nothing can grow again."""
    for case in read_cohort(cohort):
        made = shared(case.kind)
        if case.kind == "no-core":
            assert case.recurrence_enhancing is None
            assert case.recurrence_any is None
            assert case.facts["recurrence"]["reason"] == "there is no core to resect"
            assert not list(case.patient_folder.glob("recurrence*"))
        else:
            assert np.array_equal(read_volume(case.recurrence_enhancing).data > 0, made.recurrence.enhancing)
            assert np.array_equal(read_volume(case.recurrence_any).data > 0, made.recurrence.any_visible)


def test_the_conditions_share_one_truth(cohort):
    """One density and one recurrence per patient, whatever FLAIR shows."""
    cases = [case for case in read_cohort(cohort) if case.kind == "plain"]

    assert len({case.patient_folder for case in cases}) == 1
    assert len({case.folder for case in cases}) == 3
    assert len({case.case().segmentation.whole_ml for case in cases}) == 3


def test_restart_and_order_make_the_same_files(cohort, tmp_path):
    """One patient after the other in the other order, in two calls, gives every byte of a patient again."""
    write(tmp_path / "again", PATIENTS[:0:-1])
    write(tmp_path / "again", PATIENTS)

    assert files_of(tmp_path / "again") == files_of(cohort)


def test_processes_make_the_same_files(cohort, tmp_path):
    """Two workers, spawned."""
    write(tmp_path / "again", PATIENTS, workers=2)

    assert files_of(tmp_path / "again") == files_of(cohort)


def test_finished_patients_are_left_alone(cohort):
    """A second call makes nothing, and says that all is there."""
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*.nii.gz")}
    events = []
    write(cohort, PATIENTS, report=events.append)

    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*.nii.gz")} == before
    assert [(event.completed, event.total) for event in events] == [(3, 3)]


def test_the_facts_are_the_numbers_of_the_patient(cohort):
    """What was drawn, what came of it, and how often it took."""
    case = read_cohort(cohort)[0]
    made = shared(case.kind)

    assert case.facts["drawn"]["infiltration_length_mm"] == made.drawn.infiltration_length_mm
    assert case.facts["num_attempts"] == made.attempt + 1
    assert case.facts["cells_in_margin"] == made.cells_in_margin
    assert case.facts["whole_ml"]["severe"] > case.facts["whole_ml"]["none"]


def test_a_cohort_of_another_resolution_is_not_mixed_in(cohort):
    """Its patients would be others."""
    with pytest.raises(OutputError, match="another simulation_spacing_mm"):
        write_cohort(
            cohort,
            PATIENTS,
            atlas=phantom_atlas(),
            resolution=Resolution(stored_grid=RESOLUTION.stored_grid, simulation_spacing_mm=5.0),
        )


def test_what_is_no_cohort_is_refused(tmp_path):
    """No list, a list of another format, and no workers."""
    with pytest.raises(ParameterError, match="holds no virtual cohort"):
        read_cohort(tmp_path)
    (tmp_path / "cohort.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ParameterError, match="has format 99"):
        read_cohort(tmp_path)
    with pytest.raises(ParameterError, match="workers must be at least 1"):
        write_cohort(tmp_path, (), workers=0)


def test_damaged_facts_are_told(cohort, tmp_path):
    """By name, with what to do."""
    (tmp_path / "cohort.json").write_bytes((cohort / "cohort.json").read_bytes())
    first = read_cohort(tmp_path)[0]
    first.patient_folder.mkdir()
    (first.patient_folder / "truth.json").write_text("{")

    with pytest.raises(ImageError, match=r"truth\.json cannot be read"):
        _ = first.has_core


def test_a_killed_worker_is_told(tmp_path, monkeypatch):
    """With what is left of the work."""

    class Broken:
        def submit(self, *_):
            raise BrokenProcessPool

    class Workers:
        executor = Broken()

        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(cohort_files, "WorkerProcesses", Workers)
    with pytest.raises(OutputError, match="died: it was killed"):
        write(tmp_path / "cohort", PATIENTS, workers=2)
