"""Eight float32 at a time: a vector type for compiled kernels.

LLVM's own vectorizer does not see that the arrays of a solver are distinct: it guards each row of voxels with checks
for overlap and leaves up to a vector's length of each row, here 20 to 90 voxels, to scalar code. With `Float32x8`
values a kernel says what it means, and every voxel takes the same operations in the same order wherever its row is cut,
so results do not depend on it. Processors without registers of that width compute in two halves.

    total = load(a, index) + splat(weight) * load(b, index)
    store(a, index, total)

Only compiled kernels can call these functions. An index counts elements of the flattened, C-contiguous array; there is
no check of bounds and no counting from the end.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

#: Elements of a vector.
NUM_LANES = 8

_SCALAR = ir.FloatType()
_VECTOR = ir.VectorType(_SCALAR, NUM_LANES)
_SCALAR_BYTES = 4


class Float32x8Type(types.Type):
    """Numba's name for eight float32."""

    def __init__(self) -> None:
        super().__init__(name="Float32x8")


float32x8 = Float32x8Type()


@register_model(Float32x8Type)
class _Float32x8Model(models.PrimitiveModel):
    """Held in one vector register."""

    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)  # type: ignore[no-untyped-call]


def _define_operator(symbol: Callable[..., Any], instruction: str) -> None:
    """Let `symbol` on two vectors be one LLVM instruction."""

    @infer_global(symbol)
    class _Typing(ConcreteTemplate):
        cases = [signature(float32x8, float32x8, float32x8)]

    @lower_builtin(symbol, float32x8, float32x8)
    def _lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments)


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_symbol, _instruction)


def _vector_function(make: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: a function that compiled kernels can call, from one that generates its LLVM code."""
    return cast(Callable[..., Any], intrinsic(make))


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index], source_etype=_SCALAR), _VECTOR.as_pointer())


@_vector_function
def load(_typing: Any, array: Any, index: Any) -> Any:
    """Elements index … index + 7 of a float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_address(context, builder, signature.args[0], *arguments), align=_SCALAR_BYTES)

    return float32x8(array, types.intp), generate


@_vector_function
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to elements index … index + 7 of a float32 array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, index, vector = arguments
        builder.store(vector, _address(context, builder, signature.args[0], array, index), align=_SCALAR_BYTES)
        return context.get_dummy_value()

    return types.void(array, types.intp, float32x8), generate


@_vector_function
def splat(_typing: Any, scalar: Any) -> Any:
    """Vector of one float32 eight times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, arguments[0], ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), NUM_LANES), [0] * NUM_LANES)
        return builder.shuffle_vector(first, undefined, order)

    return float32x8(types.float32), generate


@_vector_function
def select_less(_typing: Any, left: Any, right: Any, if_less: Any, otherwise: Any) -> Any:
    """`if_less` where left < right, `otherwise` elsewhere, lane by lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right, if_less, otherwise = arguments
        return builder.select(builder.fcmp_ordered("<", left, right), if_less, otherwise)

    return float32x8(float32x8, float32x8, float32x8, float32x8), generate


@_vector_function
def nonzero_lanes(_typing: Any, vector: Any) -> Any:
    """Integer whose bit i is set where element i is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.fcmp_unordered("!=", arguments[0], ir.Constant(_VECTOR, [0.0] * NUM_LANES))
        return builder.zext(builder.bitcast(mask, ir.IntType(NUM_LANES)), ir.IntType(64))

    return types.int64(float32x8), generate


@_vector_function
def count_greater(_typing: Any, left: Any, right: Any) -> Any:
    """Number of lanes in which left > right."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = builder.bitcast(builder.fcmp_ordered(">", *arguments), ir.IntType(NUM_LANES))
        return builder.ctpop(builder.zext(mask, ir.IntType(64)))

    return types.int64(float32x8, float32x8), generate
