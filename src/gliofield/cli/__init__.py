"""The command line; one module per command."""

from gliofield.cli.app import app, main

__all__ = ["app", "main"]
