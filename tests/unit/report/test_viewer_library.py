"""NiiVue is fetched once, checked and kept; what fails is told, and not tried again in passing."""

import gzip
import hashlib
import time
import zipfile

import pytest

from gliofield.errors import DownloadError
from gliofield.package_download import PinnedWheel
from gliofield.report import viewer_library
from gliofield.report.report_page import ViewerSource
from gliofield.report.viewer_library import OFFLINE_VARIABLE, failed_lately, fetch_viewer, page_script, viewer_file

SCRIPT = "class t2{};let C=1,vA;vA=new t2(C);var Ih={};export{Ih as default};\n"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A small wheel in place of the published one; the list of its downloads."""
    path = tmp_path / "ipyniivue-2.4.4-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ipyniivue/static/widget.js", SCRIPT)
    downloads = []
    pinned = PinnedWheel(
        requirement="ipyniivue==2.4.4", sha256=hashlib.sha256(path.read_bytes()).hexdigest(), num_bytes=1
    )
    monkeypatch.setattr(viewer_library, "_WHEEL", pinned)
    monkeypatch.setattr(PinnedWheel, "download", lambda self, folder, report: downloads.append(folder) or path)
    monkeypatch.delenv(OFFLINE_VARIABLE)
    return downloads


def test_it_is_fetched_once_and_kept(wheel):
    """The second time it comes from the cache."""
    first = ViewerSource.fetched()
    second = ViewerSource.fetched()

    assert first == second == ViewerSource.cached()
    assert len(wheel) == 1
    assert gzip.decompress(first.script).decode().endswith('new Event("niivue-is-there"));')
    fetch_viewer(force=True)
    assert len(wheel) == 2


def test_the_page_gets_the_class_of_the_widget():
    """And no module is exported, which a page cannot import."""
    text = page_script(SCRIPT)

    assert "globalThis.Niivue=t2;" in text
    assert "export" not in text


def test_another_script_is_refused():
    """It was made for one version."""
    with pytest.raises(DownloadError, match="is not that of ipyniivue==2.4.4"):
        page_script("let x = 1;")


def test_another_file_is_refused_and_nothing_kept(wheel, monkeypatch):
    """By its hash."""
    pinned = PinnedWheel(requirement="ipyniivue==2.4.4", sha256="0" * 64, num_bytes=1)
    monkeypatch.setattr(viewer_library, "_WHEEL", pinned)

    with pytest.raises(DownloadError, match="the viewer cannot be fetched: .* is not the expected file"):
        fetch_viewer()
    assert not viewer_file().exists()


def test_after_a_failure_a_run_does_not_wait_for_it_again(wheel, monkeypatch):
    """For a day; who asks for a report or a setup tries again."""

    def fail(self, folder, report):
        wheel.append(folder)
        raise DownloadError("pip could not download it (no network)")

    monkeypatch.setattr(PinnedWheel, "download", fail)
    source = ViewerSource.fetched()
    assert source.script is None
    assert "no network" in source.reason
    assert failed_lately()

    assert "gliofield setup" in ViewerSource.fetched(in_passing=True).reason
    assert len(wheel) == 1
    ViewerSource.fetched()
    assert len(wheel) == 2
    monkeypatch.setattr(viewer_library, "_SECONDS_OF_PATIENCE", -1.0)
    assert not failed_lately()
    assert time.time() > 0


def test_the_environment_can_forbid_it(wheel, monkeypatch):
    """On machines without a network nothing waits."""
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")

    assert OFFLINE_VARIABLE in ViewerSource.fetched().reason
    assert wheel == []
