"""How far two images of one head are apart, and how they are laid on each other."""

import numpy as np
import pytest
from dicom_patient import phantom_scan
from scipy import ndimage

from gliofield.errors import DicomError
from gliofield.grid import Grid
from gliofield.radiotherapy.dicom import align, residual_of
from gliofield.radiotherapy.dicom import alignment as alignment_module
from gliofield.radiotherapy.dicom.alignment import motion_of
from gliofield.registration import Transform
from gliofield.volume import Volume

GRID = Grid.axis_aligned((72, 84, 66), 2.0, (-72.0, -84.0, -66.0))


@pytest.fixture(scope="module")
def head():
    """The phantom with a structure that no two places share, 2 mm."""
    speckle = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(GRID.shape), 2.0)
    image = phantom_scan(GRID)
    return Volume((image.data * (1.0 + 3.0 * speckle)).astype(np.float32), GRID)


def moved(image, motion):
    """The image in a world that is moved against its own."""
    return Transform.affine(motion).to_patient(image, image.grid)


def motion(shift_mm, degrees=0.0):
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


@pytest.mark.parametrize("shift_mm", [0.0, 1.0, 3.0, 6.0])
def test_the_residual_is_the_shift(head, shift_mm):
    """To 0.4 mm in the median, whatever the contrast: the other image is the negative."""
    other = moved(Volume(head.data.max() - head.data, head.grid), motion((0, shift_mm, 0)))
    found = residual_of(head, other)

    assert found.median_mm == pytest.approx(shift_mm, abs=0.4)
    assert found.num_blocks > 100
    assert f"{found.median_mm:.1f} mm (median)" in found.in_words()


def test_the_residual_is_told_around_the_lesion(head):
    """A head of which the part around the lesion has moved, and the rest has not."""
    x = GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1))[..., 0]
    shifted = moved(head, motion((0, 4.0, 0)))
    other = Volume(np.where(x > 10, shifted.data, head.data), GRID)
    lesion = Volume(
        np.linalg.norm(GRID.world_of(np.moveaxis(np.indices(GRID.shape), 0, -1)) - (62, 0, 0), axis=-1) < 6, GRID
    )
    near, everywhere = residual_of(head, other, around=lesion), residual_of(head, other)

    assert near.median_mm == pytest.approx(4.0, abs=0.5)
    assert everywhere.median_mm < 2.0
    assert (near.is_near_lesion, everywhere.is_near_lesion) == (True, False)
    assert "around the tumor" in near.in_words()


def test_images_without_like_structure_have_no_residual(head, rng):
    """Noise, a field of view too small; and none that overlap are an error."""
    noise = Volume(rng.standard_normal(GRID.shape).astype(np.float32), GRID)
    assert residual_of(head, noise) is None
    small = Grid.axis_aligned((8, 8, 8), 2.0, (0, 0, 0))
    assert residual_of(Volume(head.data[:8, :8, :8] + 1.0, small), head) is None
    away = Volume(np.zeros(GRID.shape, dtype=np.float32), GRID)
    with pytest.raises(DicomError, match="do not overlap"):
        residual_of(head, away)


def test_a_turned_head_is_found_again(head):
    """Rigid, to a quarter of a millimeter; the residual says how far apart they were, and are."""
    truth = motion((4.0, -3.0, 2.0), 5.0)
    found = align(moved(head, truth), head)
    points = np.argwhere(head.data > head.data.max() / 3)[::400] * 2.0 + GRID.world_of((0, 0, 0))
    error = np.linalg.norm(
        found.transform.atlas_points_of(points) - Transform.affine(truth).atlas_points_of(points), axis=1
    )

    assert found.kind == "rigid"
    assert np.percentile(error, 95) < 0.5
    assert found.residual.p95_mm < 1.0 < found.residual_before.median_mm
    assert motion_of(found.transform)[0] == pytest.approx(5.0, abs=0.2)
    assert found.to_json()["residual"]["num_blocks"] == found.residual.num_blocks


def test_headers_that_were_right_are_kept(head, monkeypatch):
    """A registration that makes it worse is not used."""
    monkeypatch.setattr(alignment_module, "_register", lambda *given: Transform.affine(motion((3, 0, 0))))
    found = align(head, head)

    assert found.kind == "identity"
    assert found.residual.median_mm < 0.2


def test_a_deformation_is_kept_only_where_it_lowers_the_residual(head, monkeypatch):
    """With the lesion left out, which is carried by the rigid part first."""
    seen = []

    def register(fixed, moving, preset, lesion, seed, report):
        seen.append((preset.name, lesion))
        return Transform.identity() if preset.deformable is None else Transform.affine(motion((end, 0, 0)))

    monkeypatch.setattr(alignment_module, "_register", register)
    lesion = Volume(head.data > 300, head.grid)
    for end, kind in ((3.0, "identity"), (0.0, "rigid and deformable")):
        other = moved(head, motion((0.0 if end else 1.5, 0, 0)))
        end = end or -1.5
        found = align(head, other, lesion=lesion, is_deformable=True)
        assert found.kind in (kind, "rigid")
    assert found.kind == "rigid and deformable"
    assert [name for name, _ in seen[-2:]] == ["rigid", "rigid and deformable"]
    assert seen[-2][1] is None
    assert seen[-1][1].data.sum() > 0
