"""Virtual patients with known truth, and what is measured on them."""

from gliomap.experiments.demo import DemoOutcome, run_demo
from gliomap.experiments.virtual_patient import (
    TruthScore,
    VirtualPatient,
    VirtualTumor,
    make_virtual_patient,
    score_against_truth,
    write_virtual_patient,
)

__all__ = [
    "DemoOutcome",
    "TruthScore",
    "VirtualPatient",
    "VirtualTumor",
    "make_virtual_patient",
    "run_demo",
    "score_against_truth",
    "write_virtual_patient",
]
