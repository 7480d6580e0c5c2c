"""``gliofield evaluate``: what gliofield achieves, measured on this machine."""

from __future__ import annotations

from gliofield.cli.commands import add_command, add_moved, make_group
from gliofield_evaluation.cli.evaluate_scores import evaluate_masked_third, evaluate_virtual

app = make_group("evaluate", "Measure how good maps are. The papers' tables: gliofield papers.")

add_command(
    app,
    "virtual",
    evaluate_virtual,
    examples=[
        "gliofield evaluate virtual COHORT --out scores --quick",
        "gliofield evaluate virtual COHORT --out scores --methods assimilate,query,distance",
    ],
    runs_long=True,
    resumes=True,
)
add_command(
    app,
    "masked-third",
    evaluate_masked_third,
    examples=[
        "gliofield evaluate masked-third PATIENTS --out thirds",
        'gliofield evaluate masked-third PATIENT --out thirds --ranking "growth, isotropic" --sectors 3',
    ],
    runs_long=True,
    resumes=True,
    reads_images=True,
)
for _name in ("solver", "retrieval", "inverse", "surrogate", "bayes"):
    add_moved(app, _name, old=f"gliofield evaluate {_name}", new=f"gliofield papers {_name}")
