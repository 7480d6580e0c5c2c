"""The main job through the command line: a small brain, a small database, files in, result folder out."""

import json

import nibabel as nib
import numpy as np
import pytest
from phantom_brain import (
    GRID,
    phantom_labels,
    stored_orientation,
    write_phantom_atlas,
    write_phantom_patient,
)
from typer.testing import CliRunner

from gliofield.cli import app
from gliofield.database import SimulationDatabase
from gliofield.nifti import read_volume, write_volume
from gliofield.resample import resample
from gliofield.volume import Volume

RESULT_FILES = {
    "density_atlas.nii.gz",
    "density_patient.nii.gz",
    "overview.png",
    "parameters.json",
    "provenance.json",
    "quality.json",
    "target_priority_patient.nii.gz",
    "outlines_patient.nii.gz",
    "report.html",
    "transforms",
    "view",
}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Folder with an atlas, a database of 24 tumors in it, and a patient."""
    root = tmp_path_factory.mktemp("phantom")
    write_phantom_atlas(root / "atlas")
    write_phantom_patient(root / "patient")
    build = ["database", "build", str(root / "database"), "--number", "24", "--atlas", str(root / "atlas")]
    result = _run([*build, "--spacing-mm", "4", "--workers", "1"])
    assert result.exit_code == 0, result.output
    return root


def _run(arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def _personalize(phantom, out, *more, patient=None):
    folder = [patient or phantom / "patient"]
    common = ["--atlas", phantom / "atlas", "--registration", "none"]
    query = [] if "--method" in more else ["--method", "query", "--database", phantom / "database"]
    return _run(["personalize", *folder, *common, *query, "--out", out, *more])


def test_a_brats_folder_becomes_a_result_folder(phantom, tmp_path):
    """One command writes every file of the result folder, with the density on the patient's grid and affine."""
    out = tmp_path / "result"

    result = _personalize(phantom, out, "--json")

    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == RESULT_FILES
    stored = nib.load(out / "density_patient.nii.gz")
    segmentation = nib.load(phantom / "patient" / "case_seg.nii.gz")
    assert stored.shape == segmentation.shape
    assert np.array_equal(stored.affine, segmentation.affine)
    assert stored.get_data_dtype() == np.float32
    density = stored.get_fdata()
    assert density.min() >= 0
    assert 0.2 < density.max() <= 1
    brain = nib.load(phantom / "patient" / "case_t1.nii.gz").get_fdata() != 0
    assert not density[~brain].any()
    printed = json.loads(result.stdout)["quality"]
    assert printed["dice_patient_space"] == json.loads((out / "quality.json").read_text())["dice_patient_space"]


def test_without_a_method_the_map_agrees_with_the_scan(phantom, tmp_path):
    """The default needs no database; its density shows the outlines, and the quality tells what was made true."""
    out = tmp_path / "result"

    result = _run(["personalize", phantom / "patient", "--atlas", phantom / "atlas", "--registration", "none"]
                  + ["--out", out, "--json"])  # fmt: skip

    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["method"] == "assimilate"
    assert {path.name for path in out.iterdir()} == {*RESULT_FILES, "unexplained_patient.nii.gz"}
    labels = nib.load(phantom / "patient" / "case_seg.nii.gz").get_fdata()
    assert np.array_equal(nib.load(out / "density_patient.nii.gz").get_fdata() > 0.2, labels > 0)
    assert printed["quality"]["dice_after_correction"]["note"] == "by construction"
    assert printed["quality"]["dice_patient_space"]["combined"] < 2.0
    assert set(printed["quality"]["rankings"]["regions"]) == {"core-margin", "whole-margin", "density", "priority"}


