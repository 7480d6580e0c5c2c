import gc
import weakref

import numpy as np
import pytest
from growth_phantoms import anatomy_of, mixed_anatomy, uniform_anatomy

from gliofield.growth.diffusivity import face_coefficients


def test_a_face_carries_the_harmonic_mean_of_its_voxels():
    """White (1) and gray matter (1/10): 2 · 1 · 0.1 / 1.1."""
    anatomy = anatomy_of(np.array([1.0, 0.0, 0.5]).reshape(3, 1, 1), np.ones((3, 1, 1), bool))

    faces = face_coefficients(anatomy, 10.0)

    assert faces.x[:, 1, 1] == pytest.approx([0, 0, 2 * 0.1 / 1.1, 2 * 0.1 * 0.55 / 0.65, 0])
    assert not faces.y.any()
    assert not faces.z.any()


def test_faces_to_voxels_outside_the_domain_are_closed():
    """No cells pass into CSF: only the face between the two tissue voxels is open."""
    domain = np.array([True, True, False, True]).reshape(1, 1, 4)

    faces = face_coefficients(anatomy_of(np.ones(domain.shape), domain), 10.0)

    assert faces.z[1, 1] == pytest.approx([0, 0, 1, 0, 0, 0])


def test_the_largest_face_sum_is_six_inside_white_matter():
    """It bounds the stiffness of the diffusion operator."""
    assert face_coefficients(uniform_anatomy((5, 5, 5)), 10.0).max_face_sum == pytest.approx(6.0)
    assert face_coefficients(uniform_anatomy((5, 5, 1)), 10.0).max_face_sum == pytest.approx(4.0)


def test_the_box_is_that_of_the_domain_and_volumes_return_to_their_place():
    """Padding and its inverse leave a volume inside the domain unchanged."""
    anatomy = mixed_anatomy()
    faces = face_coefficients(anatomy, 10.0)
    target = np.zeros(anatomy.grid.shape, np.float32)

    faces.unpadded_into(target, faces.padded(anatomy.white_matter))

    np.testing.assert_array_equal(target, anatomy.white_matter)
    assert faces.row_stop.max() <= faces.x.shape[2] - 1


def test_coefficients_are_kept_per_anatomy_and_ratio():
    """Thousands of tumors in one brain compute them once; another ratio or anatomy gets its own."""
    anatomy = mixed_anatomy()
    first = face_coefficients(anatomy, 10.0)

    assert face_coefficients(anatomy, 10.0) is first
    assert face_coefficients(anatomy, 5.0) is not first
    assert face_coefficients(mixed_anatomy(), 10.0) is not first


def test_only_the_last_used_ratios_are_kept():
    """A study over many ratios does not fill the memory."""
    anatomy = mixed_anatomy((8, 8, 8))
    first = face_coefficients(anatomy, 10.0)
    for ratio in (2.0, 3.0, 4.0, 5.0):
        face_coefficients(anatomy, ratio)

    assert face_coefficients(anatomy, 10.0) is not first


def test_coefficients_do_not_outlive_their_anatomy():
    """The store holds the anatomy weakly."""
    anatomy = mixed_anatomy((8, 8, 8))
    kept = weakref.ref(face_coefficients(anatomy, 10.0))
    assert kept() is not None

    del anatomy
    gc.collect()

    assert kept() is None
