"""Training inverse networks: they over-fit a handful of tumors, every option trains, batches are as told."""

import dataclasses

import numpy as np
import pytest
from small_inverse_networks import FewBalls, tiny_inverse

from gliofield.errors import OutputError, ParameterError
from gliofield.inverse import (
    InverseNetworkSettings,
    MaskPerturbation,
    ObservationSettings,
    TargetSettings,
    read_inverse_header,
)
from gliofield.inverse.targets import TargetScaling, target_groups
from gliofield_training.inverse import train_inverse
from gliofield_training.inverse.trained_ranges import trained_ranges
from gliofield_training.inverse.training_task import InverseTask

torch = pytest.importorskip("torch")

FIXED = ObservationSettings(t1gd_thresholds=(0.6, 0.6), flair_thresholds=(0.2, 0.2))


def task_of(settings, source):
    names = target_groups(settings.targets)["joint"]
    scaling = TargetScaling.of(settings.targets, names, source.origin.seed_ranges_mm)
    return InverseTask(settings, source, scaling, seed=0)


def test_eight_tumors_are_learned_by_heart(tmp_path):
    """In epochs of 12 batches, the loss falls to less than 1/500, an error below 1 % of the range."""
    settings = tiny_inverse(channels=8, observation=FIXED, num_epochs=10, batch_size=8, learning_rate=3e-3)
    header = train_inverse(FewBalls(96, num_distinct=8), settings, tmp_path / "net.safetensors")
    losses = [record.training["loss"] for record in header.history["joint.0"].epochs]

    assert losses[-1] < min(losses[0] / 500, 1e-4)


@pytest.mark.parametrize(
    ("settings", "networks"),
    [
        (tiny_inverse(), {"joint.0"}),
        (tiny_inverse(targets=TargetSettings(is_joint=False)), {"growth.0", "seed.0"}),
        (tiny_inverse(targets=TargetSettings(growth="rates", scale="log")), {"joint.0"}),
        (tiny_inverse(num_members=2), {"joint.0", "joint.1"}),
        (tiny_inverse(observation=dataclasses.replace(FIXED, flips=True)), {"joint.0"}),
        (tiny_inverse(observation=dataclasses.replace(FIXED, perturbation=MaskPerturbation())), {"joint.0"}),
        (tiny_inverse(network=InverseNetworkSettings(channels=2, is_cropped=True)), {"joint.0"}),
    ],
    ids=["joint", "separate", "rates, log", "ensemble", "flips", "perturbed", "cropped"],
)
def test_every_option_trains_and_is_recorded(tmp_path, settings, networks):
    """One file holds all networks; its header comes back equal."""
    path = tmp_path / "net.safetensors"
    made = train_inverse(FewBalls(6, 2), settings, path)
    header = read_inverse_header(path)

    assert set(header.history) == networks
    assert header.to_dict() == made.to_dict()
    assert header.settings == settings
    assert header.is_small
    assert sorted(item.name for item in tmp_path.iterdir()) == ["net.safetensors", "net.safetensors.training"]


def test_a_batch_shows_masks_and_scaled_targets():
    """Volumes of three values, targets of the tumor's parameters."""
    source = FewBalls(4)
    task = task_of(tiny_inverse(observation=FIXED), source)
    volumes, targets = task.load([2], part="training", rng=np.random.default_rng(0))
    (tumor,) = source.read([2], part="training", rng=np.random.default_rng(0))

    assert volumes.shape == (1, 1, 16, 16, 16)
    assert volumes.unique().tolist() == pytest.approx([0.0, 0.333, 0.999])
    core = volumes[0, 0].numpy() > 0.9
    assert np.array_equal(core, tumor.levels > 153)
    decoded, _ = task._scaling.decode(targets.numpy().astype(np.float64))
    diffusivity, rate, time = tumor.parameters[:3]
    expected = [np.sqrt(diffusivity * time), np.sqrt(rate * time), *tumor.parameters[3:]]
    np.testing.assert_allclose(decoded[0], expected, rtol=1e-5)


