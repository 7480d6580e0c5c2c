"""From a patient's scan to a tumor-cell map."""

from gliomap.personalize.case import Case, CaseFiles, find_case_files, read_case
from gliomap.personalize.default_database import default_database_path, open_or_build_database
from gliomap.personalize.density_posterior import DensityPosterior
from gliomap.personalize.infer_method import InferMethod, regrow_in_patient
from gliomap.personalize.method import AtlasEstimate, AtlasObservation, Candidate, InverseMethod
from gliomap.personalize.patient_sampling import PatientSampling, sample_in_patient
from gliomap.personalize.pipeline import PersonalizationSettings, mask_agreement, observe_in_atlas, personalize
from gliomap.personalize.query_method import QueryMethod
from gliomap.personalize.query_posterior import QueryWithPosterior
from gliomap.personalize.result import MaskAgreement, PersonalizationResult
from gliomap.personalize.sample_method import SampleMethod, SampleSettings

__all__ = [
    "AtlasEstimate",
    "AtlasObservation",
    "Candidate",
    "Case",
    "CaseFiles",
    "DensityPosterior",
    "InferMethod",
    "InverseMethod",
    "MaskAgreement",
    "PatientSampling",
    "PersonalizationResult",
    "PersonalizationSettings",
    "QueryMethod",
    "QueryWithPosterior",
    "SampleMethod",
    "SampleSettings",
    "default_database_path",
    "find_case_files",
    "mask_agreement",
    "observe_in_atlas",
    "open_or_build_database",
    "personalize",
    "read_case",
    "regrow_in_patient",
    "sample_in_patient",
]
