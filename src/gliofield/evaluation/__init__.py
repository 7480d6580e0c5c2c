"""How good a density or a mask is, measured against a reference."""

from gliofield.evaluation.coverage import CoverageAtEqualVolume, cells_covered_at_equal_volume

__all__ = ["CoverageAtEqualVolume", "cells_covered_at_equal_volume"]
