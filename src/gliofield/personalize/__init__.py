"""From a patient's scan to a tumor-cell map."""

from gliofield.personalize.case import Case, CaseFiles, find_case_files, read_case
from gliofield.personalize.default_database import default_database_path, open_or_build_database
from gliofield.personalize.density_posterior import DensityPosterior
from gliofield.personalize.infer_method import InferMethod, regrow_in_patient
from gliofield.personalize.method import AtlasEstimate, AtlasObservation, Candidate, InverseMethod
from gliofield.personalize.patient_sampling import PatientSampling, sample_in_patient
from gliofield.personalize.pipeline import PersonalizationSettings, mask_agreement, observe_in_atlas, personalize
from gliofield.personalize.query_method import QueryMethod
from gliofield.personalize.query_posterior import QueryWithPosterior
from gliofield.personalize.result import MaskAgreement, PersonalizationResult
from gliofield.personalize.sample_method import SampleMethod, SampleSettings

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
