"""Registrations are made once, and what was kept is what is used."""

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.grid import Grid
from gliofield.pipeline import PersonalizationSettings, find_case_files, read_case
from gliofield.registration import RegistrationResult, Transform, registration_preset
from gliofield_evaluation.scoring import registrations
from gliofield_evaluation.scoring.registrations import Registrations

ATLAS = phantom_atlas()
SETTINGS = PersonalizationSettings(registration="affine")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return read_case(find_case_files(write_phantom_patient(tmp_path_factory.mktemp("patient") / "one")))


@pytest.fixture
def made(monkeypatch):
    """Registrations that were made, each another one."""
    found = []

    def register(case, atlas, settings):
        affine = np.eye(4)
        affine[0, 3] = 0.1 + len(found)
        grid = Grid.axis_aligned((9, 9, 9), 25.0, (-100.0, -100.0, -100.0))
        field = np.random.default_rng(len(found)).normal(scale=0.3, size=(*grid.shape, 3)).astype(np.float32)
        transform = Transform.from_displacement(field, grid, atlas_from_patient=affine)
        found.append(
            RegistrationResult(
                transform=transform,
                preset=registration_preset(settings.registration),
                backend="ants",
                seed=settings.seed,
                deterministic=settings.deterministic,
                num_threads=1,
                seconds={"total": 1.0},
                versions={"ants": "1"},
            )
        )
        return found[-1]

    monkeypatch.setattr(registrations, "register_case", register)
    return found


def test_a_registration_is_made_once_and_read_whole(case, tmp_path, made):
    """Bit by bit the same transform, and all that is known of it."""
    kept = Registrations(folder=tmp_path, settings=SETTINGS)
    first, second = kept.of("one", case, ATLAS), kept.of("one", case, ATLAS)

    assert len(made) == 1
    for found in (first, second):
        np.testing.assert_array_equal(found.transform.atlas_from_patient, made[0].transform.atlas_from_patient)
        np.testing.assert_array_equal(found.transform.displacement_mm, made[0].transform.displacement_mm)
        assert found.settings == made[0].settings
        assert (found.seconds, found.versions) == (made[0].seconds, made[0].versions)


def test_another_recipe_or_name_is_another_registration(case, tmp_path, made):
    """By preset, seed and name."""
    for settings in (SETTINGS, PersonalizationSettings(registration="fast"), PersonalizationSettings(seed=1)):
        Registrations(folder=tmp_path, settings=settings).of("one", case, ATLAS)
    Registrations(folder=tmp_path, settings=SETTINGS).of("two", case, ATLAS)

    assert len(made) == 4


@pytest.mark.parametrize("name", ["registration.json", "transform/atlas_from_patient.mat", "transform/transform.json"])
def test_a_damaged_one_is_made_again(case, tmp_path, made, name):
    """Whichever of its files was cut short."""
    kept = Registrations(folder=tmp_path, settings=SETTINGS)
    kept.of("one", case, ATLAS)
    (place,) = tmp_path.iterdir()
    (place / name).write_bytes(b"{")
    found = kept.of("one", case, ATLAS)

    assert len(made) == 2
    np.testing.assert_array_equal(found.transform.atlas_from_patient, made[1].transform.atlas_from_patient)
