"""Patient-like anatomies, tissues and cubes around seeds."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy
from phantom_brain import phantom_atlas
from small_surrogates import phantom

from gliofield.errors import ParameterError
from gliofield.grid import Grid
from gliofield_papers.surrogate import patient_like_anatomy
from gliofield_papers.surrogate.anatomies import crop_around, paste_around, random_diffeomorphism, tissue_channels

ATLAS = phantom_atlas()
GRID = ATLAS.simulation_grid(spacing_mm=8.0, shape=(22, 25, 20))


def test_an_anatomy_depends_on_seed_and_number_alone():
    """Equal ones are equal, others differ, and all are plausible brains."""
    first, same, other, reseeded = (
        patient_like_anatomy(ATLAS, number, seed=seed, grid=GRID) for number, seed in ((3, 0), (3, 0), (4, 0), (3, 1))
    )
    assert first.content_hash == same.content_hash
    assert len({first.content_hash, other.content_hash, reseeded.content_hash}) == 3
    plain = ATLAS.anatomy(GRID)
    for anatomy in (first, other, reseeded):
        assert anatomy.volume_ml == pytest.approx(plain.volume_ml, rel=0.4)


def test_without_displacement_it_is_the_atlas():
    """Up to rounding of the interpolation."""
    anatomy = patient_like_anatomy(ATLAS, 0, grid=GRID, displacement_mm=0.0, size_deviation=0.0)
    np.testing.assert_allclose(anatomy.white_matter, ATLAS.anatomy(GRID).white_matter, atol=1e-4)


def test_random_maps_do_not_fold(rng):
    """det J > 0 everywhere, also for large displacements; their size is about the one asked for."""
    grid = Grid.axis_aligned((20, 20, 20), 6.0, (0.0, 0.0, 0.0))
    for _ in range(3):
        displacement = random_diffeomorphism(grid, 10.0, 20.0, rng)
        gradients = np.stack([np.stack(np.gradient(component, 6.0)) for component in displacement])
        jacobian = np.linalg.det(np.moveaxis(gradients, (0, 1), (-2, -1)) + np.eye(3))
        assert jacobian.min() > 0.0
        assert displacement.std() == pytest.approx(10.0, rel=0.4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": -1}, "must not be negative"),
        ({"displacement_mm": -1.0}, "displacement_mm"),
        ({"smoothness_mm": 0.0}, "smoothness_mm"),
    ],
)
def test_senseless_numbers_are_refused(changes, message):
    """Each with its message."""
    with pytest.raises(ParameterError, match=message):
        patient_like_anatomy(ATLAS, **{"number": 0, "grid": GRID, **changes})


def test_csf_is_where_no_cells_can_live_in_the_brain():
    """The three channels cover the brain and nothing else."""
    anatomy = phantom()
    channels = tissue_channels(anatomy)

    np.testing.assert_allclose(channels.sum(axis=0), anatomy.tissue_maps.brain, atol=1e-5)
    assert not (channels[2] * anatomy.domain).any()
    assert channels[2].any()


def test_an_anatomy_without_tissue_maps_is_refused():
    """Nobody knows where its CSF is."""
    with pytest.raises(ParameterError, match="no tissue_maps"):
        tissue_channels(mixed_anatomy((12, 14, 13)))


@pytest.mark.parametrize("center", [(5, 5, 5), (0, 5, 8), (8, 0, 0), (-3, 4, 20)])
def test_cubes_at_the_border_are_padded_with_zeros(rng, center):
    """Voxel [S/2]³ is the center; voxels beyond the volume are 0; even a center off the grid has a full cube."""
    volumes = rng.random((2, 9, 9, 9), dtype=np.float32) + 1.0
    cropped = crop_around(volumes, center, 6)

    assert cropped.shape == (2, 6, 6, 6)
    for offset in np.ndindex(6, 6, 6):
        voxel = np.array(center) - 3 + offset
        is_inside = np.all(voxel >= 0) and np.all(voxel < 9)
        expected = volumes[(slice(None), *voxel)] if is_inside else 0.0
        assert np.all(cropped[(slice(None), *offset)] == expected)


@pytest.mark.parametrize("center", [(5, 5, 5), (0, 5, 8)])
def test_pasting_undoes_cropping(rng, center):
    """Within the cube; 0 elsewhere."""
    volume = rng.random((9, 9, 9), dtype=np.float32)
    pasted = paste_around(crop_around(volume, center, 6), center, (9, 9, 9))

    assert np.array_equal(pasted[pasted > 0], volume[pasted > 0])
    assert np.count_nonzero(pasted) == np.count_nonzero(crop_around(volume, center, 6))
