"""What a training showed, measured on its tumors, and in what others depart from it."""

import dataclasses
import json
import math

import numpy as np
import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy
from one_brain_atlas import atlas_of
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.errors import ParameterError
from gliofield.inverse import ObservationSettings, TargetSettings
from gliofield.inverse.targets import TargetScaling, target_values
from gliofield.inverse.trained_ranges import TrainedRanges
from gliofield.records import from_record, to_record
from gliofield_training.inverse import SimulatedTumors
from gliofield_training.inverse import trained_ranges as module
from gliofield_training.inverse.trained_ranges import trained_ranges

FIXED = ObservationSettings(t1gd_thresholds=(0.6, 0.6), flair_thresholds=(0.2, 0.2))
RANGES = TrainedRanges(
    core_ml=(0.1, 190.0),
    whole_ml=(3.0, 250.0),
    core_share=(0.02, 0.9),
    targets={"mu1_mm": (1.0, 40.0), "seed_x_mm": (-60.0, 60.0)},
)


def test_ranges_are_those_of_the_tumors():
    """At fixed thresholds: smallest and largest volumes, shares and targets of all ten, counted by hand."""
    source = FewBalls(4, 6)
    measured = trained_ranges(source, tiny_inverse(observation=FIXED))
    rng = np.random.default_rng(0)
    tumors = [
        tumor
        for part, number in (("training", 4), ("validation", 6))
        for tumor in source.read(range(number), part=part, rng=rng)
    ]
    core_ml, whole_ml = (
        np.array([np.count_nonzero(tumor.levels > level) * 0.008 for tumor in tumors]) for level in (153, 51)
    )
    names = ("mu1_mm", "mu2", "seed_x_mm", "seed_y_mm", "seed_z_mm")
    targets = target_values(np.stack([tumor.parameters for tumor in tumors]), names)

    assert measured.core_ml == pytest.approx((core_ml.min(), core_ml.max()))
    assert measured.whole_ml == pytest.approx((whole_ml.min(), whole_ml.max()))
    assert measured.core_share == pytest.approx(((core_ml / whole_ml).min(), (core_ml / whole_ml).max()))
    assert tuple(measured.targets) == names
    assert list(measured.targets.values()) == list(zip(targets.min(axis=0), targets.max(axis=0), strict=True))


def test_thresholds_are_drawn_and_equal_at_every_call():
    """Drawn thresholds spread the volumes further than fixed ones; a second call draws the same."""
    source, drawn = FewBalls(4, num_distinct=1), tiny_inverse()
    fixed = trained_ranges(source, tiny_inverse(observation=FIXED))
    measured = trained_ranges(source, drawn)

    assert fixed.core_ml[0] == fixed.core_ml[1]
    assert measured.core_ml[0] < measured.core_ml[1]
    assert measured == trained_ranges(source, drawn)


def test_tumors_without_a_core_count_for_their_targets_alone():
    """Nobody can ask about them; where no tumor shows a core there are no ranges."""

    class FirstFaint(FewBalls):
        def read(self, samples, *, part, rng):
            tumors = super().read(samples, part=part, rng=rng)
            return [dataclasses.replace(tumors[0], levels=np.minimum(tumors[0].levels, 100)), *tumors[1:]]

    settings = tiny_inverse(observation=FIXED)
    measured, second = trained_ranges(FirstFaint(2), settings), FewBalls(2)._ball(1)
    assert measured.core_ml[0] == measured.core_ml[1] == pytest.approx(np.count_nonzero(second.levels > 153) * 0.008)
    assert measured.targets == trained_ranges(FewBalls(2), settings).targets
    assert trained_ranges(FirstFaint(1), settings) is None


def test_mirrored_seeds_are_part_of_the_training():
    """With flips the range along x is symmetric about the middle of the grid; the others stay."""
    source = FewBalls(4)
    plain = trained_ranges(source, tiny_inverse(observation=FIXED)).targets
    flipped = trained_ranges(source, tiny_inverse(observation=dataclasses.replace(FIXED, flips=True))).targets
    reach_mm = max(abs(end) for end in plain["seed_x_mm"])

    assert flipped == {**plain, "seed_x_mm": pytest.approx((-reach_mm, reach_mm))}


