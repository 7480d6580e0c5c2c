from pathlib import Path

from gliofield.cache import cache_folder


def test_the_own_variable_comes_first(monkeypatch, tmp_path):
    """GLIOFIELD_CACHE_DIR is the folder itself."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))

    assert cache_folder("atlases", "mine") == tmp_path / "own" / "atlases" / "mine"


def test_the_xdg_variable_holds_a_gliofield_folder(monkeypatch, tmp_path):
    """XDG_CACHE_HOME is shared with other programs, so ours is a folder in it."""
    monkeypatch.delenv("GLIOFIELD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_folder() == tmp_path / "gliofield"


def test_the_last_resort_is_the_home_folder(monkeypatch, tmp_path):
    """Without variables: ~/.cache/gliofield."""
    monkeypatch.delenv("GLIOFIELD_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)

    assert cache_folder("atlases") == tmp_path / ".cache" / "gliofield" / "atlases"


def test_asking_for_the_folder_makes_nothing(monkeypatch, tmp_path):
    """A path is named, no folder appears."""
    monkeypatch.setenv("GLIOFIELD_CACHE_DIR", str(tmp_path / "own"))

    assert not cache_folder("atlases").exists()
    assert list(tmp_path.iterdir()) == []