def test_a_result_of_the_default_method_can_be_replaced(phantom, tmp_path):
    """Every file it writes is one that --force knows."""
    command = ["personalize", phantom / "patient", "--atlas", phantom / "atlas", "--registration", "none"]
    first = _run([*command, "--out", tmp_path / "result"])
    again = _run([*command, "--out", tmp_path / "result", "--force"])

    assert (first.exit_code, again.exit_code) == (0, 0), again.output


def test_the_result_says_how_it_was_made(phantom, tmp_path):
    """Provenance holds hashes, versions, settings, seconds of every stage and references."""
    out = tmp_path / "result"
    _personalize(phantom, out)

    provenance = json.loads((out / "provenance.json").read_text())
    parameters = json.loads((out / "parameters.json").read_text())

    assert set(provenance["inputs"]["sha256"]) == {"t1", "t1c", "flair", "segmentation"}
    assert provenance["inputs"]["missing_modalities"] == ["t2", "pet"]
    assert provenance["settings"]["atlas"] == "phantom"
    assert provenance["method"]["num_tumors"] == 24
    assert {"read", "register", "query", "score", "write"} <= set(provenance["seconds"])
    assert any("database query" in reference for reference in provenance["references"])
    assert parameters["parameters"]["proliferation_rate_per_day"] > 0
    assert len(parameters["candidates"]) == 15
    distances = [candidate["distance"] for candidate in parameters["candidates"]]
    assert distances == sorted(distances)


def test_a_tumor_of_the_database_is_found_again(phantom, tmp_path):
    """Masks cut from a simulated tumor give back that tumor: Dice 1 in atlas space, its own index first."""
    from gliofield.database import SimulationDatabase

    database = SimulationDatabase.open(phantom / "database")
    index = int(np.argmax(database.volume_ml[:, 1]))
    density = database.cell_density(index)
    for name, threshold in (("core", 0.6), ("whole", 0.2)):
        write_volume(tmp_path / f"{name}.nii.gz", Volume(density > threshold, database.header.grid))

    result = _run(
        ["search", phantom / "database", "--core", tmp_path / "core.nii.gz", "--whole", tmp_path / "whole.nii.gz"]
        + ["-k", "3", "--json"]
    )

    hits = json.loads(result.stdout)["hits"]
    assert len(hits) == 3
    assert hits[0]["index"] == index
    assert hits[0]["distance"] == 0
    assert hits[0]["dice_t1gd"] == hits[0]["dice_flair"] == 1


@pytest.mark.parametrize("letters", ["LPS", "LAS"])
def test_the_stored_orientation_changes_nothing_in_world_space(phantom, tmp_path, letters):
    """The same patient stored in another orientation gives the same density at every world position."""
    _personalize(phantom, tmp_path / "ras")
    patient = write_phantom_patient(tmp_path / "patient", stored_as=stored_orientation(letters))
    _personalize(phantom, tmp_path / "other", patient=patient)

    reference = read_volume(tmp_path / "ras" / "density_patient.nii.gz")
    other = read_volume(tmp_path / "other" / "density_patient.nii.gz")

    assert nib.aff2axcodes(nib.load(tmp_path / "other" / "density_patient.nii.gz").affine) == tuple(letters)
    assert other.grid.is_same_as(reference.grid)
    assert np.array_equal(other.data, reference.data)


def test_without_a_core_the_match_uses_flair_and_says_so(phantom, tmp_path):
    """Edema alone is matched by the whole-tumor mask; T1Gd Dice is null, not 0."""
    labels = phantom_labels()
    labels.data[labels.data == 3] = 2
    patient = write_phantom_patient(tmp_path / "patient", labels=labels)

    result = _personalize(phantom, tmp_path / "out", "--json", patient=patient)

    quality = json.loads(result.stdout)["quality"]
    assert quality["dice_patient_space"]["t1gd"] is None
    assert quality["dice_patient_space"]["num_modalities"] == 1
    assert any(concern["name"] == "no-core" for concern in quality["concerns"])


