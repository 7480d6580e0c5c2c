"""What a report costs: seconds and memory to write it, beside the personalization, and the size of the page.

A virtual patient at 1 mm, method `distance` (the page has one map then; each of a posterior adds one).
Seconds are of one core (`time.process_time`), so a busy machine does not count; memory is the peak above
what is in use before.

    python benchmarks/pipeline/bench_report.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from gliofield.anatomy import load_atlas
from gliofield.pipeline import PersonalizationSettings, find_case_files, personalize, read_case
from gliofield.report import write_result_folder
from gliofield.report.report_page import ViewerSource, write_report
from gliofield.report.view_files import VIEW_FOLDER, make_view, write_view
from gliofield.virtual import make_virtual_patient, write_virtual_patient

REPEATS = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patient", type=Path, help="BraTS folder; default: a virtual patient")
    patient = parser.parse_args().patient
    atlas = load_atlas("sri24")
    with tempfile.TemporaryDirectory() as place:
        folder = patient or _virtual_patient(Path(place) / "patient")
        result = personalize(
            read_case(find_case_files(folder)),
            method="distance",
            atlas=atlas,
            settings=PersonalizationSettings(registration="affine"),
        )
        viewer = ViewerSource.fetched()
        written = write_result_folder(result, Path(place) / "result", name="bench", viewer=viewer)
        before_mb, seconds = _forget_peak(), []
        for number in range(REPEATS):
            begin = time.process_time()
            view = make_view(
                result.case,
                name="bench",
                atlas=atlas,
                transform=result.registration.transform,
                judged=result.density_judged,
                thresholds=result.thresholds,
            )
            write_view(Path(place) / f"{VIEW_FOLDER}{number}", view)
            page = write_report(written, viewer=viewer)
            seconds.append(time.process_time() - begin)
        grown = _memory_mb("VmHWM") - before_mb
        print("| what | value |\n|---|---|")
        print(
            f"| seconds to write the page and its images, median of {REPEATS} | {sorted(seconds)[REPEATS // 2]:.1f} s |"
        )
        print(f"| peak memory on top of what the result holds | {grown:.0f} MB |")
        print(f"| size of the page | {page.stat().st_size / 1e6:.1f} MB |")
        print(f"| of it the viewer | {len(viewer.script or b'') * 4 / 3 / 1e6:.1f} MB |")
        print(f"| voxels of the view | {view.grid.num_voxels / 1e6:.1f} million |")


def _virtual_patient(folder: Path) -> Path:
    patient = make_virtual_patient(load_atlas("mni152"), rng=np.random.default_rng(0))
    write_virtual_patient(patient, folder)
    return folder


def _forget_peak() -> float:
    """Let the kernel count the peak anew; the memory in use now [MB]."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


if __name__ == "__main__":
    main()
