import pytest
from phantom_brain import phantom_atlas

from gliofield.database import ClinicalDesign
from gliofield.errors import DatabaseError
from gliofield.pipeline import default_database_path, open_database


def test_the_default_database_is_built_once_and_then_opened(monkeypatch):
    """The first use builds it in the cache; the second opens the same files without building."""
    atlas = phantom_atlas()
    built = open_database(None, atlas=atlas, num_tumors=1, num_workers=1)

    def no_build(*arguments, **settings):
        raise AssertionError("a finished database was built again")

    monkeypatch.setattr("gliofield.pipeline.default_database.build_database", no_build)
    opened = open_database(None, atlas=atlas)

    assert built.path == opened.path == default_database_path(atlas)
    assert opened.num_tumors == 1
    assert opened.header.atlas_hash == atlas.content_hash


def test_what_would_make_other_tumors_has_another_place(monkeypatch):
    """Another atlas, design or version never meets the files of this one."""
    here = default_database_path(phantom_atlas())
    monkeypatch.setattr(
        "gliofield.pipeline.default_database.named_design", lambda name: ClinicalDesign(front_speed_mm_per_day=0.2)
    )
    assert default_database_path(phantom_atlas()) != here
    monkeypatch.undo()
    monkeypatch.setattr("gliofield.pipeline.default_database.__version__", "99")
    assert default_database_path(phantom_atlas()) != here


def test_a_missing_database_is_an_error_not_a_build(tmp_path):
    """A path that was named must hold a database."""
    with pytest.raises(DatabaseError, match="nowhere"):
        open_database(tmp_path / "nowhere", atlas=phantom_atlas())
