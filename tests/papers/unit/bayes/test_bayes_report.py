"""Tables and pictures of the evaluation of posteriors, from results made up to be read."""

from dataclasses import replace

import numpy as np
import pytest
from phantom_brain import phantom_atlas

from gliofield.report.json_files import plain_json
from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, PlacedTruth, calibration_of
from gliofield_papers.bayes.cost import PAPER_WAY, REFERENCE_WAY, CostComparison, WayCost
from gliofield_papers.bayes.evaluation import BayesEvaluation, BayesEvaluationSettings
from gliofield_papers.bayes.figures import calibration_figure, interval_figure, map_figure
from gliofield_papers.bayes.folder import RECORD_FILE, bayes_record, write_bayes_folder
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import ModelPosterior, ParameterEstimate, PatientPosterior
from gliofield_papers.bayes.patients import SOLVER, SURROGATE
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseRun, DensityScore
from gliofield_papers.bayes.tables import bayes_report

NAN = float("nan")
ATLAS = phantom_atlas()
SPACING_MM = 8.0
CALM = MachineConditions(architecture="x86_64", num_cores=2, load_average_before=0.1, load_average_after=2.0)
BUSY = MachineConditions(architecture="x86_64", num_cores=2, load_average_before=5.0, load_average_after=2.0)


def case_run(rng, *, error, names=("flair_threshold", "diffusion_length_mm")):
    places = {
        name: PlacedTruth(
            truth=0.2, mean=0.3, std=0.1, rank=int(rng.integers(32)), is_covered=tuple(rng.random(4) < COVERAGE_LEVELS)
        )
        for name in names
    }
    scores = [
        DensityScore(
            tissue=value,
            white_matter=value,
            gray_matter=value,
            csf=NAN,
            either=value,
            dice={0.2: 0.9, 0.4: 0.8, 0.8: NAN},
        )
        for value in (error, 2.0 * error)
    ]
    return CaseRun(
        places=places, mean_density=scores[0], map_density=scores[1], log_evidence=-9.0, num_stages=12,
        num_simulations=2000, num_failed=1, effective_samples=100.0, seconds=3.0,
    )  # fmt: skip


def records(number, *, num_failed=0):
    """Cases, the last of which have no posterior with PET."""
    rng = np.random.default_rng(1)
    errors = dict(zip(RUN_NAMES, (0.01, 0.03), strict=True))
    return tuple(
        CaseRecord(
            number=index, num_draws=2, core_voxels=9, whole_voxels=20,
            runs={
                name: case_run(rng, error=error)
                for name, error in errors.items()
                if name != RUN_NAMES[0] or index < number - num_failed
            },
            failures={} if index < number - num_failed else {RUN_NAMES[0]: "samples collapse."},
            conditions=BUSY if index == 0 else CALM,
        )
        for index in range(number)
    )  # fmt: skip


def way(name, **changes):
    plain = {
        "way": name, "settings": "64 samples", "log_evidence": -50.0, "diffusion_length_mm": (5.0, 0.5),
        "proliferation_number": (3.0, 0.1), "mean_distance": 0.02, "truth_distance": 0.05, "num_fine": 1000,
        "num_coarse": 0, "effective_samples": 60.0, "seconds": 12.0,
    }  # fmt: skip
    return WayCost(**{**plain, **changes})


def patient(*, with_surrogate):
    grid = ATLAS.simulation_grid(spacing_mm=SPACING_MM)
    mask = np.zeros(grid.shape, dtype=bool)
    mask[12:16, 13:18, 14:17] = True
    estimate = ParameterEstimate(map=0.08, low=0.05, high=0.09)
    model = ModelPosterior(
        parameters={
            "white_matter_diffusivity_mm2_per_day": estimate,
            "t1gd_threshold": ParameterEstimate(map=0.7, low=0.6, high=0.8),
            "flair_threshold": ParameterEstimate(map=0.3, low=0.2, high=0.4),
            "diffusion_length_mm": ParameterEstimate(map=NAN, low=4.0, high=6.0),
        },
        dice_core=0.5, dice_whole=0.7, num_fine=100, num_coarse=2000, seconds=30.0, concerns=("few samples",),
        conditions=CALM,
    )  # fmt: skip
    labels = (SOLVER, SURROGATE) if with_surrogate else (SOLVER,)
    return PatientPosterior(
        name="P1", inputs={}, core_ml=10.0, whole_ml=50.0, spacing_mm=SPACING_MM, uses_pet=False,
        models=dict.fromkeys(labels, model), map_dice={0.2: 0.9, 0.4: 0.8, 0.8: NAN} if with_surrogate else {},
        map_distance=0.1 if with_surrogate else NAN,
        densities={label: mask.astype(np.float32) * 0.9 for label in labels},
        masks={"tumor_core": mask, "whole_tumor": mask},
    )  # fmt: skip


def evaluation(*, num_cases=40, num_failed=0, cost=None, patients=(), is_small=True):
    cases = records(num_cases, num_failed=num_failed)
    return BayesEvaluation(
        settings=BayesEvaluationSettings.small() if is_small else BayesEvaluationSettings(),
        cases=cases,
        calibration={
            name: calibration_of(
                [case.runs[name].places for case in cases if name in case.runs], num_draws=31, num_samples=128
            )
            for name in RUN_NAMES
        },
        time_places=np.linspace(0.1, 0.7, num_cases), num_domain_voxels=9000, num_compared_voxels=1100,
        cost=cost, patients=patients,
        left_out={"P9": "no FLAIR"}, surrogate="",
    )  # fmt: skip