def test_a_doubted_result_is_written_and_ends_with_code_3_if_asked(phantom, tmp_path):
    """A mask flipped against the images: --strict says so by the code, the rest is as without it."""
    labels = phantom_labels()
    patient = write_phantom_patient(tmp_path / "patient")
    write_volume(patient / "case_seg.nii.gz", Volume(np.ascontiguousarray(labels.data[::-1, ::-1]), GRID))
    arguments = ["personalize", patient, "--atlas", phantom / "atlas", "--registration", "none"]
    arguments += ["--method", "whole-margin"]

    doubted = _run([*arguments, "--out", tmp_path / "strict", "--strict"])
    planned = _run([*arguments, "--dry-run", "--strict"])
    believed = _run([*arguments, "--out", tmp_path / "usual"])

    assert (doubted.exit_code, planned.exit_code, believed.exit_code) == (3, 3, 0)
    assert doubted.stdout.splitlines()[0].startswith("Verdict: check before use")
    assert "check: FLAIR hardly changes at the outline" in planned.stdout
    written = json.loads((tmp_path / "strict" / "quality.json").read_text())
    assert written["verdict"] == "check"
    assert written["input"]["flair_edge"] < 0.75
    assert written["coverage"]["without_cells_ml"] == 0.0


def test_an_existing_result_is_not_overwritten(phantom, tmp_path):
    """A second run needs --force; without it nothing is touched."""
    out = tmp_path / "result"
    _personalize(phantom, out)
    before = (out / "parameters.json").read_bytes()

    refused = _personalize(phantom, out)
    forced = _personalize(phantom, out, "--force")

    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert forced.exit_code == 0
    assert (out / "parameters.json").read_bytes() == before


def test_a_dry_run_checks_and_writes_nothing(phantom, tmp_path):
    """--dry-run reads the inputs, prints what they are and what would be done with them; it needs no folder."""
    common = ["personalize", phantom / "patient", "--atlas", phantom / "atlas", "--dry-run"]
    other = _run([*common, "--method", "query", "--database", tmp_path / "none", "--json"])

    result = _personalize(phantom, tmp_path / "out", "--dry-run")

    assert result.exit_code == other.exit_code == 0
    assert "would read flair, t1, t1c (labels: brats2023; core 7." in result.stdout
    assert "would use method query: the best match in a database" in result.stdout
    assert f"database {phantom / 'database'}: ready" in result.stdout
    assert "default database: will be built first" in _run([*common, "--method", "query"]).stdout
    assert "database" not in _run(common).stdout
    content = json.loads(other.stdout)
    assert (content["method"], content["needs"][1:]) == ("query", [f"database {tmp_path / 'none'}: not there"])
    assert list(tmp_path.iterdir()) == []


def test_files_complete_and_replace_those_of_the_folder(phantom, tmp_path):
    """A FET-PET beside the folder is read; another segmentation takes the place of the folder's, and masks too."""
    pet, labels = phantom / "patient" / "case_t1.nii.gz", phantom_labels(core_radius_mm=8.0)
    write_volume(tmp_path / "other.nii.gz", labels)
    write_volume(tmp_path / "whole.nii.gz", Volume((labels.data > 0).astype(np.uint8), labels.grid))

    def dry_run(*more):
        result = _personalize(phantom, tmp_path / "out", "--dry-run", "--json", *more)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    usual = dry_run()
    assert dry_run("--pet", pet)["images"] == ["flair", "pet", "t1", "t1c"]
    assert dry_run("--seg", tmp_path / "other.nii.gz")["tumor_core_ml"] < usual["tumor_core_ml"]
    masks = dry_run("--whole", tmp_path / "whole.nii.gz")
    for more, is_noted in ([], True), (["--posterior"], False), (["--posterior", "--pet-model", "paper"], False):
        said = _personalize(phantom, tmp_path / "out", "--dry-run", "--pet", pet, *more).stderr
        assert ("note: method 'query' does not use the PET image" in said) == is_noted
    labelled = _personalize(phantom, tmp_path / "out", "--whole", tmp_path / "whole.nii.gz", "--labels", "brats2021")
    assert labelled.exit_code == 2
    assert "the tumor comes as masks, which have no labels" in labelled.stderr
    assert (masks["label_scheme"], masks["tumor_core_ml"]) == ("masks", 0.0)


