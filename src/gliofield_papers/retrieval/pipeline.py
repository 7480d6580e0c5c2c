"""The whole way of a real patient around the query: registration before, the density's way back after.

The steps are those of `personalize`; only the query in between differs from strategy to strategy, so what is around it
is measured once per patient.
"""

from __future__ import annotations

from dataclasses import dataclass

from gliofield.database import SimulationDatabase
from gliofield.pipeline import Case, read_case
from gliofield.pipeline.run import density_in_patient
from gliofield.progress import Reporter, StageClock, ignore_progress
from gliofield.volume import Volume
from gliofield_papers.queries.retrieval_queries import RegisteredPatient


@dataclass(frozen=True, kw_only=True)
class PatientPipeline:
    """Wall time of a patient's steps [s].

    Parameters
    ----------
    name : str
        The patient.
    registration_s, masks_s, density_s : float
        Registration, masks to the atlas, and density of the exact best match back to the patient; scoring and writing
        are left out.
    """

    name: str
    registration_s: float
    masks_s: float
    density_s: float

    @property
    def seconds_without_query(self) -> float:
        """All three."""
        return self.registration_s + self.masks_s + self.density_s


def measure_way_back(
    database: SimulationDatabase, patient: RegisteredPatient, tumor: int, *, report: Reporter = ignore_progress
) -> PatientPipeline:
    """Bring a tumor's density to a patient and time it; errors as `personalize.read_case`."""
    case = read_case(patient.files)
    clock = StageClock(report)
    with clock.stage("move density to the patient"):
        density_of(database, tumor, patient, case)
    return PatientPipeline(
        name=patient.name,
        registration_s=patient.seconds["register"],
        masks_s=patient.seconds["move masks to the atlas"],
        density_s=clock.seconds["move density to the patient"],
    )


def density_of(database: SimulationDatabase, tumor: int, patient: RegisteredPatient, case: Case) -> Volume:
    """Density of a tumor of the database on a patient's grid."""
    stored = Volume(database.cell_density(tumor), database.header.grid)
    return density_in_patient(patient.registration.transform.to_patient(stored, case.grid), case)
