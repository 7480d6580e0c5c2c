import dataclasses
import hashlib
import json
import math

import pytest

from gliofield.errors import ParameterError
from gliofield_evaluation.virtual import CohortPatient, cohort_design
from gliofield_evaluation.virtual.design import KINDS, QUOTAS

# Of all numbers drawn for three attempts at each patient, rounded to ten digits, and of what the streams begin with.
FROZEN = "36a9982e69c59dc519a6028f574bbb8e7b334732ad10f06fd0da8106cfff2fe0"


def fingerprint() -> str:
    """A hash of the design."""
    rounded = []
    for patient in cohort_design():
        rounded.append([patient.name, patient.split, patient.kind, patient.conditions, patient.label_scheme])
        for attempt in range(3):
            numbers = dataclasses.astuple(patient.drawn(attempt))
            rounded.append([f"{x:.10g}" for x in (*numbers[:4], *numbers[4], *numbers[5:])])
            rounded.append([f"{patient.rng(attempt, s).random():.10g}" for s in ("brain", "edema", "images")])
    return hashlib.sha256(json.dumps(rounded).encode()).hexdigest()


def test_the_design_is_frozen():
    """All drawn numbers are what they were when the first method was scored; another design needs another name."""
    assert fingerprint() == FROZEN


def test_the_quotas_are_kept():
    """20 patients to tune on and 40 to test on, with every kind in both."""
    for split, number in (("tune", 20), ("test", 40)):
        kinds = [patient.kind for patient in cohort_design(split)]

        assert len(kinds) == number
        assert {kind: kinds.count(kind) for kind in KINDS} == QUOTAS[split]
    assert cohort_design() == cohort_design("tune") + cohort_design("test")


def test_twelve_patients_are_a_first_look_at_all_kinds():
    """Kinds are spread, so the beginning of the tune split has each."""
    assert {patient.kind for patient in cohort_design("tune")[:12]} == set(KINDS)


def test_one_kind_of_false_edema_is_kept_from_tuning():
    """Tracts occur on test patients only."""
    assert {patient.conditions for patient in cohort_design("tune")} == {("none", "one-sided", "severe")}
    assert all("tracts" in patient.conditions for patient in cohort_design("test"))


def test_numbers_lie_in_their_ranges():
    """Of every patient and several attempts; the front widths have the tuned median."""
    drawn = [(patient.kind, patient.drawn(attempt)) for patient in cohort_design() for attempt in range(20)]
    fronts = sorted(tumor.infiltration_length_mm for _, tumor in drawn)

    assert 2.6 <= fronts[0] <= fronts[-1] <= 4.8
    assert fronts[len(fronts) // 2] == pytest.approx(2.6 + 2.2 * 0.5**1.4, abs=0.1)
    for kind, tumor in drawn:
        assert 0.50 <= tumor.t1gd_threshold <= 0.75
        assert 0.12 <= tumor.flair_threshold <= 0.28
        assert (6_000 <= tumor.push_pa <= 15_000) if kind == "mass-effect" else tumor.push_pa == 0
        assert (2 <= tumor.diffusivity_ratio <= 30) if kind == "other-physics" else tumor.diffusivity_ratio == 10
        assert (28 <= tumor.second_focus_distance_mm <= 45) == (kind == "two-foci")
        assert math.prod(tumor.axis_stretch) == pytest.approx(1.0)
        assert (tumor.enhancing_part == 0.0) == (kind == "no-core")
        assert (tumor.resected_part > 0.0) == (kind == "cavity")
    halved = [tumor.white_matter_threshold_factor == 0.5 for _, tumor in drawn]
    assert 0.25 < sum(halved) / len(halved) < 0.35


def test_a_kind_moves_no_number_of_another():
    """The same patient of two kinds differs in what the kinds say, and in nothing else."""
    plain = CohortPatient(split="tune", number=3, kind="plain").drawn(0)
    eccentric = CohortPatient(split="tune", number=3, kind="eccentric-core").drawn(0)

    assert dataclasses.replace(eccentric, enhancing_part=1.0) == plain


def test_an_unknown_split_is_refused():
    """With the names of those there are."""
    with pytest.raises(ParameterError, match="test, tune"):
        cohort_design("validation")
