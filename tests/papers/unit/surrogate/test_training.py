"""Training surrogates: every option trains and is recorded, what does not fit is refused."""

import pytest
from mass_effect_phantoms import phantom_maps
from phantom_brain import phantom_atlas
from small_surrogates import SHAPE, SPACING_MM, phantom, tiny_samples, tiny_surrogate

from gliofield.anatomy import growth_domain
from gliofield.errors import CheckpointError, OutputError, ParameterError
from gliofield.learning import read_checkpoint
from gliofield.records import from_record
from gliofield_papers.surrogate import (
    LearnedFisherKolmogorov,
    ParameterRanges,
    SurrogateHeader,
    SurrogateNetworkSettings,
    read_surrogate_header,
    simulate_samples,
    train_surrogate,
)
from gliofield_training import write_checkpoint

pytest.importorskip("torch")

#: What checkpoints have said since they were first written.
RECORDED_SINCE = ("domain_rule", "atlas_name", "atlas_hash")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Samples for training and validation, in different anatomies."""
    folder = tmp_path_factory.mktemp("samples")
    return tiny_samples(folder), tiny_samples(folder, part="validation")


@pytest.mark.parametrize(
    "settings",
    [
        tiny_surrogate(),
        tiny_surrogate(loss="whole-volume"),
        tiny_surrogate(loss="all-regions"),
        tiny_surrogate(
            network=SurrogateNetworkSettings(crop_size=8, channels=4, num_halvings=2, block_length=1, tissues=("csf",))
        ),
    ],
    ids=["as the paper", "plain L1", "all regions", "CSF only"],
)
def test_every_option_trains_and_is_recorded(samples, tmp_path, settings):
    """The header comes back equal; only logs are left beside the checkpoint."""
    path = tmp_path / "net.safetensors"
    made = train_surrogate(*samples, settings, path)
    header = read_surrogate_header(path)

    assert header.to_dict() == made.to_dict()
    assert header.settings == settings
    assert header.spacing_mm == 5.0
    assert set(header.history.best.validation) == {"loss", "tumor", "csf", "healthy", "volume"}
    assert all(item.is_dir() for item in (tmp_path / "net.safetensors.training").iterdir())


def test_shared_anatomies_are_refused(samples, tmp_path):
    """What is measured in an anatomy that was trained on is no generalization."""
    shared = tiny_samples(tmp_path, part="validation", anatomies=[phantom()])
    with pytest.raises(ParameterError, match="share 1 of their anatomies"):
        train_surrogate(samples[0], shared, tiny_surrogate(), tmp_path / "net.safetensors")


def test_rule_and_atlas_of_the_anatomies_are_recorded(samples, tmp_path):
    """What counts as CSF depends on the rule; without an atlas there is none."""
    atlas = phantom_atlas()
    train_surrogate(*samples, tiny_surrogate(num_epochs=1), tmp_path / "net.safetensors", atlas=atlas)
    header = read_surrogate_header(tmp_path / "net.safetensors")
    assert header.domain_rule == phantom().domain_rule
    assert (header.atlas_name, header.atlas_hash) == ("phantom", atlas.content_hash)

    bare = train_surrogate(*samples, tiny_surrogate(num_epochs=1), tmp_path / "bare.safetensors")
    assert (bare.atlas_name, bare.atlas_hash) == (None, None)


def test_a_header_of_before_is_read(samples, tmp_path):
    """Rule and atlas are not known there."""
    made = train_surrogate(*samples, tiny_surrogate(num_epochs=1), tmp_path / "net.safetensors")
    content = {name: value for name, value in made.to_dict().items() if name not in RECORDED_SINCE}

    header = from_record(SurrogateHeader, content)
    assert (header.domain_rule, header.atlas_name, header.atlas_hash) == (None, None, None)
    assert header.settings == made.settings


def test_samples_under_another_rule_are_refused(samples, tmp_path):
    """Their CSF is another."""
    whole_brain = growth_domain(phantom_maps(SHAPE, SPACING_MM), rule="brain")
    others = tiny_samples(tmp_path, part="validation", anatomies=[whole_brain])
    with pytest.raises(ParameterError, match="rule 'csf-below-0.9', those of validation 'brain'"):
        train_surrogate(samples[0], others, tiny_surrogate(), tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("num_samples", "message"),
    [((9, 4), "there are 8 samples for training: expected 9"), ((8, 3), "4 samples for validation: expected 3")],
)
def test_other_numbers_of_samples_are_refused(samples, tmp_path, num_samples, message):
    """The checkpoint would say it had seen as many as the settings ask for."""
    with pytest.raises(ParameterError, match=message):
        train_surrogate(*samples, tiny_surrogate(num_samples=num_samples), tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    "changes",
    [{"proliferation_rate_per_day": (0.001, 0.05)}, {"time_step_days": 25.0}, {"diffusivity_ratio": 5.0}],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("part", ["training", "validation"])
def test_samples_of_another_range_are_refused(samples, tmp_path, changes, part):
    """Step and ratio included, of either part: the checkpoint would promise tumors it has not seen."""
    given = dict(zip(("training", "validation"), samples, strict=True))
    given[part] = simulate_samples(
        tmp_path / part,
        given[part].anatomies,
        ParameterRanges(**changes),
        number=len(given[part]),
        part=part,
        crop_size=8,
        num_threads=1,
    )
    with pytest.raises(ParameterError, match=f"samples for {part} were drawn with {next(iter(changes))} "):
        train_surrogate(*given.values(), tiny_surrogate(), tmp_path / "net.safetensors")


def test_samples_of_another_size_are_refused(samples, tmp_path):
    """They were made for another network."""
    wide = tiny_surrogate(network=SurrogateNetworkSettings(crop_size=16, channels=4, num_halvings=1))
    with pytest.raises(ParameterError, match="cut out at 8³ voxels: expected 16³"):
        train_surrogate(*samples, wide, tmp_path / "net.safetensors")


def test_other_names_and_existing_files_are_refused(samples, tmp_path):
    """A checkpoint ends in .safetensors and is not overwritten."""
    with pytest.raises(ParameterError, match="must end in .safetensors"):
        train_surrogate(*samples, tiny_surrogate(), tmp_path / "net.pt")
    (tmp_path / "net.safetensors").touch()
    with pytest.raises(OutputError, match="exists"):
        train_surrogate(*samples, tiny_surrogate(), tmp_path / "net.safetensors")


def test_weights_and_headers_that_do_not_fit_are_refused(samples, tmp_path):
    """Another size, another kind, an empty header."""
    train_surrogate(*samples, tiny_surrogate(num_epochs=1), tmp_path / "net.safetensors")
    stored = read_checkpoint(tmp_path / "net.safetensors")
    network = {**stored.header["settings"]["network"], "channels": 16}
    wide = {**stored.header, "settings": {**stored.header["settings"], "network": network}}
    cases = {"do not fit": (stored.kind, wide), "of another kind": ("embedding", stored.header),
             "does not understand": (stored.kind, {})}  # fmt: skip
    for message, (kind, header) in cases.items():
        path = tmp_path / "changed.safetensors"
        write_checkpoint(path, kind=kind, header=header, tensors=stored.tensors)
        with pytest.raises(CheckpointError, match=message):
            LearnedFisherKolmogorov(checkpoint=str(path), device="cpu")
