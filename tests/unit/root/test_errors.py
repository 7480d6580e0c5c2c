import re
from collections.abc import Mapping

import pytest

from gliofield import errors
from gliofield.errors import (
    AtlasError,
    DatabaseError,
    DeviceError,
    GliofieldError,
    GridMismatchError,
    ImageError,
    NumericalError,
    OutputError,
    ParameterError,
    PluginError,
    RegistrationError,
    SegmentationError,
    require_type,
    unknown_name,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ParameterError, ValueError),
        (GridMismatchError, ValueError),
        (ImageError, ValueError),
        (SegmentationError, ImageError),
        (AtlasError, RuntimeError),
        (NumericalError, RuntimeError),
        (DeviceError, RuntimeError),
        (RegistrationError, RuntimeError),
        (DatabaseError, RuntimeError),
        (OutputError, RuntimeError),
        (PluginError, RuntimeError),
    ],
)
def test_every_error_is_caught_as_gliofield_error_and_as_the_builtin_one_expects(error, builtin):
    """Code that knows nothing of gliofield can catch its errors."""
    assert issubclass(error, GliofieldError)
    assert issubclass(error, builtin)


def test_the_error_tree_holds_no_class_outside_the_documented_root():
    """Every exception class defined in the module descends from GliofieldError."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]

    assert len(classes) >= 10
    assert all(issubclass(value, GliofieldError) for value in classes)


def test_a_numerical_error_carries_its_step():
    """The step is data, not only text; it may be unknown."""
    assert NumericalError("density is NaN", step=12).step == 12
    assert NumericalError("density is NaN").step is None


def test_an_unknown_name_lists_the_valid_ones_and_the_closest():
    """Valid names are sorted and a near miss is suggested."""
    message = unknown_name("atlas", "mni125", ["sri24", "mni152"])

    assert message == "atlas 'mni125' is unknown: expected one of mni152, sri24. Did you mean 'mni152'?"


def test_a_name_that_resembles_nothing_gets_no_suggestion():
    """No 'did you mean' when every valid name is far away."""
    assert "Did you mean" not in unknown_name("atlas", "zzz", ["sri24", "mni152"])


@pytest.mark.parametrize(
    ("value", "expected", "message"),
    [
        ("x", int, "name must be int, got 'x' (str)."),
        (None, (int, float), "name must be int or float, got NoneType."),
        ([1, 2], str, "name must be str, got list."),
        (dict, Mapping, "name must be Mapping, got the class dict."),
    ],
)
def test_a_value_of_another_type_is_refused(value, expected, message):
    """With what was expected and what came: short values as they are, others by their type alone."""
    with pytest.raises(ParameterError, match=re.escape(message) + "$"):
        require_type("name", value, expected)
    with pytest.raises(ParameterError, match="Take another one.$"):
        require_type("name", value, expected, hint="Take another one.")


def test_a_value_of_the_expected_type_passes():
    """Subclasses too."""
    require_type("name", True, int)
    require_type("name", "x", (int, str))
