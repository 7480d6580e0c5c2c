import numpy as np
import pytest

from gliofield.anatomy import TissueMaps, normalized_tissue_maps
from gliofield.errors import GridMismatchError, ImageError
from gliofield.grid import Grid
from gliofield.volume import Volume

GRID = Grid.axis_aligned((4, 1, 1), 1.0, (0, 0, 0))


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(4, 1, 1)


def brain_of(*values: int) -> np.ndarray:
    return np.array(values, dtype=bool).reshape(4, 1, 1)


def maps(**changes) -> TissueMaps:
    fields = {
        "white_matter": column(0.0, 0.5, 0.2, 0.0),
        "gray_matter": column(0.0, 0.5, 0.3, 0.0),
        "csf": column(0.0, 0.0, 0.5, 1.0),
        "brain": brain_of(0, 1, 1, 1),
        "grid": GRID,
    }
    return TissueMaps(**(fields | changes))


def normalized(white, gray, csf, brain) -> TissueMaps:
    return normalized_tissue_maps(Volume(white, GRID), Volume(gray, GRID), Volume(csf, GRID), brain)


def test_probabilities_are_divided_by_their_sum_inside_the_brain():
    """0.2 + 0.1 + 0.1 becomes 0.5 + 0.25 + 0.25; outside the brain everything is 0."""
    result = normalized(column(0.2, 1, 0, 0.2), column(0.1, 0, 1, 0.2), column(0.1, 0, 0, 0.2), brain_of(1, 1, 1, 0))

    assert result.white_matter.ravel() == pytest.approx([0.5, 1.0, 0.0, 0.0])
    assert result.gray_matter.ravel() == pytest.approx([0.25, 0.0, 1.0, 0.0])
    assert result.csf.ravel() == pytest.approx([0.25, 0.0, 0.0, 0.0])
    assert result.white_matter.dtype == result.gray_matter.dtype == result.csf.dtype == np.float32


def test_a_brain_voxel_the_maps_do_not_know_counts_as_csf():
    """Below a sum of 0.05 the atlas shows no tissue, so no cells shall grow there; at 0.05 it does."""
    white = column(0.04, 0.05, 0.0, 1.0)
    result = normalized(white, column(0, 0, 0, 0), column(0, 0, 0, 0), brain_of(1, 1, 1, 1))

    assert result.csf.ravel().tolist() == [1.0, 0.0, 1.0, 0.0]
    assert result.white_matter.ravel() == pytest.approx([0.0, 1.0, 0.0, 1.0])


def test_sri24_sums_to_one_in_its_brain(shared_data):
    """The published maps sum below 0.5 in 3.5 % of the brain; normalized they sum to 1 inside and 0 outside."""
    from gliofield.nifti import read_volume

    folder = shared_data / "atlas" / "sri24"
    white, gray, csf = (read_volume(folder / f"p_{name}.nii.gz") for name in ("wm", "gm", "csf"))
    brain = read_volume(folder / "t1_brain.nii.gz").data > 0
    published = (white.data + gray.data + csf.data)[brain]

    result = normalized_tissue_maps(white, gray, csf, brain)

    total = result.white_matter + result.gray_matter + result.csf
    assert np.mean(published < 0.5) == pytest.approx(0.035, abs=0.001)
    assert np.abs(total[brain] - 1).max() < 1e-5
    assert not total[~brain].any()


def test_maps_on_different_grids_are_refused():
    """The message names the map that does not fit."""
    other = Grid.axis_aligned((4, 1, 1), 1.0, (1, 0, 0))
    good = Volume(column(0, 0, 0, 0), GRID)

    with pytest.raises(GridMismatchError, match="white_matter and csf lie on different grids"):
        normalized_tissue_maps(good, good, Volume(good.data, other), brain_of(1, 1, 1, 1))
    with pytest.raises(GridMismatchError, match="white_matter and gray_matter lie on different grids"):
        normalized_tissue_maps(good, Volume(good.data, other), good, brain_of(1, 1, 1, 1))


def test_maps_in_percent_are_refused_with_the_factor():
    """0-100 or 0-255 maps are told what to divide by."""
    with pytest.raises(ImageError, match=r"white_matter must lie in \[0, 1\], got values from 0 to 50.*divided by 100"):
        maps(white_matter=column(0, 50, 20, 0))
    with pytest.raises(ImageError, match=r"csf must lie in \[0, 1\]"):
        maps(csf=column(-0.1, 0, 0, 0))


def test_maps_that_are_not_finite_are_refused():
    """One NaN is enough."""
    with pytest.raises(ImageError, match="gray_matter must be finite"):
        maps(gray_matter=column(np.nan, 0, 0, 0))


def test_maps_must_have_the_grids_shape():
    """A transposed map is found out."""
    with pytest.raises(ImageError, match="white_matter must have the grid's shape"):
        maps(white_matter=column(0, 0, 0, 0).T)


def test_more_than_all_tissue_is_refused():
    """Fractions that sum to 1.5 ask for normalization; rounding above 1 does not."""
    with pytest.raises(ImageError, match=r"must be at most 1, got a maximum of 1\.500"):
        maps(csf=column(0, 0.5, 0.5, 1.0))
    assert maps(csf=column(0, 0.001, 0.5, 1.0)).csf[1, 0, 0] == np.float32(0.001)


@pytest.mark.parametrize("brain", [brain_of(0, 0, 0, 0), brain_of(1, 1, 1, 1).T], ids=["empty", "transposed"])
def test_a_brain_is_needed(brain):
    """An empty mask or one of another shape is refused."""
    with pytest.raises(ImageError, match="brain must be a non-empty mask"):
        maps(brain=brain)


def test_maps_move_to_another_grid_linearly_and_the_brain_by_majority():
    """Half way between voxels: the mean of the fractions; the brain mask needs more than one half."""
    halfway = Grid.axis_aligned((3, 1, 1), 1.0, (0.5, 0, 0))

    moved = maps().resampled(halfway)

    assert moved.grid == halfway
    assert moved.white_matter.ravel() == pytest.approx([0.25, 0.35, 0.1])
    assert moved.csf.ravel() == pytest.approx([0.0, 0.25, 0.75])
    assert moved.brain.ravel().tolist() == [False, True, True]
