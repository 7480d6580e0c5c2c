"""A database whose too large tumors were given up early is that of complete runs, byte for byte.

Only why a draw was rejected is told differently: the filter does what stops and screening would have done.
"""

import dataclasses

import numpy as np
import pytest
from growing_ball import folder_content
from growth_phantoms import mixed_anatomy
from one_brain_atlas import atlas_of

from gliofield.database import ClinicalDesign, build_database
from gliofield.growth import FisherKolmogorov
from gliofield_papers.queries.papers_design import PapersDesign


class PatientPapersDesign(PapersDesign):
    """Every draw is simulated to its end."""

    def draw(self, rng, anatomy):
        return dataclasses.replace(super().draw(rng, anatomy), volume_limit=None, screening=None)


class PatientClinicalDesign(ClinicalDesign):
    """Every draw is simulated to its end."""

    def draw(self, rng, anatomy):
        return dataclasses.replace(super().draw(rng, anatomy), volume_limit=None, screening=None)


# With the published times of up to 1500 days nearly all of a hundred draws fill this brain.
PAPERS = {"filter_volume_ml": (2.0, 80.0), "seed_box_fractions": ((0.1, 0.9),) * 3, "growth_time_days": (50.0, 800.0)}
CLINICAL = {"reach_mm": (9.0, 20.0, 30.0), "core_volume_ml": (0.5, 20.0), "whole_volume_ml": (1.0, 40.0)}


@pytest.mark.parametrize("snapshots_per_run", [1, 2])
@pytest.mark.parametrize(
    ("hasty", "patient", "settings", "spacing_mm"),
    [
        (PapersDesign, PatientPapersDesign, PAPERS, 2.5),
        (PapersDesign, PatientPapersDesign, PAPERS, 4.0),
        (ClinicalDesign, PatientClinicalDesign, CLINICAL, 3.0),
    ],
)
def test_early_ends_change_no_tumor(tmp_path, hasty, patient, settings, spacing_mm, snapshots_per_run):
    """Stops at the volume limit and screening reject what the filter would have rejected, and nothing else."""
    anatomy, databases = mixed_anatomy((24, 26, 22), spacing_mm), []
    for design in (hasty, patient):
        databases.append(
            build_database(
                tmp_path / design.__name__,
                num_tumors=6,
                design=design(**settings, snapshots_per_run=snapshots_per_run),
                atlas=atlas_of(anatomy),
                model=FisherKolmogorov(),
            )
        )

    assert np.any(databases[0].table.attempt > 0), "some draws should have been rejected"
    contents = []
    for design, database in zip((hasty, patient), databases, strict=True):
        # The manifest lists every file, the reasons among them.
        content = folder_content(tmp_path / design.__name__)
        contents.append({name: data for name, data in content.items() if name not in _TELL_REASONS})
        np.testing.assert_array_equal(database.table.rejections.sum(axis=1), database.table.attempt)
    assert contents[0] == contents[1]
    assert not np.any(databases[1].table.rejections[:, [0, 1, 3]])
    num_screened_out = int(databases[0].table.rejections[:, 0].sum())
    if spacing_mm == 4.0 or hasty is ClinicalDesign:  # coarse voxels are larger than the seed; no screening at all
        assert num_screened_out == 0
    elif snapshots_per_run == 1:
        assert num_screened_out > 0


_TELL_REASONS = ("manifest.json", "rejections/c/0/0")
