"""Where training tumors come from: the split of a database, and the solver on the fly."""

import dataclasses

import numpy as np
import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy, build_balls
from mass_effect_phantoms import phantom_anatomy
from one_brain_atlas import atlas_of

from gliofield.database import ClinicalDesign
from gliofield.database.schema import describe_settings
from gliofield.errors import ParameterError
from gliofield.inverse import ObservationSettings
from gliofield_papers.queries.papers_design import PapersDesign
from gliofield_training.inverse import DatabaseTumors, SimulatedTumors, split_tumors


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """25 balls on 16³ voxels."""
    return build_balls(tmp_path_factory.mktemp("tumors") / "db", num_tumors=25, anatomy=ball_anatomy(16, 1.5))


def simulated(**changes):
    values = {
        "atlas": atlas_of(ball_anatomy()),
        "design": BallDesign(),
        "model": GrowingBall(),
        "num_training_tumors": 6,
        "num_validation_tumors": 2,
        "num_threads": 1,
    }
    return SimulatedTumors(**{**values, **changes})


def test_the_split_is_80_8_12_without_overlap():
    """Of 100,000 tumors: 80,000, 8,000 and 12,000; another seed splits otherwise."""
    parts = split_tumors(100_000, seed=0)

    assert [len(part) for part in parts] == [80_000, 8_000, 12_000]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(100_000))
    assert not np.array_equal(parts[0], split_tumors(100_000, seed=1)[0])


def test_the_split_of_single_snapshots_is_a_permutation_of_the_tumors():
    """The same as ever, so networks trained before keep their test tumors."""
    shuffled = np.random.default_rng(7).permutation(1000)
    for part, expected in zip(split_tumors(1000, seed=7), np.split(shuffled, [800, 880]), strict=True):
        assert np.array_equal(part, expected)


