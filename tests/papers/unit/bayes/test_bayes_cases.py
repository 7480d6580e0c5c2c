"""Virtual cases: their truth is possible, their images are the likelihood's own, and records come back as written."""

import dataclasses

import numpy as np
import pytest
from growth_likelihoods import BallModel, use_small_batches
from growth_phantoms import mixed_anatomy
from phantom_brain import phantom_atlas

from gliofield.bayes import sample_growth
from gliofield.errors import NumericalError, ParameterError
from gliofield.imaging import log_visibility, pet_log_likelihood
from gliofield_papers.bayes.cases import VirtualCohort
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.sampling import (
    RUN_NAMES,
    CaseSampler,
    CaseSettings,
    case_file,
    density_score,
    read_case_record,
    sample_cases,
    write_case,
)

ANATOMY = mixed_anatomy(spacing_mm=3.0)
SETTINGS = CaseSettings(num_samples=12, num_ranked=7, num_densities=4)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    use_small_batches(monkeypatch)


def cohort(**changes):
    return VirtualCohort(anatomy=ANATOMY, model=BallModel(), min_core_ml=0.2, **changes)


def coarse_cohort(anatomy):
    """So few voxels that a posterior takes few stages."""
    return VirtualCohort(anatomy=anatomy, model=BallModel(), min_core_ml=0.5, voxel_stride=3)


@pytest.fixture(scope="module")
def brain():
    """Anatomy of the phantom at 10 mm, which knows its tissues."""
    atlas = phantom_atlas()
    return atlas.anatomy(atlas.simulation_grid(spacing_mm=10.0))


def test_a_case_depends_on_seed_and_number_alone():
    """The same again, another for another number or seed."""
    one, again = cohort().case(2), cohort().case(2)

    assert one.truth == again.truth
    np.testing.assert_array_equal(one.observation.whole_tumor, again.observation.whole_tumor)
    assert one.truth != cohort().case(3).truth
    assert one.truth != cohort(seed=1).case(2).truth


def test_a_case_is_visible_and_believed_beforehand():
    """Its core is large enough, and its truth has mass under the prior of twelve and of nine parameters."""
    drawn = cohort()
    case = drawn.case(0)
    assert case.observation.tumor_core.sum() * ANATOMY.grid.voxel_volume_ml >= 0.2
    for has_pet in (True, False):
        prior = drawn.prior(has_pet=has_pet)
        row = np.array([[case.truth[name] for name in prior.names]])
        assert np.isfinite(prior.log_density(row)).all()
        assert len(prior.names) == (12 if has_pet else 9)


def test_the_papers_model_of_pet_has_no_background():
    """Eleven parameters, and uptake where there is tumor alone."""
    drawn = cohort(pet_model="paper")
    case = drawn.case(0)
    healthy = ANATOMY.domain & (case.density < 1e-4)

    assert len(drawn.prior(has_pet=True).names) == 11
    error = case.truth["pet_noise_std"] / np.sqrt(healthy.sum())
    assert abs(case.observation.pet.data[healthy].mean()) < 4.0 * error


def test_masks_are_drawn_with_the_probability_of_the_likelihood():
    """Over many cases, marked voxels are as many as expected, within four standard deviations."""
    drawn = cohort()
    seen, expected, variance = 0.0, 0.0, 0.0
    for number in range(30):
        case = drawn.case(number)
        log_visible = log_visibility(
            case.density[ANATOMY.domain].astype(np.float64),
            threshold=case.truth["flair_threshold"],
            visibility_width=case.truth["visibility_width"],
        )[0]
        probability = np.exp(log_visible)
        seen += case.observation.whole_tumor[ANATOMY.domain].sum()
        expected += probability.sum()
        variance += (probability * (1.0 - probability)).sum()

    assert abs(seen - expected) < 4.0 * np.sqrt(variance)


def test_pet_noise_is_not_clipped():
    """Residuals have the true standard deviation and no mean, and without background some values are negative."""
    case, of_paper = cohort().case(0), cohort(pet_model="paper").case(0)
    pet = case.observation.pet.data[ANATOMY.domain]
    residual = pet - case.truth["pet_scale"] * case.density[ANATOMY.domain] - case.truth["pet_background"]

    noise = case.truth["pet_noise_std"]
    assert residual.std() == pytest.approx(noise, rel=4.0 / np.sqrt(2 * residual.size))
    assert abs(residual.mean()) < 4.0 * noise / np.sqrt(residual.size)
    assert of_paper.observation.pet.data.min() < 0.0


def test_the_likelihood_of_a_case_counts_every_compared_voxel_once():
    """PET's part is that of its model over the voxels of the stride, and the sum is what a sampler is told."""
    drawn = cohort(voxel_stride=2)
    case = drawn.case(0)
    with_pet, without = (drawn.likelihood(case, has_pet=has_pet) for has_pet in (True, False))
    rows = [np.array([[case.truth[name] for name in drawn.prior(has_pet=has_pet).names]]) for has_pet in (True, False)]
    pet = pet_log_likelihood(
        case.observation.pet.data[drawn.compared].astype(np.float64),
        case.density[drawn.compared],
        pet_scale=case.truth["pet_scale"],
        pet_background=case.truth["pet_background"],
        pet_noise_std=case.truth["pet_noise_std"],
    )

    assert with_pet(rows[0])[0] - without(rows[1])[0] == pytest.approx(pet, rel=1e-6)
    compared = with_pet.simulation.likelihood.compared(case.density).mask_density
    assert compared.size == drawn.compared.sum() < ANATOMY.domain.sum()


