"""A disk that is really full, and one that is really read-only; skipped where no file system may be mounted."""

import subprocess

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls, folder_content

from gliofield.database import SimulationDatabase, verify_database
from gliofield.errors import OutputError
from gliofield.imaging.observation import Observation
from gliofield.retrieval import ExhaustiveIndex

SMALL = ball_anatomy(num_voxels=6)


@pytest.fixture
def disk(tmp_path):
    """Mount point of a file system in memory of 200 kB, and a function that mounts it again with other options."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )

    try:
        if mount("size=200k").returncode:
            pytest.skip("mounting a file system needs rights this user does not have")
    except FileNotFoundError:
        pytest.skip("no mount command")
    try:
        yield place, lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", str(place)], check=False)


def test_a_build_survives_a_full_disk(tmp_path, disk):
    """It ends with a clear error, keeps what it finished, and ends as it would have once there is room."""
    place, remount = disk
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device.*run the same build again"):
        build_balls(place / "db", num_tumors=400, anatomy=SMALL)
    finished = list((place / "db" / "building").rglob("[0-9]*"))
    assert finished, "something should have been finished before the disk was full"
    assert remount("size=50m").returncode == 0
    build_balls(place / "db", num_tumors=400, anatomy=SMALL)
    build_balls(tmp_path / "whole", num_tumors=400, anatomy=SMALL)
    assert folder_content(place / "db") == folder_content(tmp_path / "whole")


def test_a_full_disk_leaves_the_database_that_grows(disk):
    """The tumors that were there can be read all the time."""
    place, _ = disk
    database = build_balls(place / "db", num_tumors=20, anatomy=SMALL)
    before = database.density_levels(19)
    with pytest.raises(OutputError, match="No space left on device"):
        build_balls(place / "db", num_tumors=600, anatomy=SMALL)
    reopened = SimulationDatabase.open(place / "db")
    assert reopened.num_tumors == 20
    np.testing.assert_array_equal(reopened.density_levels(19), before)


def test_a_database_on_a_read_only_disk_is_searched_and_verified(disk):
    """Reading writes nothing; growing it is refused with the reason."""
    place, remount = disk
    built = build_balls(place / "db", num_tumors=20, anatomy=SMALL)
    visible = [tumor for tumor in range(20) if built.volume_ml[tumor, 1] > 0]
    assert remount("ro").returncode == 0
    database = SimulationDatabase.open(place / "db")
    levels = database.density_levels(visible[0])
    query = Observation(tumor_core=levels > 153, whole_tumor=levels > 51, grid=database.header.grid)
    assert ExhaustiveIndex(database).search(query, 1).hits[0].distance == 0.0
    assert verify_database(place / "db").is_intact
    with pytest.raises(OutputError, match="cannot be written: Read-only file system"):
        build_balls(place / "db", num_tumors=30, anatomy=SMALL)
