"""The commands ``gliofield evaluate`` and ``gliofield virtual``: entry points of the group ``gliofield.commands``."""

from gliofield_evaluation.cli.evaluate import app as evaluate_app
from gliofield_evaluation.cli.virtual import app as virtual_app

__all__ = ["evaluate_app", "virtual_app"]
