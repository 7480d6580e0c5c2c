import json
from pathlib import Path

import numpy as np

from gliofield.report import plain_json, write_json


def test_undefined_numbers_become_null_and_numpy_becomes_plain(tmp_path):
    """Files are strict JSON: no NaN, no NumPy types, tuples as lists."""
    content = {
        "nan": float("nan"),
        "infinite": np.inf,
        "float": np.float32(0.5),
        "count": np.int64(3),
        "flag": np.bool_(True),
        "array": np.eye(2),
        "nested": ({"path": Path("a")}, None),
    }

    write_json(tmp_path / "x.json", content)

    assert json.loads((tmp_path / "x.json").read_text()) == {
        "nan": None,
        "infinite": None,
        "float": 0.5,
        "count": 3,
        "flag": True,
        "array": [[1.0, 0.0], [0.0, 1.0]],
        "nested": [{"path": "a"}, None],
    }


def test_plain_values_pass_through():
    """Text, integers and None are left as they are."""
    assert plain_json({"a": "b", "c": 1, "d": None}) == {"a": "b", "c": 1, "d": None}
