"""Implementations of `gliofield.growth.stepper.Stepper`, imported one by one: Numba only where it is used."""

__all__: list[str] = []
