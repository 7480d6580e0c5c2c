"""Search: the tumors of a database that look most like a patient's."""

from gliomap.retrieval.exhaustive import ExhaustiveIndex
from gliomap.retrieval.query import Hit, Hits, Index, Query

__all__ = ["ExhaustiveIndex", "Hit", "Hits", "Index", "Query"]
