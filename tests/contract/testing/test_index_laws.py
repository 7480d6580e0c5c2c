"""An index that breaks a law is found, and told which; one that keeps them all passes."""

import dataclasses

import numpy as np
import pytest

from gliofield.errors import ParameterError
from gliofield.progress import ignore_progress
from gliofield.retrieval import ExhaustiveIndex
from gliofield.retrieval.query import require_count
from gliofield.testing import BrokenLawError, build_phantom_database, check_index


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twelve tumors, some of them twice."""
    return build_phantom_database(tmp_path_factory.mktemp("database") / "tumors")


class Index(ExhaustiveIndex):
    """The direct query, until a subclass breaks something."""

    name = "broken"

    def search(self, query, k, *, report=ignore_progress):
        return self.broken(super().search(query, k, report=report))

    def broken(self, hits):
        return hits


def with_hits(change):
    """An index whose tuple of hits is changed."""

    class Changed(Index):
        def broken(self, hits):
            return dataclasses.replace(hits, hits=change(hits.hits))

    return Changed


def with_each(**changes):
    """An index whose hits are changed one by one, by functions of each."""
    values = changes.items()
    return with_hits(
        lambda hits: tuple(dataclasses.replace(hit, **{name: change(hit) for name, change in values}) for hit in hits)
    )


class Nameless(Index):
    name = None


class OneNotice(Index):
    notices = "rebuilt"


class Unrecordable(Index):
    provenance = {"weights": np.zeros(3)}


class NoThresholds(Index):
    def __init__(self, database):
        super().__init__(database)
        self.effective = (0.2, 0.6)

    @property
    def effective_thresholds(self):
        return self.effective


class Rounded(Index):
    is_rounded = "no"


class Listless(Index):
    def broken(self, hits):
        return iter(hits)


class KeepsOut(Index):
    """Leaves the nearest out of long answers."""

    def broken(self, hits):
        return dataclasses.replace(hits, hits=hits.hits[1:] if len(hits) > 3 else hits.hits)


class TakesAnyCount(Index):
    def search(self, query, k, *, report=ignore_progress):
        return super().search(query, max(k, 1), report=report)


class Fails(Index):
    def search(self, query, k, *, report=ignore_progress):
        if k == 0:
            raise IndexError("k")
        return super().search(query, k, report=report)


class StopsShort(Index):
    def search(self, query, k, *, report=ignore_progress):
        return super().search(query, min(k, 11), report=report)


class PrefersTheLast(Index):
    """The first hits of a short answer are not those of a long one."""

    def search(self, query, k, *, report=ignore_progress):
        require_count(k)
        found = super().search(query, k + 1, report=report)
        return dataclasses.replace(found, hits=found.hits[1:] if k == 3 else found.hits[:k])


class OneGrid(Index):
    def search(self, query, k, *, report=ignore_progress):
        own = self.database.header.grid
        if query.grid.shape != own.shape:
            query = dataclasses.replace(
                query,
                grid=own,
                tumor_core=np.zeros(own.shape, bool),
                whole_tumor=query.whole_tumor[: own.shape[0], : own.shape[1], : own.shape[2]],
            )
        return super().search(query, k, report=report)


class NeverLost(Index):
    def search(self, query, k, *, report=ignore_progress):
        try:
            return super().search(query, k, report=report)
        except ParameterError as error:
            if "no voxel" in str(error):
                return super().search(dataclasses.replace(query, grid=self.database.header.grid), k, report=report)
            raise


class Scribbles(Index):
    """Erases the core of a query once it is found."""

    def search(self, query, k, *, report=ignore_progress):
        found = super().search(query, k, report=report)
        query.tumor_core[:] = False
        return found


class Tired(Index):
    calls = 0

    def broken(self, hits):
        Tired.calls += 1
        # The first search and its repetition; others are shorter, or without a core.
        if len(hits) == 12 and Tired.calls > 5:
            return dataclasses.replace(hits, hits=hits.hits[:-1])
        return hits


class Hash(Index):
    """Takes all tumors for the same."""

    def search(self, query, k, *, report=ignore_progress):
        require_count(k)
        found = super().search(query, 12, report=report)
        alike = sorted((dataclasses.replace(hit, distance=1.0) for hit in found), key=lambda hit: hit.index)
        return dataclasses.replace(found, hits=tuple(alike[:k]))


def _swapped(hits):
    return (hits[-1], *hits[1:-1], hits[0])


def _ties_reversed(hits):
    return tuple(sorted(hits, key=lambda hit: (hit.distance, -hit.index)))


def _farthest_first(hits):
    return tuple(sorted((dataclasses.replace(hit, distance=-hit.distance) for hit in hits), key=lambda h: h.distance))


BROKEN = {
    "no name": (Nameless, "index of class Nameless: name must be a text"),
    "one notice": (OneNotice, "notices must be a tuple of texts, got 'rebuilt'"),
    "arrays in the provenance": (Unrecordable, "provenance must be ready for JSON, got .*ndarray"),
    "no thresholds": (NoThresholds, "effective_thresholds must be VisibilityThresholds, got tuple"),
    "rounded by a word": (Rounded, "is_rounded must be True or False, got 'no'"),
    "no sequence": (Listless, "must return a sequence of Hit, such as Hits, got "),
    "no order": (with_hits(_swapped), "must be sorted by distance, nearest first, got"),
    "no number": (with_each(distance=lambda hit: float("nan")), "distances must be finite, got"),
    "ties by the higher index": (with_hits(_ties_reversed), "equal distances must be ordered by the lower index, got"),
    "all alike": (Hash, r"the masks of tumor \d+ must find it first, got tumor 0"),
    "the farthest first": (with_hits(_farthest_first), "nothing may be nearer to the masks of tumor"),
    "the tumor left out": (KeepsOut, "tumor 3 must be among them"),
    "other Dice": (with_each(dice_flair=lambda hit: hit.dice_flair / 2), r"dice_flair of tumor \d+ must be that"),
    "no Dice": (with_each(dice_t1gd=lambda hit: None), r"dice_t1gd of tumor \d+ must be that of its masks, .*got None"),
    "other parameters": (
        with_each(parameters=lambda hit: {}),
        r"parameters of tumor \d+ must be those of the database",
    ),
    "not all tumors": (StopsShort, "k = 12 must return all 12 tumors, got 11"),
    "more than asked for": (PrefersTheLast, "k = 3 must return the first three of all"),
    "k = 0 answered": (TakesAnyCount, "k = 0 must be refused with ParameterError, got Hits"),
    "k = 0 fails": (Fails, "k = 0 must be refused with ParameterError, got IndexError"),
    "Dice without a core": (
        with_each(dice_t1gd=lambda hit: hit.dice_t1gd or 0.0),
        "dice_t1gd must be None for a query without a core, got 0.0",
    ),
    "one grid only": (OneGrid, "the same masks on a larger grid must find the same tumors"),
    "masks anywhere": (NeverLost, "masks that lie off the grid of the database must be refused with ParameterError"),
    "another answer each time": (Tired, "the same search twice must give the same hits"),
    "masks that change": (Scribbles, "the masks of a query must stay as they were"),
}


@pytest.mark.parametrize(("index", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_law_is_named(index, message, database):
    """With the name of the index and the value that broke it."""
    with pytest.raises(BrokenLawError, match=message):
        check_index(index, database=database)


def test_colliding_codes_are_allowed_where_they_are_expected(database):
    """A hash may show all tumors alike; their Dice still tell them apart."""
    check_index(Hash, database=database, codes_may_collide=True)


def test_samples_of_masks_have_their_own_dice(database):
    """Within what is allowed them."""
    near = with_each(dice_flair=lambda hit: hit.dice_flair * 0.99)

    check_index(near, database=database, dice_tolerance=0.02)
    with pytest.raises(BrokenLawError, match="dice_flair of tumor"):
        check_index(near, database=database, dice_tolerance=0.001)
