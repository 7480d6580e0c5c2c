"""The commands below ``gliofield papers``; one module per command."""

from gliofield_papers.cli.app import app

__all__ = ["app"]
