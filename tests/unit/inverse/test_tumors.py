"""Where training tumors come from: the split of a database, and the solver on the fly."""

import dataclasses

import numpy as np
import pytest
from growing_ball import BallDesign, GrowingBall, ball_anatomy, build_balls

from gliomap.errors import ParameterError
from gliomap.inverse import DatabaseTumors, SimulatedTumors, split_tumors


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """25 balls on 16³ voxels."""
    return build_balls(tmp_path_factory.mktemp("tumors") / "db", num_tumors=25, anatomy=ball_anatomy(16, 1.5))


def simulated(**changes):
    values = {
        "anatomy": ball_anatomy(),
        "atlas_name": "cube",
        "atlas_hash": "0" * 64,
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


def test_a_tiny_database_cannot_be_split():
    """Eight percent of it would be nothing."""
    with pytest.raises(ParameterError, match="too small to be split"):
        split_tumors(12, seed=0)


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
