"""A growth model that breaks a law is found, and told which; one that keeps them all passes."""

import dataclasses
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from gliofield.errors import GliofieldError
from gliofield.growth import FisherKolmogorov, Solution
from gliofield.testing import BrokenLawError, check_growth_model, phantom_anatomy, phantom_tumor

ANATOMY = phantom_anatomy()


@dataclass(frozen=True)
class Model:
    """Reaction and diffusion, until a subclass breaks something."""

    settings: object = None

    @property
    def name(self):
        return "broken"

    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        return self.broken(FisherKolmogorov().simulate(anatomy, parameters, times_days, volume_limit=volume_limit))

    def broken(self, solution):
        return solution


def with_density(change):
    """A model whose density is changed."""

    class Changed(Model):
        def broken(self, solution):
            return dataclasses.replace(solution, cell_density=change(solution.cell_density))

    return _known(Changed)


def _known(kind):
    # Classes of a function cannot be pickled by name, which is a law of its own.
    kind.__reduce__ = lambda self: (object, ())
    return kind


@_known
class Nameless(Model):
    name = ""


class Unsaveable(Model):
    def __reduce__(self):
        raise TypeError("cannot pickle a lock")


@_known
class Arrays(Model):
    def broken(self, solution):
        return solution.cell_density


@_known
class LaterTimes(Model):
    def broken(self, solution):
        return dataclasses.replace(solution, times_days=solution.times_days[::-1])


@_known
class GivesUp(Model):
    def broken(self, solution):
        return dataclasses.replace(solution, stopped_at_days=1.0)


@_known
class Shrinking(Model):
    def broken(self, solution):
        return dataclasses.replace(solution, cell_density=solution.cell_density[::-1].copy())


@_known
class OnlyLists(Model):
    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        is_number = isinstance(times_days, float)
        return super().simulate(anatomy, parameters, 1.1 * times_days if is_number else times_days)


@_known
class Limited(Model):
    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        solution = super().simulate(anatomy, parameters, times_days)
        factor = 0.5 if volume_limit is not None else 1.0
        return dataclasses.replace(solution, cell_density=solution.cell_density * np.float32(factor))


@_known
class Tiring(Model):
    calls = 0

    def broken(self, solution):
        Tiring.calls += 1
        factor = np.float32(1.0 - 0.01 * Tiring.calls)
        return dataclasses.replace(solution, cell_density=solution.cell_density * factor)


@_known
class OneThread(Model):
    def broken(self, solution):
        in_main = threading.current_thread() is threading.main_thread()
        return solution if in_main else dataclasses.replace(solution, cell_density=solution.cell_density * 0)


@_known
class Untidy(Model):
    def broken(self, solution):
        ANATOMY.gray_matter[0, 0, 0] += 1.0
        return solution


@_known
class TakesAnyTime(Model):
    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        times = sorted(times_days) if isinstance(times_days, list) else times_days
        return super().simulate(anatomy, parameters, times, volume_limit=volume_limit)


@_known
class TakesAnySeed(Model):
    def simulate(self, anatomy, parameters, times_days, *, volume_limit=None):
        try:
            return super().simulate(anatomy, parameters, times_days, volume_limit=volume_limit)
        except GliofieldError as error:
            if "seed" not in str(error):
                raise
            raise KeyError("seed") from error


@_known
class Elsewhere(Model):
    def broken(self, solution):
        shifted = dataclasses.replace(solution.grid, world_from_voxel=np.diag([4.0, 4.0, 4.0, 1.0]))
        return dataclasses.replace(solution, grid=shifted)


def _above_one(density):
    return density * np.float32(1.5)


def _with_nan(density):
    return np.where(density > 0.5, np.float32(np.nan), density)


def _everywhere(density):
    return np.maximum(density, np.float32(0.1))


BROKEN = {
    "no name": (Nameless(), "name must be a text that is not empty, got ''"),
    "settings that are no numbers": (Model(settings=np.zeros(3)), "must fit into the header of a database"),
    "a model that cannot be sent": (Unsaveable(), "must be picklable.*cannot pickle a lock"),
    "an array in place of a solution": (Arrays(), "must return a Solution, got ndarray"),
    "another grid": (Elsewhere(), "must lie on the grid of the anatomy"),
    "double precision": (with_density(lambda u: u.astype(float))(), "must be float32, got float64"),
    "densities above 1": (with_density(_above_one)(), r"must lie in \[0, 1\], got 0 to 1.\d+"),
    "densities below 0": (with_density(lambda u: u - np.float32(0.25))(), r"must lie in \[0, 1\], got -0.25"),
    "no number": (with_density(_with_nan)(), "must be finite, got NaN"),
    "no cells": (with_density(np.zeros_like)(), "must have cells after 180 days, got none"),
    "cells outside": (with_density(_everywhere)(), r"must be 0 outside the domain, got cells in \d+ voxels"),
    "a tumor that shrinks": (Shrinking(), "must not become fewer, got"),
    "times backwards": (LaterTimes(), r"must be the times asked for, \(120.0, 180.0\), in order, got \(180.0, 120.0\)"),
    "a stop nobody asked for": (GivesUp(), "without a volume limit must reach its end, got a stop at 1"),
    "a number is another time": (OnlyLists(), "given as a number must give what it gives in a list"),
    "a limit that changes all": (Limited(), "limit that is not reached must change nothing, got a difference"),
    "another answer each time": (Tiring(), "the same run twice must give the same bits"),
    "one thread only": (OneThread(), "runs in two threads must give the bits they give alone"),
    "times in any order": (TakesAnyTime(), "times in falling order must be refused with ParameterError, got Solution"),
    "another error": (TakesAnySeed(), "a seed outside the brain must be refused with ParameterError, got KeyError"),
}


@pytest.mark.parametrize(("model", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_law_is_named(model, message):
    """With the name of the model and the value that broke it."""
    with pytest.raises(BrokenLawError, match=message):
        check_growth_model(model, anatomy=phantom_anatomy())


def test_a_model_without_simulate_is_none():
    """A name alone grows nothing."""
    named = type("Named", (), {"name": "named"})()

    with pytest.raises(BrokenLawError, match=r"'named': it must have name and simulate\(...\), got Named"):
        check_growth_model(named)


def test_another_shape_is_named():
    """Where `Solution` itself does not see to it."""

    class Unchecked(Solution):
        def __post_init__(self):
            return

    class Flat(Model):
        def broken(self, solution):
            values = vars(solution) | {"cell_density": solution.cell_density[0]}
            return Unchecked(**values)

    with pytest.raises(
        BrokenLawError, match=r"must have the shape \(times, X, Y, Z\) = \(2, 44, 50, 40\), got \(44, 50"
    ):
        check_growth_model(_known(Flat)())


def test_an_anatomy_that_changes_is_named():
    """The brain of one run is that of the next."""
    with pytest.raises(BrokenLawError, match="the anatomy must stay as it was, got another gray_matter"):
        check_growth_model(Untidy(), anatomy=ANATOMY)


def test_a_tumor_at_rest_may_stay_as_it_is():
    """Without proliferation diffusion alone is left, and cells need not become more."""
    at_rest = dataclasses.replace(phantom_tumor(), proliferation_rate_per_day=0.0)

    check_growth_model(FisherKolmogorov(), at_rest, times_days=(1.0, 2.0))


def test_a_broken_law_is_an_error_of_gliofield_and_of_a_test():
    """So both kinds of callers catch it."""
    assert issubclass(BrokenLawError, GliofieldError)
    assert issubclass(BrokenLawError, AssertionError)
