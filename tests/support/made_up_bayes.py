"""An evaluation of posteriors made up to be read: cases, costs, patients."""

import numpy as np
from phantom_brain import phantom_atlas

from gliofield_papers.bayes.calibration import COVERAGE_LEVELS, PlacedTruth, calibration_of
from gliofield_papers.bayes.cost import PAPER_WAY, REFERENCE_WAY, CostComparison, WayCost
from gliofield_papers.bayes.evaluation import BayesEvaluation, BayesEvaluationSettings
from gliofield_papers.bayes.measuring import MachineConditions
from gliofield_papers.bayes.patient_files import ModelPosterior, ParameterEstimate, PatientPosterior
from gliofield_papers.bayes.patients import SOLVER, SURROGATE
from gliofield_papers.bayes.sampling import RUN_NAMES, CaseRecord, CaseRun, DensityScore

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
        places=places, mean_density=scores[0], map_density=scores[1], log_evidence=-9.0, pareto_shape=0.3,
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
        "proliferation_number": (3.0, 0.1), "mean_distance": 0.02, "truth_distance": 0.05, "num_simulations": 1000,
        "effective_samples": 60.0, "seconds": 12.0,
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
        dice_core=0.5, dice_whole=0.7, num_simulations=2100, seconds=30.0, concerns=("few samples",),
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
        way("posterior of the database", log_evidence=NAN, num_simulations=0, refusal="", effective_samples=10.0),
        way("refused", diffusion_length_mm=(NAN, NAN), refusal="too few tumors carry it"),
    ),
    conditions=CALM,
)  # fmt: skip
