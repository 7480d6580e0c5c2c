"""Who is worked on, by which run, and what the next run does."""

import json
import threading
import time
from dataclasses import replace

import pytest
from cohort_phantoms import cohort_of, write_words

from gliofield.cohort import CohortRun, find_cohort, read_table, run_cohort
from gliofield.cohort.work import CLAIMS, CohortWork, Outcome, PatientJob, PatientWorker
from gliofield.errors import AtlasError, OutputError, ParameterError
from gliofield.file_lock import file_lock
from gliofield.pipeline import Sample


@pytest.fixture
def patients(tmp_path):
    """Four folders; c fails."""
    return write_words(tmp_path / "in", "abcd", seg={"c": "broken"})


def test_everyone_is_worked_on_once_and_never_again(tmp_path, patients, atlas_folder, stand_in):
    """The second run reads what the first has left; the failure too."""
    first = cohort_of(patients, tmp_path / "out", atlas_folder)
    second = cohort_of(patients, tmp_path / "out", atlas_folder)

    assert stand_in.seen == ["a", "b", "c", "d"]
    assert (first.num_computed, second.num_computed) == (4, 0)
    assert [row["status"] for row in first.rows] == ["done", "done", "failed", "done"]
    assert first.rows == second.rows
    assert (second.count("done"), second.count("failed"), second.count("missing")) == (3, 1, 0)


def test_what_fails_is_told_with_its_reason_and_without_places(tmp_path, patients, atlas_folder, stand_in):
    """In the row, in its record and in its log; no folder of this machine is named."""
    row = cohort_of(patients, tmp_path / "out", atlas_folder).rows[2]
    log = (tmp_path / "out" / "logs" / "c.log").read_text()

    assert (row["kind"], row["reason"]) == ("ImageError", "p_seg.nii.gz is broken.")
    assert "failed: p_seg.nii.gz is broken." in log
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.suffix in {".json", ".log", ".tsv"}]
    assert not any(str(tmp_path) in text for text in written)


def test_a_fault_of_ours_stops_nobody_else(tmp_path, atlas_folder, stand_in):
    """It is recorded by its class, and its log has the way to it."""
    place = write_words(tmp_path / "in", "ab", seg={"a": "a fault"})
    found = cohort_of(place, tmp_path / "out", atlas_folder)

    assert [row["status"] for row in found.rows] == ["failed", "done"]
    assert found.rows[0]["reason"] == "unexpected ZeroDivisionError: of ours (see its log)"
    assert "Traceback" in (tmp_path / "out" / "logs" / "a.log").read_text()


def test_failures_are_repeated_when_asked_for(tmp_path, patients, atlas_folder, stand_in):
    """And only they."""
    cohort_of(patients, tmp_path / "out", atlas_folder)
    again = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=1, retry_failed=True))

    assert stand_in.seen == ["a", "b", "c", "d", "c"]
    assert again.count("failed") == 1


def test_another_file_is_another_patient(tmp_path, patients, atlas_folder, stand_in):
    """Only the patient whose file has changed is worked on again."""
    cohort_of(patients, tmp_path / "out", atlas_folder)
    (patients / "c" / "p_seg.nii.gz").write_text("mended")
    found = cohort_of(patients, tmp_path / "out", atlas_folder)

    assert stand_in.seen[4:] == ["c"]
    assert found.count("done") == 4


@pytest.mark.parametrize("change", [{"seed": 1}, {"method": "margin"}], ids=["seed", "method"])
def test_other_settings_are_other_work(tmp_path, patients, atlas_folder, stand_in, change):
    """Everyone again; a third run with the same settings finds all done."""
    cohort_of(patients, tmp_path / "out", atlas_folder)
    for _ in range(2):
        cohort_of(patients, tmp_path / "out", atlas_folder, **change)

    assert stand_in.seen == ["a", "b", "c", "d"] * 2


