"""NiiVue, the viewer of volumes in pages: fetched once, checked, kept in the cache, and put into every page.

It is not part of gliofield (BSD-2). It comes out of the published ``ipyniivue`` wheel, which `fetch_viewer` obtains
once through pip; its script is made to give the page its class instead of a notebook's widget, compressed, and kept.
A page without it has the static planes, and says why.
"""

from __future__ import annotations

import gzip
import os
import re
import time
import zipfile
from contextlib import suppress
from pathlib import Path

from gliofield.cache import cache_folder, make_once
from gliofield.errors import DownloadError, GliofieldError, OutputError
from gliofield.leftovers import scratch_folder
from gliofield.output import atomic_file
from gliofield.package_download import PinnedWheel
from gliofield.progress import Reporter, ignore_progress

#: What pages are drawn with, for the page and the licences.
VIEWER_NAME, VIEWER_LICENCE = "NiiVue 0.65.0", "BSD-2-Clause"
_WHEEL = PinnedWheel(
    requirement="ipyniivue==2.4.4",
    sha256="5e42b192a607b398c900a1e66d18aab1b41da4653a7e1641c18959bf1873cadc",
    num_bytes=1_672_906,
)
_SCRIPT = "ipyniivue/static/widget.js"
# Raised when what is made of the script changes, so that old caches are made anew.
_CACHE_FORMAT = 1
#: Set in the environment, nothing is fetched for pages.
OFFLINE_VARIABLE = "GLIOFIELD_OFFLINE"
_SECONDS_OF_PATIENCE = 24 * 3600.0
# The only instance that the widget makes of the class, and what the module gives to notebooks at its end.
_CLASS = re.compile(r"vA=new (?P<name>\w+)\(C\)")
_EXPORT = re.compile(r"export\{\w+ as default\};\s*$")
_GIVEN = 'globalThis.Niivue={name};globalThis.dispatchEvent(new Event("niivue-is-there"));'


def viewer_script(report: Reporter = ignore_progress) -> tuple[bytes | None, str]:
    """The script as gzip, fetched on first use; or None, and why it is not there."""
    if os.environ.get(OFFLINE_VARIABLE) and not viewer_file().is_file():
        return None, f"it is not in the cache, and {OFFLINE_VARIABLE} forbids to fetch it."
    try:
        return fetch_viewer(report).read_bytes(), ""
    except (GliofieldError, OSError) as error:
        with suppress(OSError):
            _failure_note().parent.mkdir(parents=True, exist_ok=True)
            _failure_note().touch()
        return None, str(error)


def failed_lately() -> bool:
    """Whether it was tried in vain within a day: a run that only ends with a page does not wait for that again."""
    try:
        return not viewer_file().is_file() and time.time() - _failure_note().stat().st_mtime < _SECONDS_OF_PATIENCE
    except OSError:
        return False


def _failure_note() -> Path:
    return viewer_file().with_name("could-not-be-fetched")


def fetch_viewer(report: Reporter = ignore_progress, *, force: bool = False) -> Path:
    """Make the viewer available offline and return its file in the cache.

    Parameters
    ----------
    report : Reporter
        Told about the download.
    force : bool
        Fetch again although it is cached.

    Raises
    ------
    DownloadError
        If it cannot be had, or is not the pinned file; nothing is kept then.
    OutputError
        If the cache cannot be written.
    """
    target = viewer_file()
    if force or not target.is_file():
        with make_once(target, report=report):
            if force or not target.is_file():  # else another process has made it meanwhile
                _fetch(target, report)
    return target


def viewer_file() -> Path:
    """Where the script is kept."""
    return cache_folder("viewer", f"niivue-v{_CACHE_FORMAT}.js.gz")


def _fetch(target: Path, report: Reporter) -> None:
    try:
        with scratch_folder() as scratch:
            wheel = _WHEEL.download(scratch, report)
            _WHEEL.require_intact(wheel)
            with zipfile.ZipFile(wheel) as archive:
                script = page_script(archive.read(_SCRIPT).decode("utf-8"))
    except DownloadError as error:
        raise DownloadError(
            f"the viewer cannot be fetched: {error}. Check the network (and pip in this environment), or run "
            f"'gliofield setup' once on a machine with access and copy the file {target}."
        ) from error
    except OSError as error:
        raise OutputError(f"the viewer cannot be unpacked: {error.strerror or error}. Free some space.") from error
    with atomic_file(target, replace=True) as partial:
        partial.write_bytes(gzip.compress(script.encode("utf-8"), 9, mtime=0))


def page_script(script: str) -> str:
    """The widget's script with its class as ``Niivue`` of the page; an event, ``niivue-is-there``, says so.

    Raises
    ------
    DownloadError
        If it is not the script that this was made for.
    """
    named = _CLASS.search(script)
    if named is None or _EXPORT.search(script) is None:
        raise DownloadError(f"the viewer's script is not that of {_WHEEL.requirement}; nothing was kept.")
    return _EXPORT.sub(lambda _: _GIVEN.format(name=named["name"]), script)
