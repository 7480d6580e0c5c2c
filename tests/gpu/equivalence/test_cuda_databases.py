"""Databases made on a device against those of the processor: by Triton's interpreter, and on a GPU where there is one.

The interpreter is chosen when Triton is imported, so it gets a process of its own; `TRITON_INTERPRET=1 pytest FILE`
runs it directly.
"""

import numpy as np
import pytest
from growing_ball import BallDesign
from growth_phantoms import mixed_anatomy
from mass_effect_phantoms import phantom_anatomy
from one_brain_atlas import atlas_of
from triton_interpreter import assert_passes_under_the_interpreter, compiled, interpreted

from gliofield.database import LocalWorkers, build_database, verify_database
from gliofield.growth import FisherKolmogorov
from gliofield_gpu.cuda_worker import CudaWorker
from gliofield_papers.queries.papers_design import PapersDesign


def built(path, *, workers, model, design, anatomy, num_tumors):
    """Database in a phantom."""
    return build_database(
        path,
        num_tumors=num_tumors,
        design=design,
        atlas=atlas_of(anatomy),
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
    assert_passes_under_the_interpreter(__file__)


@interpreted
def test_a_database_equals_that_of_the_processor(tmp_path):
    """With rejected draws, in waves of more tumors than the batch has places."""
    settings = {"design": BallDesign(rejected_share=0.9), "anatomy": mixed_anatomy((6, 13, 12), 4.0), "num_tumors": 3}
    model = FisherKolmogorov(time_step_scale=6.0)
    database = built(tmp_path / "cuda", workers=CudaWorker("cpu", max_batch=2), model=model, **settings)
    expected = built(tmp_path / "local", workers=LocalWorkers(1), model=model, **settings)

    assert expected.table.rejections.sum() > 0
    assert_same_to_rounding(database, expected)
    assert verify_database(tmp_path / "cuda").is_intact


@pytest.mark.gpu
def test_a_database_of_a_gpu_equals_that_of_the_processor(tmp_path):
    """Sixty tumors of the published design at a spacing of 2.5 mm."""
    settings = {
        "design": PapersDesign(filter_volume_ml=(2.0, 80.0), seed_box_fractions=((0.1, 0.9),) * 3),
        "anatomy": phantom_anatomy((48, 53, 50), 2.5),
        "num_tumors": 60,
    }
    database = built(tmp_path / "cuda", workers=CudaWorker(), model=FisherKolmogorov(), **settings)
    expected = built(tmp_path / "local", workers=LocalWorkers(2), model=FisherKolmogorov(), **settings)

    assert_same_to_rounding(database, expected)
