"""Symptom: of two foci the answer showed one; half of the tumor had density 0, and no concern was raised.

Cause: agreement was one Dice over the whole mask, which cannot see that a part of it is missing.
Guard: every focus that an answer does not show is a concern with its volume and side.
"""

import dataclasses

import numpy as np
from phantom_brain import LESION_CENTER_MM, PHANTOM_GRID, phantom_atlas, phantom_labels, write_phantom_patient

import gliofield
from gliofield.anatomy import SpaceRequest
from gliofield.imaging import Estimate
from gliofield.pipeline import PersonalizationSettings
from gliofield.volume import Volume

OTHER_SIDE_MM = (-30.0, -20.0, 12.0)


@dataclasses.dataclass(frozen=True)
class FirstFocus:
    """A method that grows one focus of two."""

    name: str = "first"
    references: tuple[str, ...] = ()

    def request_space(self, wanted):
        return SpaceRequest(name="patient", on_scan=True)

    def estimate(self, observation, *, report):
        there = observation.grid.world_of(np.moveaxis(np.indices(observation.grid.shape), 0, -1))
        near = np.linalg.norm(there - np.array(LESION_CENTER_MM), axis=-1) < 30.0
        density = np.where(observation.whole_tumor & near, 0.7, 0.0).astype(np.float32)
        return Estimate(cell_density=Volume(density, observation.grid), space=observation.require_space())


def test_the_focus_that_an_answer_does_not_show_is_named(tmp_path):
    """With the side it lies on; the map is not to be used."""
    both = np.maximum(
        phantom_labels().data, phantom_labels(core_radius_mm=10.0, whole_radius_mm=18.0, center_mm=OTHER_SIDE_MM).data
    )
    folder = write_phantom_patient(tmp_path / "patient", labels=Volume(both, PHANTOM_GRID))
    result = gliofield.personalize(
        folder, method=FirstFocus(), atlas=phantom_atlas(), settings=PersonalizationSettings(registration="none")
    )
    missed = next(concern for concern in result.concerns if concern.name == "focus-without-cells")

    assert result.verdict == "do-not-use"
    assert "on the left" in missed.text
    assert [focus.side for focus in result.coverage.foci] == ["right", "left"]
    assert result.agreement_patient.dice_flair > 0.3
