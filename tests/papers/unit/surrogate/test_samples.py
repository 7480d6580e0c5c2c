"""Simulated samples: what they are, where they lie, what they depend on."""

import json

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy
from mass_effect_phantoms import phantom_maps
from small_surrogates import SHAPE, SPACING_MM, phantom, tiny_samples

from gliofield.anatomy import growth_domain
from gliofield.errors import OutputError, ParameterError
from gliofield.growth import FisherKolmogorov
from gliofield_papers.surrogate import ParameterRanges, simulate_samples
from gliofield_papers.surrogate.anatomies import crop_around, tissue_channels
from gliofield_papers.surrogate.sample_files import completed_file
from gliofield_training import ProcessGroup

OTHER_RULE = growth_domain(phantom_maps(SHAPE, SPACING_MM), rule="brain")


@pytest.fixture
def simulated(monkeypatch):
    """Times of the tumors that the solver has grown since."""
    calls = []
    simulate = FisherKolmogorov.simulate

    def noted(self, anatomy, parameters, times_days):
        calls.extend(times_days)
        return simulate(self, anatomy, parameters, times_days)

    monkeypatch.setattr(FisherKolmogorov, "simulate", noted)
    return calls


def asked(folder, *, ranges=None, model=None, anatomies=None, seed=0, crop_size=4, part="training"):
    """Two samples in the phantom, but for what is given."""
    return simulate_samples(
        folder,
        anatomies or [phantom()],
        ranges or ParameterRanges(),
        number=2,
        part=part,
        crop_size=crop_size,
        seed=seed,
        model=model,
        num_threads=1,
    )


def test_a_sample_is_what_the_solver_grows_around_its_seed(tmp_path):
    """To float16; tissues are cut out at the same place."""
    samples = tiny_samples(tmp_path, number=3)
    for index, draw in enumerate(samples.draws):
        solution = FisherKolmogorov().simulate(phantom(), draw.parameters, [draw.time_days])
        expected = crop_around(solution.cell_density[0], draw.center, 8)
        np.testing.assert_allclose(samples.tumor(index), expected, atol=5e-4)
        assert np.array_equal(samples.tissues(index), crop_around(tissue_channels(phantom()), draw.center, 8))
        assert samples.growth(index)[2] == draw.time_days


def test_draws_are_uniform_over_the_ranges_with_seeds_in_tissue(tmp_path):
    """Times in steps of 50 days; every range is used from end to end."""
    samples = tiny_samples(tmp_path, number=130, crop_size=4)
    growth = np.stack([samples.growth(index) for index in range(len(samples))])

    assert set(growth[:, 2] % 50.0) == {0.0}
    for column, (low, high) in zip(growth.T, ParameterRanges().by_name().values(), strict=True):
        assert low <= column.min() < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < column.max() <= high
    for draw in samples.draws:
        seed = np.rint(phantom().grid.voxel_of(draw.parameters.seed_mm)).astype(int)
        assert phantom().domain[tuple(seed)]
        assert draw.center == tuple(seed)


def test_what_is_on_disk_is_not_simulated_again(tmp_path, simulated):
    """An interrupted simulation goes on; more samples add the missing ones to a file that is partly filled."""
    first = tiny_samples(tmp_path, number=70, crop_size=4)
    simulated.clear()
    again = tiny_samples(tmp_path, number=70, crop_size=4)
    assert simulated == []
    more = tiny_samples(tmp_path, number=72, crop_size=4)
    assert simulated == [draw.time_days for draw in more.draws[70:]]
    for index in (0, 63, 69):
        assert np.array_equal(first.tumor(index), again.tumor(index))
        assert np.array_equal(first.tumor(index), more.tumor(index))
    fresh = tiny_samples(tmp_path / "fresh", number=72, crop_size=4)
    assert np.array_equal(more.tumor(71), fresh.tumor(71))


def test_fewer_samples_are_the_first_of_those_on_disk(tmp_path, simulated):
    """Training sets of several sizes share a folder; nothing stored is taken away."""
    many = tiny_samples(tmp_path, number=70, crop_size=4)
    before = {path.name: path.read_bytes() for path in (tmp_path / "training").iterdir()}
    simulated.clear()
    few = tiny_samples(tmp_path, number=66, crop_size=4)

    assert simulated == []
    assert len(few) == 66
    assert few.identity["number"] == 66
    assert np.array_equal(few.tumor(65), many.tumor(65))
    assert {path.name: path.read_bytes() for path in (tmp_path / "training").iterdir()} == before


def test_a_file_shortened_by_another_process_stays_readable_and_is_completed(tmp_path):
    """Trainings of two sizes may write the same file at the same time."""
    path, tumors = tmp_path / "tumors.npy", np.arange(3 * 8, dtype=np.float16).reshape(3, 2, 2, 2)
    longer = completed_file(path, 3, crop_size=2, grown=lambda first: tumors[first:])
    np.save(tmp_path / "shorter.npy", tumors[:1])
    (tmp_path / "shorter.npy").replace(path)

    assert np.array_equal(longer, tumors)
    assert np.array_equal(completed_file(path, 3, crop_size=2, grown=lambda first: tumors[first:]), tumors)