def test_voxels_left_out_show_nothing():
    """Masks and PET are empty where nothing is compared, so a case cannot be kept for what nobody sees."""
    drawn = cohort(voxel_stride=2)
    seen = drawn.case(0).observation

    assert not seen.tumor_core[~drawn.compared].any()
    assert not seen.pet.data[~drawn.compared].any()


def test_without_a_visible_tumor_there_is_an_error(monkeypatch):
    """A core larger than the brain."""
    monkeypatch.setattr("gliofield_papers.bayes.cases._MOST_DRAWS", 20)
    with pytest.raises(NumericalError, match="none of 20 draws"):
        dataclasses.replace(cohort(), min_core_ml=1e6).case(0)
    with pytest.raises(ParameterError, match="voxel_stride ≥ 1"):
        cohort(voxel_stride=0)


def test_a_density_has_no_distance_from_itself(brain):
    """Errors 0, Dice 1; where neither exceeds a level, Dice is not defined."""
    density = np.where(brain.domain, 0.5, 0.0).astype(np.float32)
    score = density_score(density, density, brain)

    assert score.tissue == score.either == score.white_matter == 0.0
    assert score.dice[0.2] == 1.0
    assert np.isnan(score.dice[0.8])
    assert density_score(0.5 * density, density, brain).tissue == pytest.approx(0.25)


def test_cases_are_sampled_written_and_not_sampled_again(brain, tmp_path):
    """Both runs of each case; what is written is read back equal, and a file that is there is not touched."""
    sampler = CaseSampler(cohort=coarse_cohort(brain), settings=SETTINGS, folder=tmp_path)
    records = sample_cases(sampler, 1)
    time_written = case_file(tmp_path, 0).stat().st_mtime_ns
    more = sample_cases(sampler, 2)

    assert [record.number for record in more] == [0, 1]
    assert repr(more[:1]) == repr(records)  # NaN is not equal to itself
    assert time_written == case_file(tmp_path, 0).stat().st_mtime_ns
    run = records[0].runs[RUN_NAMES[0]]
    assert set(run.places) - set(records[0].runs[RUN_NAMES[1]].places) == {
        "pet_scale",
        "pet_background",
        "pet_noise_std",
    }
    assert run.num_simulations > run.effective_samples >= 12
    assert 0 <= run.places["diffusion_length_mm"].rank <= 7


def test_a_case_that_cannot_be_sampled_is_recorded_with_the_reason(brain, tmp_path, monkeypatch):
    """One run fails: the other is kept, the next case sampled, and a second look samples nothing again."""

    def refuse(likelihood, prior, settings):
        if likelihood.simulation.likelihood.observation.pet is not None:
            raise NumericalError("samples collapse.")
        return sample_growth(likelihood, prior, settings)

    monkeypatch.setattr("gliofield_papers.bayes.sampling.sample_growth", refuse)
    sampler = CaseSampler(cohort=coarse_cohort(brain), settings=SETTINGS, folder=tmp_path)
    records = sample_cases(sampler, 2)
    monkeypatch.setattr("gliofield_papers.bayes.sampling.sample_growth", None)
    again = sample_cases(sampler, 2)

    assert [record.failures for record in records] == [{RUN_NAMES[0]: "samples collapse."}] * 2
    assert [list(record.runs) for record in records] == [[RUN_NAMES[1]]] * 2
    assert repr(again) == repr(records)


def test_a_record_keeps_the_conditions_of_its_seconds(brain, tmp_path):
    """Read on another day, it says where and under what load it was measured."""
    conditions = MachineConditions(architecture="abacus", num_cores=3, load_average_before=7.0, load_average_after=0.0)
    sampler = CaseSampler(cohort=coarse_cohort(brain), settings=SETTINGS, folder=tmp_path, conditions=conditions)
    sample_cases(sampler, 1)
    (record,) = sample_cases(dataclasses.replace(sampler, conditions=MachineConditions.now()), 1)

    assert (record.conditions.architecture, record.conditions.load_average_before) == ("abacus", 7.0)
    assert record.conditions.is_machine_busy


def test_a_damaged_record_says_so(tmp_path, brain):
    """Half a file, and one of something else."""
    path = tmp_path / "case-0000.json"
    for text in ('{"number": 1', '{"runs": {}}', "[]"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ParameterError, match="no record of a virtual case"):
            read_case_record(path)


def test_undefined_numbers_come_back_as_nan(brain, tmp_path):
    """The Dice of two densities that exceed no level."""
    sampler = CaseSampler(cohort=coarse_cohort(brain), settings=SETTINGS, folder=tmp_path)
    (record,) = sample_cases(sampler, 1)
    run = record.runs[RUN_NAMES[0]]
    undefined = dataclasses.replace(run, mean_density=dataclasses.replace(run.mean_density, csf=float("nan")))
    write_case(tmp_path / "x.json", dataclasses.replace(record, runs={RUN_NAMES[0]: undefined}))

    assert "NaN" not in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert np.isnan(read_case_record(tmp_path / "x.json").runs[RUN_NAMES[0]].mean_density.csf)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_ranked": 13}, "num_ranked must lie in 1 … 12"),
        ({"num_densities": 1}, "num_densities be at least 2"),
        ({"num_samples": 9}, "num_effective must be at least 10"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    """Each with what was expected."""
    with pytest.raises(ParameterError, match=message):
        dataclasses.replace(SETTINGS, **changes)
