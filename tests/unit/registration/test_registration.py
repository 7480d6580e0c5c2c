"""register: what it refuses, what it records, and what it hands to the back end (ANTs itself is tested elsewhere)."""

import json

import numpy as np
import pytest
from deformed_phantom import AFFINE_PRESET, deformed_patient, layered_tissue_maps
from phantom_brain import GRID, phantom_t1

from gliofield.cores import available_cores
from gliofield.errors import GridMismatchError, ParameterError, RegistrationError
from gliofield.grid import Grid
from gliofield.registration import Alignment, Transform, register, require_plausible_affine
from gliofield.volume import Volume


class RecordingBackend:
    """Back end that returns a given affine and keeps what it was asked."""

    name = "recording"

    def __init__(self, atlas_from_patient=None):
        self.atlas_from_patient = np.eye(4) if atlas_from_patient is None else atlas_from_patient
        self.calls = []

    def align(self, pair, preset, *, seed, deterministic, num_threads, report):
        """Return the given affine."""
        self.calls.append((pair, preset, seed, deterministic, num_threads))
        return Alignment(
            transform=Transform.affine(self.atlas_from_patient), seconds={"affine": 1.0}, versions={"recording": "1"}
        )


def _register(**changes):
    image, brain, lesion = deformed_patient()
    inputs = {
        "patient_image": image,
        "atlas_image": phantom_t1(layered_tissue_maps()),
        "patient_brain": brain,
        "lesion": lesion,
        "preset": AFFINE_PRESET,
        "backend": RecordingBackend(),
    }
    return register(**(inputs | changes))


def test_the_preset_none_is_the_identity_without_a_back_end():
    """A patient in atlas space: no program runs, and the result is reproducible by nature."""
    backend = RecordingBackend()

    result = _register(preset="none", backend=backend)

    assert not backend.calls
    assert np.array_equal(result.transform.atlas_from_patient, np.eye(4))
    assert result.backend == "none"
    assert result.deterministic


def test_the_back_end_gets_prepared_images_and_the_settings():
    """Seed, thread count and preset arrive; the lesion is out of the metric region."""
    backend = RecordingBackend()

    result = _register(backend=backend, seed=7, num_threads=3)

    (pair, preset, seed, deterministic, num_threads) = backend.calls[0]
    assert (preset, seed, deterministic, num_threads) == (AFFINE_PRESET, 7, False, 3)
    assert np.count_nonzero(~pair.metric_region.data) > 0
    assert result.seconds["affine"] == 1.0
    assert result.seconds["total"] >= result.seconds["prepare"]
    assert result.versions == {"recording": "1"}


def test_settings_are_ready_for_json():
    """Everything that determined the transform can be stored and read back."""
    settings = _register(seed=5, num_threads=1).settings

    assert json.loads(json.dumps(settings))["preset"]["affine"]["levels"]["iterations"] == [40, 20]
    assert (settings["seed"], settings["backend"]) == (5, "recording")


def test_all_cores_are_used_unless_told_and_one_when_deterministic():
    """The default is what the process may use; determinism needs a single thread."""
    assert _register().num_threads == available_cores()
    assert _register(deterministic=True, num_threads=8).num_threads == 1


def test_a_brain_mask_of_the_atlas_can_be_given():
    """Without one, the atlas brain is where its image is not 0; with one, only that part is used."""
    maps = layered_tissue_maps()
    half = Volume(maps.brain & (np.indices(GRID.shape)[0] < 22), GRID)
    backend = RecordingBackend()

    _register(backend=backend)
    _register(backend=backend, atlas_brain=half)

    whole_pair, half_pair = backend.calls[0][0], backend.calls[1][0]
    assert np.count_nonzero(half_pair.atlas.data) < 0.6 * np.count_nonzero(whole_pair.atlas.data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "fsat"}, "Did you mean 'fast'"),
        ({"backend": "antz"}, "Did you mean 'ants'"),
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"num_threads": 0}, "num_threads must be at least 1"),
    ],
)
def test_unknown_names_and_wrong_numbers_are_refused(changes, message):
    """Typos get the closest name, numbers their range."""
    with pytest.raises(ParameterError, match=message):
        _register(**changes)


def test_a_lesion_on_another_grid_is_refused():
    """Both grids are named."""
    elsewhere = Volume(np.ones((5, 5, 5), dtype=bool), Grid.axis_aligned((5, 5, 5), 4.0, (0, 0, 0)))
    with pytest.raises(GridMismatchError, match="lesion and patient_image lie on different grids"):
        _register(lesion=elsewhere)


def test_affines_no_brain_could_have_are_refused():
    """A volume ratio beyond 2, or a stretch beyond 1.7 at constant volume, ends the registration with advice."""
    with pytest.raises(RegistrationError, match="scales the brain's volume by 3.38: expected 0.5 to 2.*Check that"):
        _register(backend=RecordingBackend(np.diag([1.5, 1.5, 1.5, 1.0])))
    with pytest.raises(RegistrationError, match="stretches or squeezes a direction by 2"):
        _register(backend=RecordingBackend(np.diag([2.0, 1.0, 0.5, 1.0])))
    require_plausible_affine(np.diag([1.15, 1.1, 0.95, 1.0]))
