"""Masks to ask about: of patients, of held-out tumors, of files."""

__all__: list[str] = []
