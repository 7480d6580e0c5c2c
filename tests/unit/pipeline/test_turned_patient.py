"""A head that lies turned to the atlas: masks, seeds and densities go the right way in `personalize`."""

from dataclasses import dataclass

import numpy as np
import pytest
from phantom_brain import LESION_CENTER_MM, phantom_atlas, write_phantom_patient

from gliofield.anatomy import SpaceRequest
from gliofield.imaging import Estimate
from gliofield.pipeline import PersonalizationSettings, find_case_files, personalize, read_case
from gliofield.registration import REGISTRATION_BACKENDS, Alignment, Transform
from gliofield.volume import Volume

ATLAS = phantom_atlas()
# A quarter turn to the left and a shift: (x, y, z) is seen at (−y + 5, x − 15, z + 9) mm.
TURNED = np.array([[0.0, -1.0, 0.0, 5.0], [1.0, 0.0, 0.0, -15.0], [0.0, 0.0, 1.0, 9.0], [0.0, 0.0, 0.0, 1.0]])
#: The center of the phantom's lesion, (28, 10, 12) mm in the patient, in the atlas.
IN_ATLAS_MM = (-5.0, 13.0, 21.0)


class KnownWay:
    """A registration that knows the answer."""

    name = "ants"

    def align(self, pair, preset, **settings):
        return Alignment(transform=Transform.affine(TURNED), seconds={}, versions={})


@dataclass(frozen=True)
class CenterOfWhatIsSeen:
    """A method that seeds its tumor in the middle of the mask, in the space it is told."""

    space: str
    name: str = "center"
    references: tuple[str, ...] = ()

    def request_space(self, wanted):
        if self.space == "patient":
            return SpaceRequest(name="patient", spacing_mm=4.0)
        return SpaceRequest(grid=ATLAS.simulation_grid(spacing_mm=4.0))

    def estimate(self, observation, *, report):
        density = Volume(observation.whole_tumor.astype(np.float32), observation.grid)
        seed = dict(zip(("seed_x_mm", "seed_y_mm", "seed_z_mm"), _center_mm(density), strict=True))
        return Estimate(cell_density=density, space=observation.require_space(), parameters=seed)


def _center_mm(density):
    """Center of mass [mm]."""
    places_mm = density.grid.world_of(np.moveaxis(np.indices(density.grid.shape), 0, -1))
    return np.average(places_mm.reshape(-1, 3), axis=0, weights=density.data.ravel())


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The phantom with a sphere around (28, 10, 12) mm."""
    return read_case(find_case_files(write_phantom_patient(tmp_path_factory.mktemp("turned") / "patient")))


@pytest.mark.parametrize("space", ["atlas", "patient"])
def test_seed_and_density_lie_where_the_tumor_is_in_both_worlds(case, space, monkeypatch):
    """In the patient at (28, 10, 12) mm, in the atlas at (−5, 13, 21) mm, wherever the method worked.

    Moved the wrong way they would be 50 mm off, for a turn is not its own inverse.
    """
    monkeypatch.setitem(REGISTRATION_BACKENDS, "ants", KnownWay())

    result = personalize(
        case,
        atlas=ATLAS,
        method=CenterOfWhatIsSeen(space),
        settings=PersonalizationSettings(registration="affine"),
    )

    assert result.settings["space"] == space
    for found, expected in (
        (result.seed_patient_mm, LESION_CENTER_MM),
        (_center_mm(result.density_patient), LESION_CENTER_MM),
        (result.seed_atlas_mm, IN_ATLAS_MM),
        (_center_mm(result.density_atlas), IN_ATLAS_MM),
    ):
        # Half a voxel of 4 mm: the sphere is cut by the voxels of one grid and resampled onto another.
        assert np.linalg.norm(np.subtract(found, expected)) < 2.0