def test_targets_are_those_of_the_settings():
    """Rates in place of invariants."""
    measured = trained_ranges(FewBalls(3), tiny_inverse(targets=TargetSettings(growth="rates")))
    assert measured.targets["white_matter_diffusivity_mm2_per_day"] == (0.2, 0.2)
    assert "mu2" not in measured.targets


def test_few_tumors_are_looked_at_and_said(monkeypatch):
    """A limit for stored ones, a lower one for simulated ones, in portions; those for validation come first."""
    monkeypatch.setattr(module, "_NUM_STORED_TUMORS", 5)
    monkeypatch.setattr(module, "_NUM_SIMULATED_TUMORS", 3)
    monkeypatch.setattr(module, "_TUMORS_PER_READ", 2)
    simulated = SimulatedTumors(
        atlas=atlas_of(ball_anatomy()), design=BallDesign(), model=GrowingBall(),
        num_training_tumors=9, num_validation_tumors=7, num_threads=1,
    )  # fmt: skip
    for source, number in ((FewBalls(9), 5), (simulated, 3)):
        events = []
        trained_ranges(source, tiny_inverse(), report=events.append)
        assert [event.completed for event in events] == [*range(0, number, 2), number]
        assert {event.total for event in events} == {number}
    first = trained_ranges(FewBalls(1, 5), tiny_inverse(observation=FIXED)).targets
    assert first == trained_ranges(FewBalls(2, 5), tiny_inverse(observation=FIXED)).targets


def test_departures_name_every_number_outside():
    """With the number, the range, and no more digits than it takes; what lies inside is not mentioned."""
    departures = RANGES.departures({"mu1_mm": 44.0, "seed_x_mm": 3.0, "other": 9.0}, core_ml=905.2, whole_ml=910.0)
    assert departures == (
        "the tumor core has 905 ml, the training showed 0.1 to 190 ml",
        "the whole tumor has 910 ml, the training showed 3 to 250 ml",
        "the share of the core in the whole tumor is 0.995, the training showed 0.02 to 0.9",
        "the network's answer for mu1_mm is 44, the training showed 1 to 40",
    )


def test_ends_of_the_ranges_are_no_departures():
    """They were shown."""
    assert RANGES.departures({"mu1_mm": 40.0, "seed_x_mm": -60.0}, core_ml=190.0, whole_ml=250.0) == ()


def test_a_number_just_outside_is_told_from_the_end():
    """A digit more than usual."""
    (departure,) = RANGES.departures({"mu1_mm": 40.01}, core_ml=10.0, whole_ml=20.0)
    assert departure == "the network's answer for mu1_mm is 40.01, the training showed 1 to 40"


def test_an_empty_tumor_departs_from_nothing():
    """It has no share of a core."""
    with pytest.raises(ParameterError, match="whole_ml must be > 0"):
        RANGES.departures({}, core_ml=0.0, whole_ml=0.0)


def test_targets_no_network_can_answer_are_named():
    """μ1 of the tumors ends beyond the scaling, the seed does not."""
    scaling = TargetScaling(names=("mu1_mm", "seed_x_mm"), ranges=((1.0, 30.0), (-60.0, 61.0)), is_log=(False, False))
    assert RANGES.unreachable(scaling) == (
        "mu1_mm of the tumors reaches from 1 to 40, but the network answers 1 to 30 only",
    )


def test_ranges_survive_json():
    """As text, too."""
    assert from_record(TrainedRanges, json.loads(json.dumps(to_record(RANGES)))) == RANGES


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_senseless_ranges_are_refused(bounds):
    """Backwards, or not finite."""
    with pytest.raises(ParameterError, match=r"range of core_ml must be \(low, high\)"):
        dataclasses.replace(RANGES, core_ml=bounds)
