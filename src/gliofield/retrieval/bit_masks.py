"""Masks as bits: compiled loops that pack the masks of a tumor and count what many queries share with them.

A word holds 64 voxels along z, bit 0 the first; a mask (X, Y, Z) becomes words (X, W, Y), W = ⌈Z / 64⌉, with y last so
that the counting loop runs along memory. A box of words is (x_start, x_stop, word_start, word_stop, y_start, y_stop),
stops exclusive; all are 0 for an empty mask. Packed masks of queries are cut to their boxes and lie one after the other
in one flat array.

64 voxels are compared at once, and set bits are counted by the processor's own instruction, where it has one: both are
LLVM operations that Numba does not offer, hence the two intrinsics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from gliofield.compiled import compiled

#: Voxels in a word.
WORD_BITS = 64

Words = NDArray[np.uint64]
Boxes = NDArray[np.int64]
Counts = NDArray[np.int32]

_BYTE = ir.IntType(8)
_BYTES = ir.VectorType(_BYTE, WORD_BITS)
_WORD = ir.IntType(WORD_BITS)
_ONE = np.uint64(1)
_NO_BITS = np.uint64(0)


def num_words(num_voxels: int) -> int:
    """Words that hold a row of voxels.

    Examples
    --------
    >>> num_words(128), num_words(129)
    (2, 3)
    """
    return -(-num_voxels // WORD_BITS)


def _compiled_function(make: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function that compiled kernels can call, from one that generates its LLVM code."""
    return cast(Callable[..., Any], intrinsic(make))


@_compiled_function
def num_set_bits(_typing: Any, _word: Any) -> Any:
    """Number of set bits of a uint64, as int64."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@_compiled_function
def _bits_above(_typing: Any, levels: Any, _index: Any, _level: Any) -> Any:
    """Word whose bit b says whether levels[index + b] > level, of a flat uint8 array; no check of bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, level = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        address = builder.bitcast(builder.gep(data, [index], source_etype=_BYTE), _BYTES.as_pointer())
        voxels = builder.load(address, align=1, typ=_BYTES)
        lane = builder.insert_element(ir.Constant(_BYTES, ir.Undefined), level, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WORD_BITS), [0] * WORD_BITS)
        splat = builder.shuffle_vector(lane, ir.Constant(_BYTES, ir.Undefined), zeros)
        return builder.bitcast(builder.icmp_unsigned(">", voxels, splat), _WORD)

    return types.uint64(levels, types.intp, types.uint8), generate


@compiled
def pack_above(
    levels: NDArray[np.uint8], bounds: NDArray[np.int64], level: np.uint8, words: Words, box: NDArray[np.int64]
) -> int:
    """Pack the mask levels > level of a tumor; returns its number of voxels.

    Parameters
    ----------
    levels : (X, Y, Z) uint8 array
        C-contiguous.
    bounds : (6,) int64 array
        Voxels outside (x_start, x_stop, y_start, …) are at most `level`, if not all 0.
    level : uint8
        The level to exceed.
    words : (X, W, Y) uint64 array
        Filled inside the bounds, left alone outside.
    box : (6,) int64 array
        Filled with the smallest box of words that holds the mask, all 0 if it is empty.
    """
    num_y, num_z = levels.shape[1], levels.shape[2]
    flat = levels.reshape(levels.size)
    first_word, last_word = bounds[4] // WORD_BITS, (bounds[5] + WORD_BITS - 1) // WORD_BITS
    x_start, x_stop, w_start, w_stop, y_start, y_stop = levels.shape[0], 0, last_word, 0, num_y, 0
    count = 0
    for x in range(bounds[0], bounds[1]):
        for y in range(bounds[2], bounds[3]):
            row = (x * num_y + y) * num_z
            for w in range(first_word, last_word):
                begin = w * WORD_BITS
                if begin + WORD_BITS <= num_z:
                    bits = _bits_above(flat, row + begin, level)
                else:
                    bits = _NO_BITS
                    for z in range(begin, num_z):
                        if flat[row + z] > level:
                            bits |= _ONE << np.uint64(z - begin)
                words[x, w, y] = bits
                if bits != _NO_BITS:
                    count += num_set_bits(bits)
                    x_start, x_stop = min(x_start, x), x + 1
                    y_start, y_stop = min(y_start, y), max(y_stop, y + 1)
                    w_start, w_stop = min(w_start, w), max(w_stop, w + 1)
    if count == 0:
        box[:] = 0
    else:
        box[0], box[1], box[2], box[3], box[4], box[5] = x_start, x_stop, w_start, w_stop, y_start, y_stop
    return count


@compiled
def count_shared(
    words: Words, box: NDArray[np.int64], query_words: Words, query_boxes: Boxes, query_begins: Boxes, shared: Counts
) -> None:
    """Voxels that a tumor's mask shares with each query's.

    Parameters
    ----------
    words : (X, W, Y) uint64 array
        The tumor's mask; read inside its box only.
    box : (6,) int64 array
        Its box.
    query_words : (K,) uint64 array
        All queries, each cut to its box.
    query_boxes : (Q, 6) int64 array
        Their boxes.
    query_begins : (Q,) int64 array
        Where in `query_words` they begin.
    shared : (Q,) int32 array
        Filled with the counts.
    """
    num_words_z, num_y = words.shape[1], words.shape[2]
    flat = words.reshape(words.size)
    for query in range(len(query_begins)):
        other = query_boxes[query]
        x_start, x_stop = max(box[0], other[0]), min(box[1], other[1])
        w_start, w_stop = max(box[2], other[2]), min(box[3], other[3])
        y_start, y_stop = max(box[4], other[4]), min(box[5], other[5])
        other_words, other_y = other[3] - other[2], other[5] - other[4]
        length = y_stop - y_start
        count = 0
        if length > 0:
            for x in range(x_start, x_stop):
                for w in range(w_start, w_stop):
                    here = (x * num_words_z + w) * num_y + y_start
                    there = ((x - other[0]) * other_words + w - other[2]) * other_y + y_start - other[4]
                    own = flat[here : here + length]
                    theirs = query_words[query_begins[query] + there : query_begins[query] + there + length]
                    for i in range(length):
                        count += num_set_bits(own[i] & theirs[i])
        shared[query] = count


def whole_grid(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Bounds of all voxels of a grid: (0, X, 0, Y, 0, Z)."""
    x, y, z = shape
    return np.array([0, x, 0, y, 0, z], dtype=np.int64)