def test_another_version_is_other_work(tmp_path, patients, atlas_folder, stand_in, monkeypatch):
    """The version and a digest of the source are part of what a record is about."""
    cohort_of(patients, tmp_path / "out", atlas_folder)
    monkeypatch.setattr("gliofield.cohort.work.source_digest", lambda *parts: "0.2.0 0123456789abcdef")

    assert cohort_of(patients, tmp_path / "out", atlas_folder).num_computed == 4


def test_a_result_that_is_gone_is_made_again(tmp_path, patients, atlas_folder, stand_in):
    """A record alone is no result."""
    cohort_of(patients, tmp_path / "out", atlas_folder)
    (tmp_path / "out" / "patients" / "b" / "provenance.json").unlink()
    cohort_of(patients, tmp_path / "out", atlas_folder)

    assert stand_in.seen[4:] == ["b"]


def test_parts_share_the_patients_out(tmp_path, patients, atlas_folder, stand_in):
    """Every one in one part; the table of the first knows who is missing."""
    first = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=1, part=(1, 3)))
    for number in (2, 3):
        last = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=1, part=(number, 3)))

    assert [row["status"] for row in first.rows] == ["done", "missing", "missing", "done"]
    assert sorted(stand_in.seen) == ["a", "b", "c", "d"]
    assert last.count("missing") == 0


def test_tables_are_written_without_computing(tmp_path, patients, atlas_folder, stand_in):
    """Of what is there."""
    cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=1, part=(1, 2)))
    found = cohort_of(patients, tmp_path / "out", atlas_folder, run=CohortRun(workers=1, tables_only=True))

    assert len(stand_in.seen) == 2
    assert [row["status"] for row in read_table(tmp_path / "out")] == [row["status"] for row in found.rows]


def test_the_same_patient_twice_is_refused_once(tmp_path, atlas_folder, stand_in):
    """The first one in order is worked on."""
    place = write_words(tmp_path / "in", "ab")
    for path in (place / "a").iterdir():
        (place / "b" / path.name).write_bytes(path.read_bytes())
    found = cohort_of(place, tmp_path / "out", atlas_folder)

    assert stand_in.seen == ["a"]
    assert "all files are those of 'a': the same patient twice" in found.rows[1]["reason"]


def test_a_patient_in_other_hands_is_waited_for(tmp_path, atlas_folder, stand_in, monkeypatch):
    """The run ends when the other has finished it, and has not computed it itself."""
    monkeypatch.setattr("gliofield.cohort.run._POLL_S", 0.02)
    place, out = write_words(tmp_path / "in", "ab"), tmp_path / "out"
    cohort_of(place, out, atlas_folder)
    for path in (out / "records").iterdir():
        path.rename(tmp_path / path.name)
    (out / CLAIMS).mkdir()
    with file_lock(out / CLAIMS / "a.lock", lambda holder: None):
        results = []
        thread = threading.Thread(target=lambda: results.append(cohort_of(place, out, atlas_folder)))
        thread.start()
        while not (out / "records" / "b.json").is_file():
            time.sleep(0.01)
        assert not results
        (tmp_path / "a.json").rename(out / "records" / "a.json")
        thread.join(timeout=30)

    assert results[0].num_computed == 1
    assert stand_in.seen == ["a", "b", "b"]


def test_a_repetition_in_other_hands_is_waited_for_too(tmp_path, atlas_folder, stand_in, monkeypatch):
    """A failure that the other run has repeated counts, whatever came of it."""
    monkeypatch.setattr("gliofield.cohort.run._POLL_S", 0.02)
    place, out = write_words(tmp_path / "in", "a", seg={"a": "broken"}), tmp_path / "out"
    cohort_of(place, out, atlas_folder)
    stored = json.loads((out / "records" / "a.json").read_text())
    (out / CLAIMS).mkdir()
    with file_lock(out / CLAIMS / "a.lock", lambda holder: None):
        again, events = CohortRun(workers=1, retry_failed=True), []
        thread = threading.Thread(target=lambda: cohort_of(place, out, atlas_folder, run=again, report=events.append))
        thread.start()
        while not any("in the hands of another run" in event.message for event in events):
            time.sleep(0.01)
        assert thread.is_alive()
        stored["found"]["seconds"] += 1.0
        (out / "records" / "a.json").write_text(json.dumps(stored))
        thread.join(timeout=30)

    assert not thread.is_alive()
    assert stand_in.seen == ["a"]


