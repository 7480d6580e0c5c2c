"""The command line; one module per command."""

from gliomap.cli.app import app, main

__all__ = ["app", "main"]
