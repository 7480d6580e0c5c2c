"""``gliofield train``: networks trained on simulated tumors."""

from __future__ import annotations

from gliofield.cli.commands import add_command, add_moved, make_group
from gliofield_training.cli.train_inverse import PRESETS, train_inverse
from gliofield_training.cli.training_options import options_for

app = make_group("train", "Train networks on simulated tumors (needs PyTorch, extra 'learn').")

add_command(
    app,
    "inverse",
    train_inverse,
    examples=[
        "gliofield train inverse --database DB --out inverse.safetensors --small",
        "gliofield train inverse --on-the-fly --design papers --out inverse.safetensors --device cuda",
    ],
    runs_long=True,
    resumes=True,
    options={"training": options_for(PRESETS)},
)
for _name in ("ae", "vae", "hash", "surrogate"):
    add_moved(app, _name, old=f"gliofield train {_name}", new=f"gliofield papers train {_name}")
