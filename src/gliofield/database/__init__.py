"""Simulated tumors in atlas space: drawn, stored, verified."""

from gliofield.database.build import build_database, part_of_database
from gliofield.database.clinical_design import ClinicalDesign
from gliofield.database.dask_workers import DaskWorkers
from gliofield.database.design import Design, TumorDraw
from gliofield.database.designs import DEFAULT_DESIGN, design_names, named_design
from gliofield.database.local_workers import LocalWorkers
from gliofield.database.merge import merge_databases
from gliofield.database.models import named_model, recorded_model
from gliofield.database.quantization import dequantize, level_of_threshold, quantize_density
from gliofield.database.schema import DatabaseHeader
from gliofield.database.store import SimulationDatabase
from gliofield.database.summary import DatabaseSummary, summarize
from gliofield.database.tumor_table import Rejections
from gliofield.database.verify import Problem, VerificationReport, verify_database
from gliofield.database.workforce import Workforce

__all__ = [
    "DEFAULT_DESIGN",
    "ClinicalDesign",
    "DaskWorkers",
    "DatabaseHeader",
    "DatabaseSummary",
    "Design",
    "LocalWorkers",
    "Problem",
    "Rejections",
    "SimulationDatabase",
    "TumorDraw",
    "VerificationReport",
    "Workforce",
    "build_database",
    "dequantize",
    "design_names",
    "level_of_threshold",
    "merge_databases",
    "named_design",
    "named_model",
    "part_of_database",
    "quantize_density",
    "recorded_model",
    "summarize",
    "verify_database",
]
