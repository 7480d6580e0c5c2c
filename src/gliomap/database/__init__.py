"""Simulated tumors in atlas space: drawn, stored, verified."""

from gliomap.database.build import build_database, part_of_database
from gliomap.database.clinical_design import ClinicalDesign
from gliomap.database.cuda_worker import CudaWorker
from gliomap.database.dask_workers import DaskWorkers
from gliomap.database.design import Design, TumorDraw
from gliomap.database.designs import DEFAULT_DESIGN, DESIGNS, named_design
from gliomap.database.local_workers import LocalWorkers
from gliomap.database.merge import merge_databases
from gliomap.database.models import named_model, recorded_model
from gliomap.database.papers_design import PapersDesign
from gliomap.database.quantization import dequantize, level_of_threshold, quantize_density
from gliomap.database.schema import DatabaseHeader
from gliomap.database.store import SimulationDatabase
from gliomap.database.summary import DatabaseSummary, summarize
from gliomap.database.tumor_table import Rejections
from gliomap.database.verify import Problem, VerificationReport, verify_database
from gliomap.database.workforce import Workforce

__all__ = [
    "DEFAULT_DESIGN",
    "DESIGNS",
    "ClinicalDesign",
    "CudaWorker",
    "DaskWorkers",
    "DatabaseHeader",
    "DatabaseSummary",
    "Design",
    "LocalWorkers",
    "PapersDesign",
    "Problem",
    "Rejections",
    "SimulationDatabase",
    "TumorDraw",
    "VerificationReport",
    "Workforce",
    "build_database",
    "dequantize",
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
