"""Search: the tumors of a database that look most like a patient's."""

from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.exhaustive import ExhaustiveIndex
from gliofield.retrieval.free_thresholds import FreeThresholdHits, FreeThresholdIndex, ThresholdRanges
from gliofield.retrieval.mask_search import search
from gliofield.retrieval.named_indexes import (
    DEFAULT_INDEX,
    IndexKind,
    index_names,
    index_references,
    open_index,
    require_index_name,
)
from gliofield.retrieval.overlap_metric import OverlapMetric
from gliofield.retrieval.query import Hit, Hits, Index

__all__ = [
    "DEFAULT_INDEX",
    "BlockIndex",
    "ExhaustiveIndex",
    "FreeThresholdHits",
    "FreeThresholdIndex",
    "Hit",
    "Hits",
    "Index",
    "IndexKind",
    "OverlapMetric",
    "ThresholdRanges",
    "index_names",
    "index_references",
    "open_index",
    "require_index_name",
    "search",
]
