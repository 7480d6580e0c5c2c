"""Opening and reading, and every way in which a folder is not a database."""

import json
import os
import shutil

import numpy as np
import pytest
from growing_ball import build_balls, folder_content

from gliofield.database import SimulationDatabase, dequantize
from gliofield.database.manifest import Manifest, entry_of
from gliofield.errors import DatabaseError, ParameterError

SHARD = "density/c/0/0/0/0"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A database of 12 balls; tests that change it copy it first."""
    path = tmp_path_factory.mktemp("store") / "db"
    build_balls(path)
    return path


@pytest.fixture
def copy(built, tmp_path):
    """A copy to damage."""
    return shutil.copytree(built, tmp_path / "db")


def test_decoded_densities_have_the_masks_of_the_levels(built):
    """cell_density is the middle of each level, float32, and thresholds give the masks of the levels."""
    database = SimulationDatabase.open(built)
    levels, density = database.density_levels(3), database.cell_density(3)
    assert (levels.dtype, density.dtype) == (np.uint8, np.float32)
    assert density.shape == database.header.grid.shape
    np.testing.assert_array_equal(density, dequantize(levels))
    np.testing.assert_array_equal(density > 0.6, levels > 153)


def test_reading_into_an_array_reuses_it(built):
    """`out` is filled and returned; one that does not fit is refused."""
    database = SimulationDatabase.open(built)
    out = np.full(database.header.grid.shape, 9, dtype=np.uint8)
    assert database.density_levels(4, out=out) is out
    np.testing.assert_array_equal(out, database.density_levels(4))
    for wrong in (np.empty((2, 2, 2), np.uint8), np.empty(out.shape, np.int8), np.asfortranarray(out)):
        with pytest.raises(ParameterError, match="out must be a C-contiguous uint8 array of shape"):
            database.density_levels(4, out=wrong)


def test_the_table_is_consistent_with_the_densities(built):
    """Volumes and boxes are those of the levels read back."""
    database = SimulationDatabase.open(built)
    for index in range(database.num_tumors):
        levels = database.density_levels(index)
        counts = [np.count_nonzero(levels > 51), np.count_nonzero(levels > 153)]
        np.testing.assert_allclose(database.volume_ml[index], np.array(counts) * 0.008, rtol=1e-6)
        x0, x1, y0, y1, z0, z1 = database.bounding_box[index]
        assert np.count_nonzero(levels[x0:x1, y0:y1, z0:z1]) == np.count_nonzero(levels)
    assert list(database.parameters_of(0)) == list(database.parameter_names)
    assert database.parameters.shape == (12, 6)


def test_tables_are_read_only(built):
    """Nobody changes them for everybody else."""
    with pytest.raises(ValueError, match="read-only"):
        SimulationDatabase.open(built).parameters[0, 0] = 1.0


@pytest.mark.parametrize("index", [-1, 12, 1000])
def test_tumors_that_do_not_exist_are_refused(built, index):
    """Negative numbers do not count from the end."""
    with pytest.raises(ParameterError, match=f"tumor {index} does not exist: .* holds 12 tumors, 0 to 11"):
        SimulationDatabase.open(built).density_levels(index)


def test_a_read_only_folder_can_be_read(copy):
    """Reading writes nothing, so permissions to write are not needed and nothing in the folder changes."""
    before = folder_content(copy)
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        SimulationDatabase.open(copy).density_levels(0)
        assert folder_content(copy) == before
    finally:
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_missing_folder_is_reported(tmp_path):
    """The message tells how to build one."""
    with pytest.raises(DatabaseError, match="does not exist. Check the path, or build it"):
        SimulationDatabase.open(tmp_path / "nowhere")


def test_other_folders_are_reported(tmp_path):
    """An empty folder and another Zarr group are no databases."""
    with pytest.raises(DatabaseError, match="is not a gliofield simulation database: it has no zarr.json"):
        SimulationDatabase.open(tmp_path)
    (tmp_path / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}))
    with pytest.raises(DatabaseError, match="is not a gliofield simulation database: expected the group attribute"):
        SimulationDatabase.open(tmp_path)


def test_other_format_versions_are_reported(copy):
    """A database of a future format is refused by its version, before anything else of it is read."""
    path = copy / "zarr.json"
    group = json.loads(path.read_text())
    group["attributes"]["format_version"] = 3
    path.write_text(json.dumps(group))
    (copy / "manifest.json").write_text("of another format")
    with pytest.raises(DatabaseError, match="has database format version 3, this gliofield reads version 2"):
        SimulationDatabase.open(copy)


def test_a_group_that_is_no_json_is_reported(copy):
    """Garbage in the header points to verification."""
    (copy / "zarr.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DatabaseError, match="zarr.json cannot be read .* Run `gliofield database verify`"):
        SimulationDatabase.open(copy)


def test_a_missing_manifest_is_reported(copy):
    """Without it a copy may be incomplete without anyone noticing."""
    (copy / "manifest.json").unlink()
    with pytest.raises(DatabaseError, match="has no manifest.json, so nobody knows whether it is complete"):
        SimulationDatabase.open(copy)
    (copy / "building").mkdir()
    with pytest.raises(DatabaseError, match="holds an unfinished build"):
        SimulationDatabase.open(copy)


def test_an_unfinished_first_build_is_reported(tmp_path):
    """A folder with a build and nothing else."""
    (tmp_path / "building").mkdir()
    with pytest.raises(DatabaseError, match="holds an unfinished build. Run the same build again"):
        SimulationDatabase.open(tmp_path)


def test_a_missing_shard_is_reported_with_its_tumors(copy):
    """Zarr alone would read zeros."""
    (copy / SHARD).unlink()
    with pytest.raises(DatabaseError, match=r"density/c/0/0/0/0 \(tumors 0 to 11\) is missing"):
        SimulationDatabase.open(copy)


def test_a_truncated_shard_is_reported_with_its_tumors(copy):
    """One byte less is enough."""
    size = (copy / SHARD).stat().st_size
    os.truncate(copy / SHARD, size - 1)
    with pytest.raises(DatabaseError, match=rf"\(tumors 0 to 11\) has {size - 1} bytes: expected {size}"):
        SimulationDatabase.open(copy)


def test_many_problems_are_summed_up(copy):
    """Ten are listed, the rest counted."""
    for path in copy.rglob("*"):
        if path.is_file() and path.name not in ("manifest.json",) and path.parent != copy:
            path.unlink()
    with pytest.raises(DatabaseError, match="  and 4 more"):
        SimulationDatabase.open(copy)


def sign_again(folder):
    """Write the manifest anew, as whoever changes files on purpose would."""
    manifest = Manifest.read(folder / "manifest.json")
    files = tuple(entry_of(folder, entry.path) for entry in manifest.files)
    Manifest(manifest.num_tumors, files).write(folder / "manifest.json")


def test_a_table_that_cannot_be_decoded_is_reported(copy):
    """Wrong bytes under a manifest that agrees with them raise our error, not the codec's."""
    path = copy / "checksum" / "c" / "0"
    path.write_bytes(bytes(path.stat().st_size))
    sign_again(copy)
    with pytest.raises(DatabaseError, match="the tumor table cannot be read"):
        SimulationDatabase.open(copy)


def test_a_table_with_fewer_rows_is_reported(copy):
    """Metadata changed by hand, and the manifest with them, do not hide tumors."""
    path = copy / "attempt" / "zarr.json"
    path.write_text(path.read_text().replace("12", "11", 1))
    sign_again(copy)
    with pytest.raises(DatabaseError, match="attempt has 11 rows: expected 12"):
        SimulationDatabase.open(copy)


def test_a_damaged_tumor_is_named(copy):
    """Bytes that changed under an open database are noticed where they are read, and others still read."""
    content = bytearray((copy / SHARD).read_bytes())
    content[12:16] = b"\xff\xff\xff\xff"
    (copy / SHARD).write_bytes(bytes(content))
    database = SimulationDatabase.open(copy)
    with pytest.raises(DatabaseError, match="tumor 0 of .* is damaged: a chunk of"):
        database.density_levels(0)
    assert database.density_levels(1).any()


@pytest.mark.parametrize(("path", "came"), [(None, "NoneType"), (3, r"3 \(int\)")])
def test_what_is_no_path_is_refused(path, came):
    """Before anything is looked for."""
    with pytest.raises(
        ParameterError, match=f"path must be str or PathLike, got {came}. Name the folder of a database"
    ):
        SimulationDatabase.open(path)
