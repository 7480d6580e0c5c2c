"""Whether posteriors mean what they say, and what the ways to sample cost."""

__all__: list[str] = []
