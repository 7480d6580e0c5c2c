"""The evaluation of posteriors as a whole: its folder, its parts, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliomap.errors import ParameterError
from gliomap.experiments import find_patients
from gliomap.experiments.bayes_cost import REFERENCE_WAY, mean_distance
from gliomap.experiments.bayes_evaluation import SETTINGS_FILE, BayesEvaluationSettings, evaluate_bayes, open_folder
from gliomap.experiments.bayes_patients import SOLVER
from gliomap.experiments.bayes_sampling import CaseSettings
from gliomap.personalize import PersonalizationSettings

TINY = BayesEvaluationSettings.small(
    num_cases=1,
    spacing_mm=10.0,
    voxel_stride=2,
    case=CaseSettings(num_samples=12, num_steps=1, num_ranked=7, num_densities=2),
    sample_spacing_mm=8.0,
    num_samples=8,
    num_steps=1,
    num_paper_samples=8,
    num_threads=1,
)
IDENTITY = {"seed": 0, "database": None, "surrogate": None}


def test_a_folder_goes_on_with_its_own_settings_alone(tmp_path):
    """The same settings go on; others, and folders with other things in them, are refused."""
    open_folder(tmp_path / "new", IDENTITY)
    open_folder(tmp_path / "new", IDENTITY)
    with pytest.raises(ParameterError, match=r"evaluation of other settings \(seed\)"):
        open_folder(tmp_path / "new", {**IDENTITY, "seed": 1})
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "t1.nii").touch()
    with pytest.raises(ParameterError, match="holds no evaluation"):
        open_folder(tmp_path / "scans", IDENTITY)


def test_inputs_of_one_part_may_come_later_but_not_change(tmp_path):
    """A database may be named until the costs are there; then it may be left out, not replaced."""
    open_folder(tmp_path, IDENTITY)
    open_folder(tmp_path, {**IDENTITY, "database": ["db", 5]})
    (tmp_path / "cost.json").touch()
    open_folder(tmp_path, IDENTITY)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["database"] == ["db", 5]
    with pytest.raises(ParameterError, match=r"\(database\)"):
        open_folder(tmp_path, {**IDENTITY, "database": ["other", 5]})


def test_numbers_of_cases_and_processes_are_no_part_of_the_identity():
    """More cases may be asked for later, on another machine."""
    more = dataclasses.replace(TINY, num_cases=99, num_threads=7)

    assert more.identity() == TINY.identity()
    assert dataclasses.replace(TINY, voxel_stride=1).identity() != TINY.identity()


def test_distance_of_densities():
    """Over voxels where either has tumor; NaN where neither has."""
    one, other = np.array([0.0, 0.4, 0.0]), np.array([0.0, 0.0, 0.2])

    assert mean_distance(one, other) == pytest.approx(0.3)
    assert np.isnan(mean_distance(np.zeros(3), np.zeros(3)))


def test_settings_out_of_range_are_refused(tmp_path):
    """And a surrogate without patients."""
    for changes, message in (({"num_cases": 0}, "num_cases ≥ 1"), ({"num_paper_samples": 1}, "num_samples must be")):
        with pytest.raises(ParameterError, match=message):
            dataclasses.replace(TINY, **changes)
    with pytest.raises(ParameterError, match="real patients only"):
        evaluate_bayes(phantom_atlas(), tmp_path / "out", TINY, checkpoint="surrogate.safetensors")


@pytest.mark.slow
def test_all_parts_are_made_and_read_again(tmp_path):
    """Cases, ways and a patient of the phantom; a second run finds everything and changes nothing."""
    write_phantom_patient(tmp_path / "P1")
    patients, _ = find_patients([tmp_path / "P1"])
    run = [
        evaluate_bayes(
            phantom_atlas(),
            tmp_path / "out",
            TINY,
            patients=patients,
            registration=PersonalizationSettings(registration="none", num_threads=1),
        )
        for _ in range(2)
    ]

    assert [repr(each.cases) for each in run] == [repr(run[0].cases)] * 2
    assert [repr(each.cost) for each in run] == [repr(run[0].cost)] * 2
    assert [way.way for way in run[0].cost.ways][0] == REFERENCE_WAY
    (patient,) = run[1].patients
    assert patient.models[SOLVER].seconds == run[0].patients[0].models[SOLVER].seconds
    assert 0.0 < patient.densities[SOLVER].max() <= 1.0
    assert patient.map_dice == {}
