"""Simulated tumors in atlas space: drawn, stored, verified."""

from gliomap.database.build import build_database
from gliomap.database.clinical_design import ClinicalDesign
from gliomap.database.design import Design, TumorDraw
from gliomap.database.designs import DEFAULT_DESIGN, DESIGNS, named_design
from gliomap.database.papers_design import PapersDesign
from gliomap.database.quantization import dequantize, level_of_threshold, quantize_density
from gliomap.database.schema import DatabaseHeader
from gliomap.database.store import SimulationDatabase
from gliomap.database.summary import DatabaseSummary, summarize
from gliomap.database.verify import Problem, VerificationReport, verify_database

__all__ = [
    "DEFAULT_DESIGN",
    "DESIGNS",
    "ClinicalDesign",
    "DatabaseHeader",
    "DatabaseSummary",
    "Design",
    "PapersDesign",
    "Problem",
    "SimulationDatabase",
    "TumorDraw",
    "VerificationReport",
    "build_database",
    "dequantize",
    "level_of_threshold",
    "named_design",
    "quantize_density",
    "summarize",
    "verify_database",
]
