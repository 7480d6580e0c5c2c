"""The numbers in which databases and patients are compared."""

import dataclasses
import math

import numpy as np
import pytest
from growing_ball import GrowingBall, build_balls
from phantom_brain import GRID, phantom_atlas

from gliofield.errors import ParameterError
from gliofield_papers.databases.coverage import (
    QUANTITIES,
    TumorCohort,
    brain_center_mm,
    cohort_of_database,
    cohort_of_patients,
    coverage_of,
    whole_tumor_centers_mm,
)
from gliofield_papers.databases.literature_volumes import PUBLISHED_VOLUMES, RANGES_TO_COVER
from gliofield_papers.databases.patient_volumes import PatientTumor

ATLAS = phantom_atlas()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """12 balls in the phantom brain, their header naming the phantom atlas."""
    built = build_balls(
        tmp_path_factory.mktemp("coverage") / "db",
        anatomy=ATLAS.anatomy(GRID),
        model=GrowingBall(edge_mm=12.0),
        atlas_name="phantom",
    )
    return dataclasses.replace(built, header=dataclasses.replace(built.header, atlas_hash=ATLAS.content_hash))


def cohort(whole_ml, core_ml, offset_mm=((0.0, 0.0, 0.0),)):
    """A cohort of literal numbers."""
    return TumorCohort(
        name="some",
        whole_ml=np.array(whole_ml, dtype=float),
        core_ml=np.array(core_ml, dtype=float),
        offset_mm=np.array(offset_mm, dtype=float).reshape(-1, 3),
    )


def test_volumes_are_those_of_the_table(database):
    """All tumors, however few centers are measured."""
    measured = cohort_of_database(database, name="balls", atlas=ATLAS, num_centers=3)

    np.testing.assert_array_equal(measured.whole_ml, database.volume_ml[:, 0])
    np.testing.assert_array_equal(measured.core_ml, database.volume_ml[:, 1])
    assert (len(measured), len(measured.offset_mm)) == (12, 3)


def test_centers_are_centers_of_mass_of_the_whole_tumor(database):
    """World coordinates of the mean voxel above the FLAIR threshold, from the center of the brain."""
    whole = database.cell_density(5) > 0.2
    expected_mm = GRID.world_of(np.argwhere(whole).mean(axis=0))

    np.testing.assert_allclose(whole_tumor_centers_mm(database, [5]), [expected_mm])
    everywhere = cohort_of_database(database, name="balls", atlas=ATLAS)
    np.testing.assert_allclose(everywhere.offset_mm[5] + brain_center_mm(ATLAS), expected_mm)


def test_the_sample_follows_from_its_seed(database):
    """The same tumors from the same seed, others from another."""
    drawn = [
        cohort_of_database(database, name="balls", atlas=ATLAS, num_centers=4, seed=seed).offset_mm
        for seed in (1, 1, 2)
    ]

    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_another_atlas_and_no_centers_are_refused(database):
    """Places need the brain the tumors grew in, and at least one of them."""
    other = dataclasses.replace(database, header=dataclasses.replace(database.header, atlas_hash="1" * 64))

    with pytest.raises(ParameterError, match="was made with the atlas 'phantom'"):
        cohort_of_database(other, name="balls", atlas=ATLAS)
    with pytest.raises(ParameterError, match="num_centers must be at least 1, got 0"):
        cohort_of_database(database, name="balls", atlas=ATLAS, num_centers=0)


def test_tumors_without_a_core_have_neither_core_nor_ratio():
    """They are counted instead; the whole tumor stays."""
    some = cohort(whole_ml=[10.0, 8.0, 6.0], core_ml=[5.0, 0.0, 2.0])

    assert some.num_without_core == 1
    assert list(some.values("core_ml")) == [5.0, 2.0]
    assert list(some.values("whole_to_core_ratio")) == [2.0, 3.0]
    assert list(some.values("whole_ml")) == [10.0, 8.0, 6.0]


def test_the_midline_distance_has_no_side():
    """Left and right count alike; front and height have a sign."""
    some = cohort([1.0, 1.0], [1.0, 1.0], offset_mm=[[-3.0, -4.0, 5.0], [3.0, 4.0, -5.0]])

    assert list(some.values("midline_distance_mm")) == [3.0, 3.0]
    assert list(some.values("anterior_mm")) == [-4.0, 4.0]
    assert list(some.values("superior_mm")) == [5.0, -5.0]


def test_an_unknown_quantity_is_refused():
    """With the ones there are."""
    with pytest.raises(ParameterError, match="quantity 'core' is unknown: expected one of .*core_ml"):
        cohort([1.0], [1.0]).values("core")


def test_patients_without_a_place_keep_their_volumes():
    """Offsets are of those whose images lie in the atlas' world."""
    center_mm = tuple(brain_center_mm(ATLAS) + (1.0, 2.0, 3.0))
    tumors = [
        PatientTumor(name="a", core_ml=1.0, whole_ml=2.0, center_mm=center_mm, num_segmentations=1),
        PatientTumor(name="b", core_ml=3.0, whole_ml=4.0, center_mm=None, num_segmentations=1),
    ]

    patients = cohort_of_patients(tumors, atlas=ATLAS)

    assert list(patients.core_ml) == [1.0, 3.0]
    np.testing.assert_allclose(patients.offset_mm, [[1.0, 2.0, 3.0]])


def test_patients_at_the_edge_of_the_range_are_inside():
    """5 and 95 % of 0 to 100 are 5 and 95, both included."""
    some = cohort(whole_ml=np.arange(101.0), core_ml=np.ones(101))
    patients = cohort(whole_ml=[4.9, 5.0, 95.0, 95.1], core_ml=np.ones(4))

    (whole,) = [row for row in coverage_of(some, patients) if row.quantity.key == "whole_ml"]

    assert whole.quantiles == (5.0, 25.0, 50.0, 75.0, 95.0)
    assert (whole.num_patients_inside, whole.num_patients) == (2, 4)
    assert whole.share_of_patients_inside == 0.5


def test_a_database_without_cores_covers_no_core():
    """Quantiles are NaN and nobody is inside; without patients the share is NaN."""
    some, patients = cohort([1.0, 2.0], [0.0, 0.0]), cohort([2.0], [1.0])

    core = coverage_of(some, patients)[0]
    assert all(math.isnan(value) for value in core.quantiles)
    assert (core.num_values, core.num_patients_inside, core.num_patients) == (0, 0, 1)
    nobody = cohort([], [], offset_mm=[])
    assert math.isnan(coverage_of(some, nobody)[0].share_of_patients_inside)


def test_every_published_figure_can_be_drawn():
    """It belongs to a quantity, has a median or a mean, and its interval holds the median."""
    keys = {quantity.key for quantity in QUANTITIES}

    for volume in PUBLISHED_VOLUMES:
        assert volume.quantity in keys
        assert volume.num_tumors > 0
        assert volume.median is not None or volume.mean is not None
        assert (volume.interval is None) == (volume.interval_name == "")
        if volume.interval is not None:
            assert volume.interval[0] < volume.median < volume.interval[1]
    assert set(RANGES_TO_COVER) <= keys
    assert all(low < high for low, high in RANGES_TO_COVER.values())
