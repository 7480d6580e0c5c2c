"""The uncertainty of `assimilate`: maps on the scan, the interval of the cells outside the core, and its files."""

import dataclasses
import json

import numpy as np
import pytest
from phantom_brain import phantom_atlas, write_phantom_patient

from gliofield.assimilation import EnsembleSettings, FitSettings
from gliofield.errors import ParameterError
from gliofield.nifti import read_volume
from gliofield.pipeline import AssimilateMethod, PersonalizationSettings, find_case_files, personalize, read_case
from gliofield.pipeline.ensemble_posterior import UncertaintySettings, expected_cells
from gliofield.pipeline.method_options import Assimilate

SETTINGS = PersonalizationSettings(registration="none")
FIT = FitSettings(num_starts=1, num_evaluations=15, num_refinements=0, num_stretched=0)
UNCERTAINTY = UncertaintySettings(ensemble=EnsembleSettings(num_members=8, num_anatomies=2))
METHOD = AssimilateMethod(fit=FIT, spacing_mm=4.0, uncertainty=UNCERTAINTY)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return read_case(find_case_files(write_phantom_patient(tmp_path_factory.mktemp("case") / "patient")))


@pytest.fixture(scope="module")
def result(case):
    return personalize(case, method=METHOD, atlas=phantom_atlas(), settings=SETTINGS)


def test_maps_are_moments_and_probabilities_on_the_scan(result, case):
    """In [0, 1]; P falls with the threshold; sure in the middle of the core, none far away and outside the brain."""
    maps = {name: volume.data for name, volume in result.posterior_patient.items()}

    assert set(maps) == {"mean", "std", "probability_t1gd", "probability_flair"}
    for values in maps.values():
        assert values.min() >= 0.0
        assert values.max() <= 1.0
        assert not values[~case.brain].any()
    assert np.all(maps["probability_t1gd"] <= maps["probability_flair"])
    np.testing.assert_array_less(maps["std"] ** 2, maps["mean"] * (1.0 - maps["mean"]) + 1e-6)
    assert maps["probability_flair"].max() == 1.0
    assert 0.0 < maps["probability_flair"][~case.segmentation.whole_tumor].max() < 1.0


def test_the_interval_is_of_the_cells_that_the_mean_holds(result, case):
    """Its mean is the integral of the mean map outside the core, its ends lie around it, and details state it."""
    stated = result.cells_outside_core
    mean_ml = (
        result.posterior_patient["mean"].data[~case.segmentation.tumor_core].sum(dtype=float)
        * case.grid.voxel_volume_ml
    )

    # The factor of the model has a mean a little above 1.
    assert stated.mean == pytest.approx(mean_ml * np.exp(UNCERTAINTY.model_log_std**2 / 2), rel=0.01)
    assert 0.0 < stated.low < stated.mean < stated.high
    assert stated.level == 0.95
    assert result.estimate.details["cells_outside_core_ml"] == dataclasses.asdict(stated)
    assert stated.in_words() in result.summary()


def test_the_density_stays_what_it_is_without_uncertainty(result, case):
    """The same map, fit and priority."""
    plain = personalize(
        case, method=dataclasses.replace(METHOD, uncertainty=None), atlas=phantom_atlas(), settings=SETTINGS
    )

    np.testing.assert_array_equal(plain.density_patient.data, result.density_patient.data)
    assert plain.estimate.posterior is None
    assert plain.cells_outside_core is None
    assert "cells_outside_core_ml" not in plain.estimate.details


def test_threads_change_nothing(result, case):
    """Bit for bit."""
    threaded = personalize(
        case, method=dataclasses.replace(METHOD, num_threads=3), atlas=phantom_atlas(), settings=SETTINGS
    )

    for name, volume in result.posterior_patient.items():
        np.testing.assert_array_equal(threaded.posterior_patient[name].data, volume.data)
    assert threaded.cells_outside_core == result.cells_outside_core


def test_the_folder_holds_maps_members_and_the_interval(result, tmp_path):
    """Maps in both spaces, a picture of them, members, and the interval in quality and parameters."""
    saved = result.save(tmp_path / "result")
    stated = dataclasses.asdict(result.cells_outside_core)
    quality, parameters, posterior = (
        json.loads((saved / name).read_text())
        for name in ("quality.json", "parameters.json", "posterior/posterior.json")
    )

    names = {path.name for path in (saved / "posterior").iterdir()}
    assert names == {
        *(f"{name}_{space}.nii.gz" for name in result.posterior_patient for space in ("patient", "atlas")),
        "maps.png", "posterior.json", "corner.png", "samples.npz", "samples.json", "members.npz",
    }  # fmt: skip
    np.testing.assert_array_equal(
        read_volume(saved / "posterior" / "std_patient.nii.gz").data, result.posterior_patient["std"].data
    )
    assert quality["cells_outside_core_ml"] == stated
    interval = {name: stated[name] for name in ("low", "high", "level")}
    assert parameters["intervals"]["cells_outside_core_ml"] == interval
    assert posterior["details"]["num_members"] == 8
    assert result.save(saved, force=True) == saved


def test_the_interval_widens_with_what_no_member_varies():
    """With equal members it is that of the lognormal factor alone."""
    counts = np.full(10, 20.0)
    sure = expected_cells(counts, log_std=0.0)
    unsure = expected_cells(counts, log_std=0.2)

    assert (sure.low, sure.mean, sure.high) == pytest.approx((20.0, 20.0, 20.0))
    assert np.log(unsure.high / 20.0) == pytest.approx(1.96 * 0.2, rel=0.1)
    assert unsure.high * unsure.low == pytest.approx(400.0, rel=1e-6)


def test_options_and_settings_are_checked():
    """Members belong to the uncertainty."""
    with pytest.raises(ParameterError, match="num_members has no effect without the uncertainty"):
        Assimilate(num_members=10)
    with pytest.raises(ParameterError, match="num_members must be at least 2, got 1"):
        Assimilate(uncertainty=True, num_members=1)
    with pytest.raises(ParameterError, match="model_log_std must be ≥ 0, got -1"):
        UncertaintySettings(model_log_std=-1.0)
    with pytest.raises(ParameterError, match=r"level must lie in \(0, 1\), got 1"):
        UncertaintySettings(level=1.0)
