"""Pieces of pictures that several tables share."""

__all__: list[str] = []