def test_runs_at_once_work_on_each_patient_once(tmp_path, atlas_folder, stand_in, monkeypatch):
    """Four at the same time on one output."""
    monkeypatch.setattr("gliofield.cohort.run._POLL_S", 0.02)
    place, out = write_words(tmp_path / "in", "abcdefgh"), tmp_path / "out"
    results = []
    threads = [threading.Thread(target=lambda: results.append(cohort_of(place, out, atlas_folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(stand_in.seen) == list("abcdefgh")
    assert [result.count("done") for result in results] == [8] * 4
    assert sum(result.num_computed for result in results) == 8


def test_a_claim_whose_folder_was_swept_away_is_made_again(tmp_path, patients, atlas_folder, stand_in, monkeypatch):
    """Another run may end between the folder and the lock of this one; here once for every patient."""
    swept = set()

    def lock(path, busy):
        if path not in swept:
            swept.add(path)
            path.parent.rmdir()
        return file_lock(path, busy)

    monkeypatch.setattr("gliofield.cohort.work.file_lock", lock)
    found = cohort_of(patients, tmp_path / "out", atlas_folder)

    assert [row["status"] for row in found.rows] == ["done", "done", "failed", "done"]
    assert len(swept) == 4


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, patients, atlas_folder):
    """Nothing is written into it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")

    with pytest.raises(OutputError, match=r"holds no cohort \(no cohort.json\), but other things, such as notes.txt"):
        cohort_of(patients, tmp_path / "out", atlas_folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_nobody_is_no_cohort(tmp_path, atlas_folder):
    """An empty list is a mistake."""
    with pytest.raises(ParameterError, match="there is no patient"):
        run_cohort([], tmp_path / "out", atlas=str(atlas_folder))


def test_a_stage_file_is_for_one_patient(tmp_path, patients, atlas_folder):
    """Two samplers would write into one file."""
    with pytest.raises(ParameterError, match="stage_file is that of one patient"):
        cohort_of(patients, tmp_path / "out", atlas_folder, method=Sample(stage_file=tmp_path / "stages"))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"workers": 0}, "workers must be at least 1"), ({"part": (3, 2)}, "K of P"), ({"part": (0, 2)}, "K of P")],
)
def test_numbers_out_of_range_are_refused(given, message):
    """Before anything is looked at."""
    with pytest.raises(ParameterError, match=message):
        CohortRun(**given)


def test_a_worker_with_another_atlas_stops_the_run(tmp_path, patients, atlas_folder, stand_in):
    """It would give other results; that is nobody's fault but the machine's, so no patient is marked as failed."""
    work = CohortWork(
        out=tmp_path / "out", method=Sample(), settings=None, atlas=str(atlas_folder), atlas_hash="0" * 64
    )
    job = PatientJob(patient=find_cohort(patients)[0], identity={})

    with pytest.raises(AtlasError, match="of a worker is another one than that of the run: expected content hash 0000"):
        PatientWorker(work).run(job)
    assert not (tmp_path / "out" / "records").exists()


def test_nothing_is_left_of_claims_and_temporary_files(tmp_path, patients, atlas_folder, stand_in):
    """The output holds what is documented."""
    cohort_of(patients, tmp_path / "out", atlas_folder)

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("cohort.html", "cohort.json", "cohort.tsv"),
        *("logs", "patients", "records"),
    ]


def test_the_table_has_time_and_memory(tmp_path, patients, atlas_folder, stand_in):
    """Also of the patient that failed."""
    rows = read_table(cohort_of(patients, tmp_path / "out", atlas_folder).folder)

    assert all(row["seconds"] >= 0 and row["peak_memory_mb"] > 50 for row in rows)


def test_an_outcome_is_read_back_as_it_was():
    """Field by field."""
    outcome = Outcome(status="failed", reason="because", kind="ImageError", seconds=1.5, peak_memory_mb=None)

    assert Outcome.from_stored(vars(replace(outcome))) == outcome
