"""The header goes to attributes and back, and refuses what it is not."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from gliofield.database import DatabaseHeader
from gliofield.database.schema import describe_settings
from gliofield.errors import DatabaseError, ParameterError
from gliofield.grid import Grid
from gliofield.growth import FisherKolmogorov
from gliofield.imaging.visibility import VisibilityThresholds


def _header(**changes: Any) -> DatabaseHeader:
    header = DatabaseHeader(
        atlas_name="sri24",
        atlas_hash="ab",
        grid=Grid.axis_aligned((2, 3, 4), 1.875, (-238.5625, 0.4375, -42.0625)),
        domain_rule="brain",
        anatomy_hash="cd",
        model={"name": "m", "settings": {}},
        design={"name": "d", "settings": {"a": [1, 2]}},
        root_seed=3,
        snapshots_per_run=1,
        thresholds=VisibilityThresholds(),
        gliofield_version="1.2.3",
    )
    return dataclasses.replace(header, **changes)


def test_a_header_survives_json():
    """Attributes written as JSON and read again give an equal header."""
    attributes = json.loads(json.dumps(_header().to_attributes()))
    assert DatabaseHeader.from_attributes(attributes, source="x") == _header()


def test_the_grid_is_stored_as_the_contract_says():
    """Other programs rely on {"shape", "world_from_voxel"}."""
    grid = _header().to_attributes()["grid"]
    assert grid["shape"] == [2, 3, 4]
    np.testing.assert_array_equal(grid["world_from_voxel"], _header().grid.world_from_voxel)


def test_foreign_attributes_are_refused():
    """Another Zarr group is no database."""
    with pytest.raises(
        DatabaseError, match="here is not a gliofield simulation database: expected the group attribute"
    ):
        DatabaseHeader.from_attributes({"multiscales": []}, source="here")


@pytest.mark.parametrize("version", [0, 1, 3, None, "2"])
def test_other_format_versions_are_refused(version):
    """Neither older nor newer formats are guessed at; the writer is named."""
    attributes = _header().to_attributes() | {"format_version": version}
    with pytest.raises(DatabaseError, match=rf"format version {version!r}, this gliofield reads version 2.*1\.2\.3"):
        DatabaseHeader.from_attributes(attributes, source="here")


def test_an_incomplete_header_is_damaged():
    """A missing key names itself."""
    attributes = _header().to_attributes()
    del attributes["atlas"]
    with pytest.raises(DatabaseError, match="the header is damaged .*atlas"):
        DatabaseHeader.from_attributes(attributes, source="here")


def test_all_differences_are_listed():
    """Whoever continues a build with other settings sees each of them."""
    with pytest.raises(DatabaseError, match="root_seed: 3 there, 4 asked for") as caught:
        _header().require_same_as(_header(root_seed=4, atlas_name="mni152"), source="there")
    assert '"sri24"' in str(caught.value)
    assert '"mni152"' in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"root_seed": -1}, "root_seed must be a non-negative"), ({"snapshots_per_run": 0}, "must be at least 1, got 0")],
)
def test_impossible_numbers_are_refused(changes, message):
    """Negative seeds and runs without tumors make no sense."""
    with pytest.raises(ParameterError, match=message):
        _header(**changes)


def test_settings_without_influence_are_not_recorded():
    """The number of threads may differ between two builds of one database; the scheme may not."""
    one, two = describe_settings(FisherKolmogorov(num_threads=1)), describe_settings(FisherKolmogorov(num_threads=2))
    assert one == two
    assert one["settings"]["scheme"] == FisherKolmogorov().scheme
    assert one != describe_settings(FisherKolmogorov(scheme="published"))


def test_settings_that_cannot_be_recorded_are_refused():
    """An object among the settings would not be found again in the header."""

    @dataclasses.dataclass(frozen=True)
    class Opaque:
        name: str = "opaque"
        thing: object = dataclasses.field(default_factory=object)

    with pytest.raises(ParameterError, match="Opaque cannot be recorded in a database"):
        describe_settings(Opaque())