def test_a_result_needs_a_folder(phantom):
    """Unless it is not to be written."""
    result = _run(["personalize", phantom / "patient"])

    assert result.exit_code == 2
    assert "give --out RESULT, or --dry-run" in result.stderr


def test_a_place_that_cannot_be_written_is_found_out_before_anything_is_read(phantom, tmp_path):
    """There is not even a patient to read."""
    (tmp_path / "file").touch()

    result = _personalize(phantom, tmp_path / "file" / "result", patient=tmp_path / "no patient")

    assert result.exit_code == 1
    assert "file is not a folder. Choose another place" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--method", "quarry"], 2, "Did you mean 'query'"),
        (["--registration", "fasst"], 2, "Did you mean 'fast'"),
        (["--labels", "brats2020"], 2, "Did you mean 'brats20"),
        (["--t1gd-threshold", "0.1"], 2, "--t1gd-threshold must be at least --flair-threshold"),
        (["--method", "query", "--database", "nowhere"], 1, "nowhere"),
        (["--method", "assimilate", "--database", "nowhere"], 2, "--database belongs to method 'query'"),
        (["--atlas", "sri42"], 2, "Did you mean 'sri24'"),
        (["--t1", "x.nii.gz"], 1, "x.nii.gz: no such file"),
        (["--spacing-mm", "2"], 2, "--spacing-mm belongs to the patient's space"),
        (["--samples", "5"], 2, "--samples belongs to method 'sample': add --method sample, or leave it out."),
        (["--samples=5"], 2, "--samples belongs to method 'sample'"),
        (["--margin-mm", "5"], 2, "belongs to method 'margin' or 'whole-margin': add --method margin or"),
        (["--method", "quary", "--samples", "5"], 2, "Did you mean 'query'"),
        (["--labels", "necrotic=1,edema=3"], 1, "not of the scheme"),
    ],
)
def test_bad_requests_end_with_a_message_and_leave_nothing(phantom, tmp_path, arguments, code, message):
    """Every bad option has an exit code and a message on stderr; no result folder, no traceback."""
    result = _personalize(phantom, tmp_path / "out", *arguments)

    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_database_of_another_atlas_is_refused(phantom, tmp_path):
    """Tumors of one brain do not describe another."""
    other = write_phantom_atlas(tmp_path / "other")
    csf = read_volume(other / "csf.nii.gz")
    write_volume(other / "csf.nii.gz", Volume(csf.data * 0, csf.grid))

    result = _run(
        ["personalize", phantom / "patient", "--atlas", other, "--method", "query"]
        + ["--database", phantom / "database", "--registration", "none", "--out", tmp_path / "out"]
    )

    assert result.exit_code == 1
    assert "was simulated in the atlas" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_behind(phantom, tmp_path, monkeypatch):
    """When a file of the result cannot be written, no part of the folder stays."""
    from gliofield.report import result_folder

    def no_space(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(result_folder, "write_json", no_space)

    result = _personalize(phantom, tmp_path / "out")

    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []


def _tumor_at_the_side(database):
    """Index of the tumor furthest to the left or right whose core exceeds 20 ml."""
    distances_mm = [abs(database.parameters_of(tumor)["seed_x_mm"]) for tumor in range(len(database.volume_ml))]
    return int(np.argmax(np.where(database.volume_ml[:, 1] > 20.0, distances_mm, 0.0)))


def _center_of_mass_mm(volume):
    """Center of mass of a density [mm]."""
    places_mm = volume.grid.world_of(np.moveaxis(np.indices(volume.grid.shape), 0, -1))
    return np.average(places_mm.reshape(-1, 3), axis=0, weights=volume.data.ravel())


def _turned_and_shifted():
    """Motion of a head by −15° about an oblique axis and by 8.8 mm, (4, 4) [mm]."""
    x, y, z = np.array([1.0, 2.0, 6.0]) / np.sqrt(41.0)
    across, angle = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]), np.deg2rad(-15.0)
    motion = np.eye(4)
    motion[:3, :3] += np.sin(angle) * across + (1.0 - np.cos(angle)) * across @ across
    motion[:3, 3] = (6.0, -5.0, 4.0)
    return motion


