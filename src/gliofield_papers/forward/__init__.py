"""The learned growth model beside the solver."""

__all__: list[str] = []
