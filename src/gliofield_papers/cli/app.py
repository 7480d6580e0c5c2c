"""The group ``gliofield papers``: an entry point of the group ``gliofield.commands``.

Importing this loads no numerical library: every command imports what it needs when it runs.
"""

from __future__ import annotations

from gliofield.cli.commands import add_command, make_group
from gliofield_papers.cli import train
from gliofield_papers.cli.bayes import evaluate_bayes
from gliofield_papers.cli.databases import evaluate_coverage, evaluate_matching
from gliofield_papers.cli.inverse import evaluate_inverse
from gliofield_papers.cli.retrieval import evaluate_retrieval
from gliofield_papers.cli.solver import evaluate_solver
from gliofield_papers.cli.surrogate import evaluate_surrogate

app = make_group("papers", "Reproduce the papers: their tables and figures, and the networks that only they need.")

add_command(
    app,
    "solver",
    evaluate_solver,
    examples=["gliofield papers solver --quick", "gliofield papers solver --threads 8 --out solver.md"],
    runs_long=True,
)
add_command(
    app,
    "retrieval",
    evaluate_retrieval,
    examples=[
        "gliofield papers retrieval DB --out tables --quick",
        "gliofield papers retrieval DB --patients PATIENTS --synthetic 0 --out tables",
    ],
    runs_long=True,
    reads_images=True,
)
add_command(
    app,
    "inverse",
    evaluate_inverse,
    examples=["gliofield papers inverse DB --checkpoint inverse.safetensors --quick --out inverse.md"],
    runs_long=True,
    reads_images=True,
)
add_command(
    app,
    "surrogate",
    evaluate_surrogate,
    examples=["gliofield papers surrogate --checkpoint surrogate.safetensors --quick --figures figures"],
    runs_long=True,
)
add_command(
    app,
    "bayes",
    evaluate_bayes,
    examples=[
        "gliofield papers bayes --out bayes --small",
        "gliofield papers bayes --out bayes --patients PATIENTS --threads 16",
    ],
    runs_long=True,
    reads_images=True,
    resumes=True,
)
add_command(
    app,
    "matching",
    evaluate_matching,
    examples=["gliofield papers matching DB --queries queries.npz --out matching"],
    runs_long=True,
)
add_command(
    app,
    "coverage",
    evaluate_coverage,
    examples=["gliofield papers coverage DB --patients PATIENTS --figure coverage.png"],
)
app.add_typer(train.app)
