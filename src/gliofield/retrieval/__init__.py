"""Search: the tumors of a database that look most like a patient's."""

from gliofield.retrieval.block_index import BlockIndex
from gliofield.retrieval.downsampled_index import DownsampledIndex
from gliofield.retrieval.exhaustive import ExhaustiveIndex
from gliofield.retrieval.free_thresholds import FreeThresholdHits, FreeThresholdIndex, ThresholdRanges
from gliofield.retrieval.full_scan import DiceTable, PackedQueries, dice_of_all, dice_of_levels
from gliofield.retrieval.loop_search import LoopIndex, hausdorff_95_to
from gliofield.retrieval.mask_search import search
from gliofield.retrieval.named_indexes import (
    DEFAULT_INDEX,
    INDEX_NAMES,
    index_references,
    open_index,
    require_index_name,
)
from gliofield.retrieval.overlap_metric import OverlapMetric
from gliofield.retrieval.query import Hit, Hits, Index
from gliofield.retrieval.radiomics_index import RadiomicsIndex

__all__ = [
    "DEFAULT_INDEX",
    "INDEX_NAMES",
    "BlockIndex",
    "DiceTable",
    "DownsampledIndex",
    "ExhaustiveIndex",
    "FreeThresholdHits",
    "FreeThresholdIndex",
    "Hit",
    "Hits",
    "Index",
    "LoopIndex",
    "OverlapMetric",
    "PackedQueries",
    "RadiomicsIndex",
    "ThresholdRanges",
    "dice_of_all",
    "dice_of_levels",
    "hausdorff_95_to",
    "index_references",
    "open_index",
    "require_index_name",
    "search",
]