def test_thresholds_differ_between_samples_and_repeat_with_the_generator():
    """The same tumor shows other masks in other batches, and the same ones for validation every epoch."""
    task = task_of(tiny_inverse(), FewBalls(4, 2))
    first, same, other = (task.load([1], part="validation", rng=np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_mirrored_tumor_has_a_mirrored_seed():
    """Masks reversed along x, x of the seed reflected at the middle of the grid, all else as it was."""
    source = FewBalls(1)
    plain = task_of(tiny_inverse(observation=FIXED), source)
    flipping = task_of(tiny_inverse(observation=dataclasses.replace(FIXED, flips=True)), source)
    volume, target = plain.load([0], part="training", rng=np.random.default_rng(0))
    loads = [flipping.load([0], part="training", rng=np.random.default_rng(seed)) for seed in range(8)]
    flipped = [(v, t) for v, t in loads if not torch.equal(v, volume)]

    assert 0 < len(flipped) < 8
    for mirrored, mirrored_target in flipped:
        assert torch.equal(mirrored, volume.flip(2))
        assert mirrored_target[0, 2].item() == pytest.approx(-target[0, 2].item(), abs=1e-6)
        assert torch.equal(mirrored_target[0, [0, 1, 3, 4]], target[0, [0, 1, 3, 4]])


def test_the_scaling_holds_mirrored_seeds(tmp_path):
    """Tumors grow between -10 and 8 mm around the middle: with flips seeds lie between -10 and 10 mm."""
    source = FewBalls(4)
    source.origin = dataclasses.replace(source.origin, occupied=((3, 12), (3, 12), (3, 12)))
    ranges = {}
    for flips in (False, True):
        settings = tiny_inverse(num_epochs=1, observation=dataclasses.replace(FIXED, flips=flips))
        header = train_inverse(source, settings, tmp_path / f"{flips}.safetensors")
        ranges[flips] = header.scalings["joint"].ranges[2:]

    assert ranges[False] == source.origin.seed_ranges_mm
    assert ranges[False][0] == (-10.0, 8.0)
    assert ranges[True] == ((-10.0, 10.0), *ranges[False][1:])


def test_flips_and_errors_spare_validation():
    """What is measured every epoch are plain tumors."""
    observation = dataclasses.replace(FIXED, flips=True, perturbation=MaskPerturbation())
    augmented = task_of(tiny_inverse(observation=observation), FewBalls(1, 2))
    plain = task_of(tiny_inverse(observation=FIXED), FewBalls(1, 2))
    for seed in range(4):
        rng = np.random.default_rng(seed)
        volumes, _ = augmented.load([0, 1], part="validation", rng=rng)
        assert torch.equal(volumes, plain.load([0, 1], part="validation", rng=np.random.default_rng(seed))[0])


def test_members_of_an_ensemble_differ(tmp_path):
    """They start from other weights and see other batches."""
    header = train_inverse(FewBalls(6), tiny_inverse(num_members=2), tmp_path / "net.safetensors")
    first, second = (header.history[f"joint.{member}"].epochs[-1].training["loss"] for member in (0, 1))
    assert first != second


def test_small_volumes_are_refused(tmp_path):
    """Pooling 16³ by 2 leaves too little for four blocks."""
    settings = tiny_inverse(network=InverseNetworkSettings(channels=2, pooling=2))
    with pytest.raises(ParameterError, match="at least 16 along each axis"):
        train_inverse(FewBalls(), settings, tmp_path / "net.safetensors")


def test_other_names_and_existing_files_are_refused(tmp_path):
    """A checkpoint ends in .safetensors and is not overwritten."""
    with pytest.raises(ParameterError, match="must end in .safetensors"):
        train_inverse(FewBalls(), tiny_inverse(), tmp_path / "net.pt")
    (tmp_path / "net.safetensors").touch()
    with pytest.raises(OutputError, match="exists"):
        train_inverse(FewBalls(), tiny_inverse(), tmp_path / "net.safetensors")


def test_an_interrupted_training_with_other_settings_is_refused(tmp_path):
    """What is left of it belongs to another network; it may be begun anew."""
    path = tmp_path / "net.safetensors"

    def stop(event):
        if event.completed >= 1:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        train_inverse(FewBalls(), tiny_inverse(num_epochs=3), path, report=stop)
    with pytest.raises(ParameterError, match="observation"):
        train_inverse(FewBalls(), tiny_inverse(num_epochs=3, observation=FIXED), path)
    header = train_inverse(FewBalls(), tiny_inverse(num_epochs=1, observation=FIXED), path, restart=True)
    assert len(header.history["joint.0"].epochs) == 1


def test_an_interrupted_training_on_tumors_of_another_scheme_is_refused(tmp_path):
    """The growth model is part of what a training is, its backend is not: it may go on on another device."""
    path = tmp_path / "net.safetensors"

    def balls(**model_settings):
        source = FewBalls()
        source.origin = dataclasses.replace(
            source.origin, model={"name": "fisher-kolmogorov", "settings": model_settings}
        )
        return source

    def stop(event):
        if event.completed >= 1:
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        train_inverse(balls(scheme="euler", backend="numba"), tiny_inverse(), path, report=stop)
    with pytest.raises(ParameterError, match=r"model\.settings\.scheme was 'euler' there and is 'strang-rkl2' now"):
        train_inverse(balls(scheme="strang-rkl2", backend="numba"), tiny_inverse(), path)
    header = train_inverse(balls(scheme="euler", backend="cuda"), tiny_inverse(), path)
    assert header.origin.model["settings"]["backend"] == "cuda"


def test_the_ranges_of_the_training_are_recorded(tmp_path):
    """Those of the source, as the header on disk says too."""
    source, settings = FewBalls(6, 2), tiny_inverse(num_epochs=1)
    train_inverse(source, settings, tmp_path / "net.safetensors")
    assert read_inverse_header(tmp_path / "net.safetensors").trained_ranges == trained_ranges(source, settings)
