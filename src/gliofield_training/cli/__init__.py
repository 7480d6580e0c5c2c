"""The command ``gliofield train``: an entry point of the group ``gliofield.commands``."""

from gliofield_training.cli.app import app

__all__ = ["app"]