def test_a_turned_and_shifted_patient_gets_seed_and_density_where_the_tumor_is(phantom, tmp_path):
    """Masks of a tumor of the database in a head that lies otherwise: both are found within a voxel, 4 mm.

    There, what stays in the atlas is 19 mm off, and what is moved the wrong way 37 mm. The tumor is one of the database
    because 24 of them leave gaps: the seed nearest to a tumor of one's own may be 15 mm away, however right its way.
    """
    database = SimulationDatabase.open(phantom / "database")
    tumor = _tumor_at_the_side(database)
    density = resample(Volume(database.cell_density(tumor), database.header.grid), GRID)
    labels = np.where(density.data > 0.6, 3, np.where(density.data > 0.2, 2, 0)).astype(np.uint8)
    patient, motion = write_phantom_patient(tmp_path / "patient", labels=Volume(labels, GRID)), _turned_and_shifted()
    for path in patient.glob("*.nii.gz"):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), motion @ image.affine), path)

    result = _run(
        ["personalize", patient, "--atlas", phantom / "atlas", "--method", "query"]
        + [
            "--database",
            phantom / "database",
            "--registration",
            "affine",
            "--deterministic",
            "--out",
            tmp_path / "out",
            "--json",
        ]
    )

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["quality"]["registration"]["brain_overlap"] > 0.95
    found = read_volume(tmp_path / "out" / "density_patient.nii.gz")
    assert found.grid.is_same_as(read_volume(patient / "case_t1.nii.gz").grid)
    parameters = json.loads((tmp_path / "out" / "parameters.json").read_text())
    assert parameters["candidates"][0]["index"] == tumor
    seed_mm = [database.parameters_of(tumor)[f"seed_{axis}_mm"] for axis in "xyz"]
    for in_atlas_mm, in_patient_mm in (
        (seed_mm, parameters["identifiable"]["seed_patient_mm"]),
        (_center_of_mass_mm(density), _center_of_mass_mm(found)),
    ):
        expected_mm = motion[:3, :3] @ in_atlas_mm + motion[:3, 3]
        assert np.linalg.norm(expected_mm - in_patient_mm) < 4.0


def test_grid_of_the_phantom_is_what_the_tests_assume():
    """4 mm voxels and a brain of realistic size."""
    labels = phantom_labels()

    assert GRID.spacing_mm == (4.0, 4.0, 4.0)
    assert 5 < np.count_nonzero(labels.data == 3) * GRID.voxel_volume_ml < 9


def test_densities_of_the_best_matches_are_written_on_request(phantom, tmp_path):
    """In both spaces, best first; the first is the result itself."""
    out = tmp_path / "result"

    result = _personalize(phantom, out, "--candidate-densities", "2")

    assert result.exit_code == 0, result.output
    names = {path.name for path in (out / "candidates").iterdir()}
    assert names == {"patient_01.nii.gz", "patient_02.nii.gz", "atlas_01.nii.gz", "atlas_02.nii.gz"}
    for space in ("patient", "atlas"):
        best = nib.load(out / f"density_{space}.nii.gz").get_fdata()
        first, second = (nib.load(out / "candidates" / f"{space}_0{rank}.nii.gz").get_fdata() for rank in (1, 2))
        assert np.array_equal(first, best)
        assert not np.array_equal(second, best)
    candidates = json.loads((out / "parameters.json").read_text())["candidates"]
    assert "cell_density" not in candidates[0]


