"""From cell density to what a scanner shows; the one observation model all inverse methods share."""

from gliomap.imaging.visibility import VisibilityThresholds

__all__ = ["VisibilityThresholds"]
