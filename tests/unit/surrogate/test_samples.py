"""Simulated samples: what they are, where they lie, what they depend on."""

import numpy as np
import pytest
from growth_phantoms import mixed_anatomy
from small_surrogates import phantom, tiny_samples

from gliomap.errors import OutputError, ParameterError
from gliomap.growth import FisherKolmogorov
from gliomap.learning import ProcessGroup
from gliomap.surrogate import ParameterRanges, simulate_samples
from gliomap.surrogate.anatomies import crop_around, tissue_channels


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


def test_what_is_on_disk_is_not_simulated_again(tmp_path, monkeypatch):
    """An interrupted simulation goes on with the first missing file; more samples keep the ones there are."""
    first = tiny_samples(tmp_path, number=70, crop_size=4)
    calls = []
    simulate = FisherKolmogorov.simulate
    monkeypatch.setattr(
        FisherKolmogorov, "simulate", lambda *arguments, **named: calls.append(1) or simulate(*arguments, **named)
    )
    again = tiny_samples(tmp_path, number=70, crop_size=4)
    assert calls == []
    more = tiny_samples(tmp_path, number=72, crop_size=4)
    assert len(calls) == 8
    for index in (0, 63, 69):
        assert np.array_equal(first.tumor(index), again.tumor(index))
        assert np.array_equal(first.tumor(index), more.tumor(index))


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


def test_a_folder_of_other_samples_is_refused(tmp_path):
    """Other anatomies would be mixed with these."""
    tiny_samples(tmp_path, number=1)
    with pytest.raises(OutputError, match="holds samples of other anatomies"):
        tiny_samples(tmp_path, anatomies=[phantom(1)], number=1)


@pytest.mark.parametrize(
    ("anatomies", "number", "message"),
    [
        ([], 1, "no anatomies"),
        ([mixed_anatomy((12, 14, 13))], 1, "no tissue_maps"),
        ([mixed_anatomy((12, 14, 13)), mixed_anatomy((12, 14, 13), 3.0)], 1, "one spacing"),
        ([phantom()], 0, "number at least 1"),
    ],
)
def test_senseless_requests_are_refused(tmp_path, anatomies, number, message):
    """Each with its message."""
    with pytest.raises(ParameterError, match=message):
        simulate_samples(tmp_path, anatomies, ParameterRanges(), number=number, part="training", crop_size=8)
