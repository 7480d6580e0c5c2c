"""An inverse method that breaks a law is found, and told which; one that keeps them all passes."""

import dataclasses
import itertools

import numpy as np
import pytest

from gliofield.anatomy import SpaceRequest
from gliofield.errors import SegmentationError
from gliofield.grid import Grid
from gliofield.imaging import Candidate, Estimate
from gliofield.testing import PHANTOM_GRID, BrokenLawError, check_inverse_method, phantom_observation
from gliofield.volume import Volume


class Method:
    """Cells where the whole tumor is, until a subclass breaks something."""

    name = "broken"
    references = ("nobody (1900)",)

    def request_space(self, wanted):
        return SpaceRequest(grid=PHANTOM_GRID)

    def estimate(self, observation, *, report):
        density = 0.5 * observation.whole_tumor.astype(np.float32)
        answer = Estimate(cell_density=Volume(density, observation.grid), space=observation.space)
        return self.broken(answer)

    def broken(self, estimate):
        return estimate


def with_answer(**changes):
    """A method whose estimate has other fields."""

    class Changed(Method):
        def broken(self, estimate):
            return dataclasses.replace(estimate, **changes)

    return Changed()


def with_density(change):
    """A method whose density is changed."""

    class Changed(Method):
        def broken(self, estimate):
            values = change(estimate.cell_density.data)
            return dataclasses.replace(estimate, cell_density=Volume(values.astype(np.float32), PHANTOM_GRID))

    return Changed()


class Nameless(Method):
    name = ""


class OneReference(Method):
    references = "nobody (1900)"


class AnySpace(Method):
    def request_space(self, wanted):
        return "atlas"


class OtherAtlas(Method):
    def request_space(self, wanted):
        return SpaceRequest(grid=PHANTOM_GRID, atlas_hash="0" * 64)


class Array(Method):
    def broken(self, estimate):
        return estimate.cell_density.data


class OtherSpace(Method):
    def broken(self, estimate):
        return dataclasses.replace(estimate, space=phantom_observation().space)


class Scribbles(Method):
    def estimate(self, observation, *, report):
        answer = super().estimate(observation, report=report)
        observation.tumor_core[:] = False
        return answer


class Random(Method):
    numbers = itertools.count(1)

    def broken(self, estimate):
        values = estimate.cell_density.data / np.float32(next(self.numbers))
        return dataclasses.replace(estimate, cell_density=Volume(values, PHANTOM_GRID))


class RandomParameters(Method):
    numbers = itertools.count(1)

    def broken(self, estimate):
        return dataclasses.replace(estimate, parameters={"rate": float(next(self.numbers))})


class NeedsCore(Method):
    """Fails without a core in a way nobody expects."""

    def estimate(self, observation, *, report):
        if not observation.has_core:
            raise IndexError("the core has no middle")
        return super().estimate(observation, report=report)


class SaysItNeedsCore(NeedsCore):
    def estimate(self, observation, *, report):
        if not observation.has_core:
            raise SegmentationError("this method needs a tumor core")
        return super().estimate(observation, report=report)


class Posterior:
    """Maps on a grid of their own."""

    maps = {"mean": Volume(np.zeros((2, 2, 2), np.float32), Grid.axis_aligned((2, 2, 2), 4.0, (0.0, 0.0, 0.0)))}


CANDIDATE = Candidate(index=0, distance=0.0, dice_t1gd=None, dice_flair=1.0, parameters={"rate": float("nan")})

BROKEN = {
    "no name": (Nameless(), "inverse method of class Nameless: name must be a text that is not empty, got ''"),
    "one reference": (OneReference(), "references must be a tuple of texts, got 'nobody"),
    "no request": (AnySpace(), r"request_space\(None\) must return a SpaceRequest, got 'atlas'"),
    "another atlas": (OtherAtlas(), "must be made for the phantom's atlas .*, got another content hash, 000"),
    "an array": (Array(), "must return an Estimate, got ndarray"),
    "another space": (OtherSpace(), "the estimate must lie in the space of the observation, got AtlasSpace"),
    "densities above 1": (with_density(lambda u: u * 2.001), r"must lie in \[0, 1\], got 0 to 1.0005"),
    "no cells": (with_density(np.zeros_like), "must have cells somewhere, got none"),
    "parameters without number": (with_answer(parameters={"rate": float("inf")}), "finite numbers by name, got .*inf"),
    "part of a seed": (with_answer(parameters={"seed_x_mm": 1.0}), "three coordinates, .*, got only seed_x_mm"),
    "arrays in the details": (with_answer(details={"a": np.zeros(2)}), "details must be ready for JSON, got .*ndarray"),
    "other candidates": (with_answer(candidates=(1, 2)), r"candidates must be Candidates, got \['int', 'int'\]"),
    "candidates without number": (with_answer(candidates=(CANDIDATE,)), "finite numbers by name, got .*nan"),
    "maps elsewhere": (with_answer(posterior=Posterior()), r"maps of the posterior must lie on the grid.*\['mean'\]"),
    "masks that change": (Scribbles(), "the masks of the observation must stay as they were"),
    "another density each time": (Random(), "the same observation twice must give the same density, got a difference"),
    "other parameters each time": (
        RandomParameters(),
        "must give the same parameters, {'rate': 1.0}, got {'rate': 2.0}",
    ),
    "a surprise without core": (NeedsCore(), "a tumor without core .* SegmentationError, got IndexError"),
}


@pytest.mark.parametrize(("method", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_law_is_named(method, message):
    """With the name of the method and the value that broke it."""
    with pytest.raises(BrokenLawError, match=message):
        check_inverse_method(method)


@pytest.mark.parametrize("method", [Method(), SaysItNeedsCore()], ids=["whole tumor", "needs a core"])
def test_a_method_that_keeps_the_laws_passes(method):
    """A density alone is enough, and a core may be asked for in so many words."""
    assert check_inverse_method(method) is None


def test_half_a_method_is_none():
    """A name alone estimates nothing."""
    named = type("Named", (), {"name": "named"})()

    with pytest.raises(BrokenLawError, match=r"'named': it must have name, references, .*, got Named"):
        check_inverse_method(named)


def test_a_density_that_never_reaches_the_patient_is_named():
    """Cells outside the brain are cut on the way."""
    outside = with_density(lambda u: np.where(np.indices(u.shape).sum(axis=0) < 5, 0.5, 0.0))

    with pytest.raises(BrokenLawError, match="personalize must bring some cells to the patient, got none"):
        check_inverse_method(outside)
