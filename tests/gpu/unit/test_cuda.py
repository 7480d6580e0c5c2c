"""The plug-in that gliofield finds under the device ``cuda``."""

import pytest
from growing_ball import GrowingBall
from growth_phantoms import uniform_anatomy

import gliofield_gpu
from gliofield.errors import ParameterError
from gliofield.growth import FisherKolmogorov, MassEffect, simulate_many
from gliofield.growth.many import load_device


def test_it_is_found_by_the_kind_of_the_device():
    """Whichever of several it is; and makes the databases of that one."""
    assert load_device("cuda") is load_device("cuda:1") is gliofield_gpu
    assert gliofield_gpu.make_workforce("cuda:1") == gliofield_gpu.CudaWorker("cuda:1")


def test_only_models_with_kernels_grow_on_it():
    """Another one is named, and the way out; batches are between 1 and what a launch can hold."""
    anatomy = uniform_anatomy((20, 20, 20), spacing_mm=2.0)
    with pytest.raises(ParameterError, match="does not grow on a CUDA device: expected FisherKolmogorov or"):
        simulate_many(GrowingBall(), anatomy, [], device="cuda")
    with pytest.raises(ParameterError, match="max_batch must lie between 1 and"):
        simulate_many(FisherKolmogorov(), anatomy, [], device="cuda", max_batch=0)


def test_batches_with_mass_effect_are_smaller():
    """A tumor that pushes keeps the device busier."""
    assert gliofield_gpu.useful_batch(MassEffect()) < gliofield_gpu.useful_batch(FisherKolmogorov())
