"""Dataclasses become records and come back, and what is no record of theirs is refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from gliofield.grid import Grid
from gliofield.records import from_record, to_record


@dataclass(frozen=True)
class Near:
    """One way."""

    radius_mm: float = 1.0


@dataclass(frozen=True)
class Far:
    """Another."""

    count: int


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Everything a record may hold."""

    grid: Grid
    box: tuple[tuple[int, int], ...]
    pair: tuple[float, str]
    by_name: Mapping[str, Near]
    way: Near | Far
    also: Near | None = None
    kind: Literal["a", "b"] = "a"
    free: Mapping[str, Any] = field(default_factory=dict)
    is_set: bool = False
    number: int = field(init=False, default=3)


GRID = Grid.axis_aligned((2, 3, 4), 1.5, (0.0, 1.0, 2.0))
WHOLE = Whole(
    grid=GRID, box=((0, 1), (2, 3)), pair=(2.0, "x"), by_name={"n": Near(2.0)}, way=Far(3), free={"any": [1, None]}
)


def changed(**values):
    record = json.loads(json.dumps(to_record(WHOLE)))
    return {name: value for name, value in {**record, **values}.items() if value != "gone"}


def test_a_record_is_plain_json_and_comes_back():
    """Tuples, grids, mappings, the kind of an alternative; what a class computes itself is not stored."""
    record = json.loads(json.dumps(to_record(WHOLE)))

    assert record["way"] == {"name": "Far", "count": 3}
    assert record["box"] == [[0, 1], [2, 3]]
    assert record["grid"] == GRID.to_dict()
    assert "number" not in record
    assert from_record(Whole, record) == WHOLE


def test_defaults_stand_in_for_what_is_not_there():
    """As where the class is made; a whole number may stand for a float."""
    read = from_record(Whole, changed(kind="gone", also="gone", pair=[2, "x"]))

    assert (read.kind, read.also, read.pair) == ("a", None, (2.0, "x"))
    assert isinstance(read.pair[0], float)
    assert from_record(Whole, changed(also={"radius_mm": 4})).also == Near(4.0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"box": "gone"}, KeyError, "Whole lacks box"),
        ({"more": 1}, TypeError, "Whole has no more"),
        ({"pair": [2.0]}, TypeError, r"Whole\.pair must be 2 values, got \[2\.0\]"),
        ({"pair": ["2.0", "x"]}, TypeError, r"Whole\.pair must be float, got '2\.0'"),
        ({"kind": "c"}, TypeError, r"Whole\.kind must be .*Literal\['a', 'b'\], got 'c'"),
        ({"way": {"name": "Else"}}, KeyError, "Else"),
        ({"way": {"count": 3}}, KeyError, "name"),
        ({"way": None}, TypeError, r"Whole\.way must be .* got None"),
        ({"by_name": {"n": {"radius": 1.0}}}, TypeError, r"Whole\.by_name\['n'\] has no radius"),
        ({"by_name": [1]}, TypeError, r"Whole\.by_name must be .*Mapping"),
        ({"is_set": 1}, TypeError, r"Whole\.is_set must be bool, got 1"),
        ({"box": [[0, True], [2, 3]]}, TypeError, r"Whole\.box must be int, got True"),
        ({"grid": {}}, KeyError, "shape"),
    ],
)
def test_another_record_is_refused(changes, error, message):
    """With the place of what is wrong."""
    with pytest.raises(error, match=message):
        from_record(Whole, changed(**changes))
