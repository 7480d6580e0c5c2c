"""Error against cost of the growth models."""

__all__: list[str] = []
