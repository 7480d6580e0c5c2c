"""Databases made on a device against those of the processor: by Triton's interpreter, and on a GPU where there is one.

The interpreter is chosen when Triton is imported, so it gets a process of its own; `TRITON_INTERPRET=1 pytest FILE`
runs it directly.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from growing_ball import BallDesign
from growth_phantoms import mixed_anatomy
from mass_effect_phantoms import phantom_anatomy

from gliomap.database import LocalWorkers, PapersDesign, build_database, verify_database
from gliomap.database.cuda_worker import CudaWorker
from gliomap.growth import FisherKolmogorov

for _name in ("torch", "triton"):
    if importlib.util.find_spec(_name) is None:
        pytest.skip(f"needs {_name}, part of the extra 'learn' with a build for CUDA", allow_module_level=True)

_IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
interpreted = pytest.mark.skipif(not _IS_INTERPRETED, reason="part of test_all_under_the_interpreter")
compiled = pytest.mark.skipif(_IS_INTERPRETED, reason="the interpreter compiles nothing")


def built(path, *, workers, model, design, anatomy, num_tumors):
    """Database in a phantom."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=design,
        anatomy=anatomy,
        atlas_name="phantom",
        atlas_hash="0" * 64,
        model=model,
        workers=workers,
    )


def assert_same_to_rounding(database, expected):
    """The same draws; levels differ by 1 at most, and in few voxels."""
    np.testing.assert_array_equal(database.table.parameters, expected.table.parameters)
    np.testing.assert_array_equal(database.table.rejections, expected.table.rejections)
    for index in range(expected.num_tumors):
        levels, others = (d.density_levels(index).astype(int) for d in (database, expected))
        assert others.max() > 50
        assert np.abs(levels - others).max() <= 1
        assert np.mean(levels != others) < 1e-2


@compiled
def test_all_under_the_interpreter():
    """The tests marked `interpreted` pass in a process in which Triton interprets its kernels."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not gpu", __file__],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert re.search(r"\d+ passed", done.stdout)


@interpreted
def test_a_database_equals_that_of_the_processor(tmp_path):
    """With rejected draws, in waves of more tumors than the batch has places."""
    settings = {"design": BallDesign(rejected_share=0.9), "anatomy": mixed_anatomy((6, 13, 12), 4.0), "num_tumors": 3}
    on_device = FisherKolmogorov(backend="cuda", time_step_scale=6.0)
    database = built(tmp_path / "cuda", workers=CudaWorker("cpu", max_batch=2), model=on_device, **settings)
    expected = built(
        tmp_path / "local", workers=LocalWorkers(1), model=FisherKolmogorov(time_step_scale=6.0), **settings
    )

    assert expected.table.rejections.sum() > 0
    assert_same_to_rounding(database, expected)
    assert verify_database(tmp_path / "cuda").is_intact


@pytest.mark.gpu
def test_a_database_of_a_gpu_equals_that_of_the_processor(tmp_path):
    """Sixty tumors of the published design at a spacing of 3 mm."""
    settings = {
        "design": PapersDesign(filter_volume_ml=(2.0, 80.0), seed_box_fractions=((0.1, 0.9),) * 3),
        "anatomy": phantom_anatomy((40, 44, 42), 3.0),
        "num_tumors": 60,
    }
    database = built(tmp_path / "cuda", workers=CudaWorker(), model=FisherKolmogorov(backend="cuda"), **settings)
    expected = built(tmp_path / "local", workers=LocalWorkers(2), model=FisherKolmogorov(), **settings)

    assert_same_to_rounding(database, expected)
