"""What a training finds around it: PyTorch or none, devices, other processes."""

import importlib.util
import subprocess
import sys

import pytest

from gliofield.errors import ParameterError
from gliofield.learning import require_torch, resolve_device
from gliofield_training import ProcessGroup, process_group


def test_the_package_loads_without_pytorch():
    """Its names can be had by commands that train nothing."""
    script = (
        "import sys; import gliofield.learning\n"
        "print(sorted({'torch', 'safetensors', 'tensorboard', 'scipy', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", [{"torch"}, {"safetensors"}, {"torch", "safetensors"}])
def test_missing_libraries_are_named_with_the_command_that_brings_them(monkeypatch, missing):
    """The extra to install stands in the message."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else object())

    with pytest.raises(ParameterError, match=r"networks need .* pip install 'gliofield\[learn\]'") as caught:
        require_torch()
    assert ("PyTorch" in str(caught.value).split(",")[0]) == ("torch" in missing)


def test_devices_are_resolved_by_name(monkeypatch):
    """ "auto" is CUDA where there is a device; asking for it where there is none is an error."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ParameterError, match="device 'cuda' is not there"):
        resolve_device("cuda")
    with pytest.raises(ParameterError, match="device 'cdua' is unknown.*Did you mean 'cuda'"):
        resolve_device("cdua")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize("number", range(8))
def test_shares_partition_a_batch(number):
    """Every sample belongs to one process, and shares differ by one at most."""
    torch = pytest.importorskip("torch")
    groups = [ProcessGroup(rank, 3, torch.device("cpu")) for rank in range(3)]
    shares = [group.share_of(list(range(number))) for group in groups]

    assert sum(shares, []) == list(range(number))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_without_a_launcher_is_alone(monkeypatch):
    """It has the whole batch, and its sums are its own."""
    pytest.importorskip("torch")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with process_group("cpu") as group:
        assert (group.rank, group.num_processes, group.is_first) == (0, 1, True)
        assert group.sum_of([1.5, 2.0]) == [1.5, 2.0]


def test_a_broken_launcher_is_an_error(monkeypatch):
    """The variable is named."""
    pytest.importorskip("torch")
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ParameterError, match="WORLD_SIZE must be a number, got 'two'"), process_group("cpu"):
        pass