COST = CostComparison(
    truth={"diffusion_length_mm": 5.1, "proliferation_number": 3.05},
    core_ml=5.0, whole_ml=30.0, spacing_mm=1.875,
    ways=(
        way(REFERENCE_WAY), way(PAPER_WAY, log_evidence=-90.0),
        way("posterior of the database", log_evidence=NAN, num_fine=0, refusal="", effective_samples=10.0),
        way("refused", diffusion_length_mm=(NAN, NAN), refusal="too few tumors carry it"),
    ),
    conditions=CALM,
)  # fmt: skip


def test_the_page_says_small_and_busy_and_what_was_left_out():
    """Whoever reads one table sees what it rests on."""
    text = bayes_report(evaluation())

    assert text.startswith("**Small**")
    assert "40 virtual cases at 5 mm" in text
    assert "Seconds on x86_64 with 2 cores. Warning: seconds measured on a busy machine (load average 5.0" in text
    assert "So measured: 1 of 40" in text
    assert "- P9: no FLAIR" in text
    assert "**Small**" not in bayes_report(evaluation(is_small=False))


def test_cases_that_failed_stand_beside_the_ranks():
    """Their number, the reason, and what is left: 37 of 40 with PET."""
    shown = evaluation(num_failed=3)
    text = bayes_report(shown)

    assert "- 3 of 40 with PET (case 37, 38, 39): samples collapse." in text
    assert "37 of 37" in text
    assert [each.num_cases for each in shown.calibration.values()] == [37, 40]
    assert "could not be sampled" not in bayes_report(evaluation())


def test_a_model_that_failed_on_a_patient_leaves_the_other():
    """The surrogate alone has its row, and the solver its reason."""
    both = patient(with_surrogate=True)
    alone = replace(
        both, models={SURROGATE: both.models[SURROGATE]}, densities={SURROGATE: both.densities[SURROGATE]},
        failures={SOLVER: "samples collapse."}, map_dice={}, map_distance=NAN,
    )  # fmt: skip
    text = bayes_report(evaluation(patients=(alone,)))

    assert "| P1      | surrogate" in text
    assert "- P1, numerical solver: samples collapse." in text
    assert "0.08 (0.05 to 0.09)" in text


def test_paired_differences_have_their_sign():
    """The best sample is worse than the mean in every case, and PET helps in every case."""
    text = bayes_report(evaluation())

    assert "40 of 40" in text
    assert "| MAP − mean, with PET" in text
    assert "0.01 " in next(line for line in text.splitlines() if "MAP − mean, with PET" in line)
    assert "0.02 " in next(line for line in text.splitlines() if "mean, without − with PET" in line)


def test_undefined_dice_is_counted():
    """No density exceeds 0.8 in any case: no mean, and 40 without a value."""
    assert "- (40)" in bayes_report(evaluation())


def test_coverage_stands_below_what_is_expected_of_so_many_samples():
    """93.8 % of a 95 % interval between 128 samples, with its binomial error."""
    assert "93.8% ± 3.8%" in bayes_report(evaluation())


def test_every_way_has_its_line_and_a_refusal_its_reason():
    """A database posterior has no evidence and no rate per simulation."""
    text = bayes_report(evaluation(cost=COST))
    database = next(line for line in text.splitlines() if line.startswith("| posterior of the database"))

    assert "-90.0" in text
    assert "5.00 ± 0.50" in database
    assert database.rstrip(" |").endswith("-")
    assert "- refused: too few tumors carry it" in text


@pytest.mark.parametrize("with_surrogate", [True, False])
def test_patients_stand_beside_the_papers_numbers(with_surrogate):
    """Best sample, interval, the paper's range; without a surrogate the page says why there is nothing beside it."""
    text = bayes_report(evaluation(patients=(patient(with_surrogate=with_surrogate),)))

    assert "0.08 (0.05 to 0.09)" in text
    assert "0.0892-0.08998" in text
    assert "4 to 6" in text
    assert ("P1, surrogate" in text) is with_surrogate
    assert ("No surrogate was given" in text) is not with_surrogate
    assert "P1, numerical solver: few samples" in text


def test_few_cases_are_reported_without_a_histogram():
    """Three cases: the table says so instead of a p-value."""
    text = bayes_report(evaluation(num_cases=3))

    assert "too few cases for a histogram" in text


def test_the_folder_holds_page_record_and_figures(tmp_path):
    """Written twice without complaint; the record is strict JSON and holds no images."""
    shown = evaluation(cost=COST, patients=(patient(with_surrogate=True),))
    write_bayes_folder(shown, tmp_path, ATLAS)
    write_bayes_folder(shown, tmp_path, ATLAS)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "coverage.png", RECORD_FILE, "map.png", "ranks_with_pet.png", "ranks_without_pet.png", "tables.md",
    ]  # fmt: skip
    content = plain_json(bayes_record(shown))
    assert content["patients"][0]["map_dice"]["0.8"] is None
    assert "densities" not in content["patients"][0]
    assert len(content["calibration"]["with_pet"]["parameters"]["flair_threshold"]["ranks"]) == 40


def test_figures_show_what_they_claim():
    """A panel per parameter with band and p-value; a line per parameter and their mean; no picture without patients."""
    shown = evaluation()
    calibration = shown.calibration[RUN_NAMES[0]]
    panels = [axes for axes in calibration_figure(calibration, title="ranks").axes if axes.axison]

    assert len(panels) == 2
    assert "p = " in panels[0].get_title()
    assert len(panels[0].patches) >= 2  # band and histogram
    assert len(interval_figure(shown).axes[0].lines) == 1 + 2 + 1  # zero, parameters, mean
    assert map_figure(shown, ATLAS) is None
