"""Inverse networks on test tumors and beside the direct query."""

__all__: list[str] = []