def test_more_densities_than_candidates_are_refused(phantom, tmp_path):
    """With both numbers; nothing is written."""
    result = _personalize(phantom, tmp_path / "out", "--candidate-densities", "4", "-k", "3")

    assert result.exit_code == 2
    assert "--candidate-densities must lie between 0 and --candidates = 3, got 4" in result.stderr
    assert not (tmp_path / "out").exists()


def _masks_of_best_core(phantom, tmp_path):
    database = SimulationDatabase.open(phantom / "database")
    tumor = int(database.volume_ml[:, 1].argmax())
    levels = database.density_levels(tumor)
    for name, level in (("whole", 51), ("core", 153)):
        write_volume(tmp_path / f"{name}.nii.gz", Volume((levels > level).astype(np.uint8), database.header.grid))
    masks = ["--core", tmp_path / "core.nii.gz", "--whole", tmp_path / "whole.nii.gz"]
    return tumor, ["search", phantom / "database", *masks]


def test_search_by_another_metric(phantom, tmp_path):
    """Weighted Jaccard of a tumor with itself: distance 0, and the metric is said."""
    tumor, search = _masks_of_best_core(phantom, tmp_path)

    content = json.loads(_run([*search, "--metric", "jaccard", "--flair-weight", "2", "--json"]).stdout)

    assert (content["metric"], content["flair_weight"], content["t1gd_weight"]) == ("jaccard", 2.0, 1.0)
    assert (content["hits"][0]["index"], content["hits"][0]["distance"]) == (tumor, 0.0)


def test_search_with_free_thresholds(phantom, tmp_path):
    """Every hit says at which densities it was found; a tumor finds itself at the usual ones."""
    tumor, search = _masks_of_best_core(phantom, tmp_path)

    result = _run([*search, "--free-thresholds", "--flair-range", "0.1", "0.3", "--json"])

    hits = json.loads(result.stdout)["hits"]
    assert (hits[0]["index"], hits[0]["distance"]) == (tumor, 0.0)
    assert hits[0]["flair_threshold"] == pytest.approx(0.2)
    assert all(0.1 <= hit["flair_threshold"] <= 0.3 for hit in hits)
    text = _run([*search, "--free-thresholds"]).stdout
    assert "T1Gd above  FLAIR above" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metric", "dyce"], "metric 'dyce' is unknown"),
        (["--metric", "jaccard", "--index", "ds64"], "needs index 'exact'"),
        (["--free-thresholds", "--index", "direct"], "--free-thresholds needs index exact"),
        (["--t1gd-range", "0.5", "0.7"], "need --free-thresholds"),
        (["--free-thresholds", "--t1gd-threshold", "0.7"], "give --t1gd-range"),
        (["--flair-weight", "0"], "--flair-weight must be above 0"),
    ],
)
def test_search_options_that_do_not_go_together(phantom, tmp_path, options, message):
    """Exit code 2, and which option needs which."""
    _, search = _masks_of_best_core(phantom, tmp_path)

    result = _run([*search, *options])

    assert result.exit_code == 2
    assert message in result.stderr


def test_search_says_that_a_damaged_index_was_made_again(phantom, tmp_path, monkeypatch):
    """On stderr; the hits are right all the same."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / "cache"))
    tumor, search = _masks_of_best_core(phantom, tmp_path)
    assert _run(search).stderr == ""
    (file,) = (tmp_path / "cache").rglob("*.index")
    file.write_bytes(file.read_bytes()[:-9])

    result = _run([*search, "--json"])

    assert "note: " in result.stderr
    assert "is made again" in result.stderr
    assert json.loads(result.stdout)["hits"][0]["index"] == tumor