@pytest.mark.parametrize("num_tumors", [300, 299], ids=["whole runs", "an incomplete run"])
def test_snapshots_of_a_run_stay_together(num_tumors):
    """No run in two parts, no tumor in none, and sizes of 80, 8 and 12 % of the 100 runs."""
    parts = split_tumors(num_tumors, seed=0, snapshots_per_run=3)
    runs = [set((part // 3).tolist()) for part in parts]

    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(num_tumors))
    assert [len(part) for part in runs] == [80, 8, 12]
    assert sum(len(part) for part in runs) == len(set().union(*runs))


@pytest.mark.parametrize(("snapshots_per_run", "smallest"), [(1, 13), (3, 37)])
def test_a_tiny_database_cannot_be_split(snapshots_per_run, smallest):
    """Eight percent of its runs would be nothing; the message says how many tumors are enough."""
    with pytest.raises(ParameterError, match=f"too small to be split.*at least {smallest}\\."):
        split_tumors(smallest - 1, seed=0, snapshots_per_run=snapshots_per_run)
    assert len(split_tumors(smallest, seed=0, snapshots_per_run=snapshots_per_run)[1]) > 0


def test_a_database_of_several_snapshots_is_split_by_runs(tmp_path):
    """Seeds of its validation tumors are in no other part; the record says how it was split."""
    database = build_balls(
        tmp_path / "db", num_tumors=26, anatomy=ball_anatomy(16, 1.5), design=BallDesign(snapshots_per_run=2)
    )
    source = DatabaseTumors(database, num_threads=1)
    rng = np.random.default_rng(0)
    training, validation = (
        {tuple(tumor.parameters[3:6]) for tumor in source.read(range(number), part=part, rng=rng)}
        for part, number in (("training", source.num_training_tumors), ("validation", source.num_validation_tumors))
    )
    test = {tuple(row) for row in database.parameters[source.test_tumors, 3:6]}

    assert (source.num_training_tumors, source.num_validation_tumors, len(source.test_tumors)) == (20, 2, 4)
    assert len(training) + len(validation) + len(test) == len(training | validation | test)
    assert source.origin.record["split_unit"] == "run"


def test_mirror_images_widen_the_shown_box_and_the_ranges_of_seeds():
    """Along x alone, to the mirror image at the middle of the grid; without flips nothing changes."""
    origin = dataclasses.replace(simulated().origin, occupied=((1, 7), (2, 11), (1, 11)))
    mirrored = origin.shown_with(ObservationSettings(flips=True))
    (low, high), *others = mirrored.seed_ranges_mm
    middle_mm = origin.grid.center_mm[0]

    assert origin.shown_with(ObservationSettings()) is origin
    assert mirrored.occupied == ((1, 11), (2, 11), (1, 11))
    assert low + high == pytest.approx(2.0 * middle_mm)
    assert (low, others) == (origin.seed_ranges_mm[0][0], list(origin.seed_ranges_mm[1:]))


@pytest.mark.parametrize(("design", "speed"), [(ClinicalDesign(), 0.1), (PapersDesign(), None)], ids=["one", "many"])
def test_an_origin_knows_whether_all_tumors_have_one_front_speed(design, speed):
    """Then D_w and ρ of its tumors follow from each other."""
    record = {"design": describe_settings(design)}
    assert dataclasses.replace(simulated().origin, record=record).front_speed_mm_per_day == speed
    assert dataclasses.replace(simulated().origin, record={}).front_speed_mm_per_day is None


def test_tumors_of_a_database_are_its_own(database):
    """Levels and parameters, by the numbers of the split; validation has others than training."""
    source = DatabaseTumors(database, seed=3, num_threads=1)
    training, validation, _ = split_tumors(25, seed=3)
    (tumor,) = source.read([4], part="training", rng=np.random.default_rng(0))
    (other,) = source.read([1], part="validation", rng=np.random.default_rng(0))

    assert (source.num_training_tumors, source.num_validation_tumors, len(source.test_tumors)) == (20, 2, 3)
    assert np.array_equal(tumor.levels, database.density_levels(int(training[4])))
    assert np.array_equal(tumor.parameters, database.parameters[training[4]])
    assert np.array_equal(other.parameters, database.parameters[validation[1]])


def test_fewer_tumors_are_the_first_of_the_training_part(database):
    """So that training sets of growing size contain each other; more than there are is refused."""
    few = DatabaseTumors(database, num_training_tumors=5, num_threads=1)
    assert few.num_training_tumors == 5
    assert np.array_equal(few.test_tumors, DatabaseTumors(database, num_threads=1).test_tumors)
    with pytest.raises(ParameterError, match="num_training_tumors must be 1 to 20"):
        DatabaseTumors(database, num_training_tumors=21)
    with pytest.raises(ParameterError, match="num_validation_tumors must be 1 to 2"):
        DatabaseTumors(database, num_validation_tumors=3)
    assert DatabaseTumors(database, num_validation_tumors=1).num_validation_tumors == 1


def test_the_seed_ranges_hold_all_seeds(database):
    """Where tumors grow is where they began."""
    low, high = np.array(DatabaseTumors(database).origin.seed_ranges_mm).T
    seeds = database.parameters[:, 3:6]

    assert (seeds >= low).all()
    assert (seeds <= high).all()


def test_simulated_tumors_depend_on_the_random_numbers_alone():
    """Equal generators give equal tumors, with one thread and with two; others give others."""
    first, same, other = (
        simulated(num_threads=threads).read(range(4), part="training", rng=np.random.default_rng(seed))
        for seed, threads in ((5, 1), (5, 2), (6, 1))
    )
    for a, b, c in zip(first, same, other, strict=True):
        assert np.array_equal(a.levels, b.levels)
        assert np.array_equal(a.parameters, b.parameters)
        assert not np.array_equal(a.parameters, c.parameters)


def test_simulated_tumors_are_those_of_their_parameters_and_accepted():
    """Simulated again from its parameters, a tumor is the same; the design's rejected draws do not appear."""
    source, model = simulated(design=BallDesign(rejected_share=0.7)), GrowingBall()
    for tumor in source.read(range(5), part="training", rng=np.random.default_rng(0)):
        assert tumor.levels.dtype == np.uint8
        assert tumor.levels.any()
        assert tumor.parameters.shape == (6,)
    assert source.origin.model["name"] == model.name
    assert source.origin.occupied == ((1, 11), (1, 11), (1, 11))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_training_tumors": 0}, "at least 1"),
        ({"num_validation_tumors": -1}, "not negative"),
        ({"design": dataclasses.replace(BallDesign(), snapshots_per_run=2)}, "snapshots_per_run = 1"),
    ],
)
def test_senseless_numbers_are_refused(changes, message):
    """No tumors, or several of a run."""
    with pytest.raises(ParameterError, match=message):
        simulated(**changes)


def test_design_model_and_atlas_may_be_given_by_name():
    """By name the design pushes where the model does; what is neither name nor object is refused."""
    source = simulated(model="mass-effect", design="papers", atlas=atlas_of(phantom_anatomy((12, 14, 13), 10.0)))
    assert source.origin.model["name"] == "mass-effect"
    assert source.origin.record["design"]["settings"]["push_pa"][0] == 0.0
    with pytest.raises(ParameterError, match=r"atlas must be Atlas or str or PathLike, got Anatomy"):
        simulated(atlas=ball_anatomy())
