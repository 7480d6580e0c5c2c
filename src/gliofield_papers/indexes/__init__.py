"""Indexes that approximate the direct query, and plain loops that are its oracles."""

__all__: list[str] = []