def test_samples_keep_their_anatomies(tmp_path):
    """In the order in which draws count them."""
    anatomies = (phantom(1), phantom(2))
    assert tiny_samples(tmp_path, anatomies=list(anatomies), number=2).anatomies == anatomies


def test_samples_of_before_are_still_theirs(tmp_path, simulated):
    """Their description has the backend, another nesting of the ranges and no scale of time steps."""
    asked(tmp_path)
    path = tmp_path / "samples.json"
    now = json.loads(path.read_text())
    apart = {name: now["ranges"].pop(name) for name in ("time_step_days", "diffusivity_ratio")}
    del now["time_step_scale"]
    path.write_text(json.dumps({**now, **apart, "backend": "numba"}))
    simulated.clear()

    asked(tmp_path)
    assert simulated == []


def test_samples_of_another_backend_are_the_same(tmp_path, simulated):
    """Those simulated on a GPU are learned from on a processor."""
    asked(tmp_path, model=FisherKolmogorov(backend="numpy"))
    simulated.clear()
    asked(tmp_path)
    assert simulated == []


def test_processes_that_share_the_work_have_the_same_samples(tmp_path):
    """The second begins with the second half of the files, and none is left out."""
    alone = tiny_samples(tmp_path / "alone", number=70, crop_size=4)
    begun = []
    second = simulate_samples(
        tmp_path / "second",
        [phantom()],
        ParameterRanges(),
        number=70,
        part="training",
        crop_size=4,
        num_threads=1,
        processes=ProcessGroup(1, 2, None),
        report=lambda event: begun.append(sorted(path.name for path in (tmp_path / "second").glob("*.npy"))),
    )
    assert begun[0] == ["tumors-000001.npy"]
    for index in (0, 69):
        assert np.array_equal(alone.tumor(index), second.tumor(index))


def test_parts_have_different_samples(tmp_path):
    """Of the same seed and anatomy."""
    first, second = (
        tiny_samples(tmp_path, part=part, anatomies=[phantom()], number=2) for part in ("training", "test")
    )
    assert first.draws[0] != second.draws[0]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("anatomies", {"anatomies": [phantom(1)]}),
        ("proliferation_rate_per_day", {"ranges": ParameterRanges(proliferation_rate_per_day=(0.001, 0.05))}),
        ("time_step_days", {"ranges": ParameterRanges(time_step_days=10.0)}),
        ("diffusivity_ratio", {"ranges": ParameterRanges(diffusivity_ratio=5.0)}),
        ("time_step_scale", {"model": FisherKolmogorov(time_step_scale=0.5)}),
        ("scheme", {"model": FisherKolmogorov(scheme="published")}),
        ("part", {"part": "test"}),
        ("crop_size", {"crop_size": 6}),
        ("seed", {"seed": 1}),
    ],
)
def test_a_folder_of_other_samples_is_refused_and_says_why(tmp_path, name, changes):
    """All that a tumor depends on; what differs is named, and nothing else."""
    asked(tmp_path)
    with pytest.raises(OutputError, match=f"holds other samples: {name} "):
        asked(tmp_path, **changes)


def test_damaged_samples_are_refused(tmp_path):
    """A description that is none, a file cut short, a file of other cubes: each named, with the way out."""
    asked(tmp_path)
    tumors, described = tmp_path / "tumors-000000.npy", tmp_path / "samples.json"
    tumors.write_bytes(tumors.read_bytes()[:-8])
    with pytest.raises(OutputError, match=r"tumors-000000.npy cannot be read .* simulated again"):
        asked(tmp_path)
    np.save(tumors, np.zeros((2, 5, 5, 5), dtype=np.float16))
    with pytest.raises(OutputError, match=r"expected float16 cubes of 4³ voxels"):
        asked(tmp_path)
    described.write_text("[]")
    with pytest.raises(OutputError, match="samples.json cannot be read"):
        asked(tmp_path)


def test_a_place_where_no_folder_can_be_is_refused(tmp_path):
    """Below a file."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        asked(tmp_path / "file" / "samples")


@pytest.mark.parametrize(
    ("anatomies", "number", "message"),
    [
        ([], 1, "no anatomies"),
        ([mixed_anatomy((12, 14, 13))], 1, "no tissue_maps"),
        ([mixed_anatomy((12, 14, 13)), mixed_anatomy((12, 14, 13), 3.0)], 1, "one spacing"),
        ([phantom(), OTHER_RULE], 1, "domains of one rule, got brain, csf-below-0.9"),
        ([phantom()], 0, "number at least 1"),
    ],
)
def test_senseless_requests_are_refused(tmp_path, anatomies, number, message):
    """Each with its message."""
    with pytest.raises(ParameterError, match=message):
        simulate_samples(tmp_path, anatomies, ParameterRanges(), number=number, part="training", crop_size=8)
