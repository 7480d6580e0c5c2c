"""Results of evaluations made up of a few numbers, to draw figures from."""

import numpy as np
from phantom_brain import phantom_tissue_maps

from gliofield.growth import FisherKolmogorovParameters
from gliofield.learning import EpochRecord, TrainingHistory
from gliofield.metrics import MaskAgreement
from gliofield_papers.errors_by_tissue import INVERSE_LEVELS, SURROGATE_LEVELS, DensityErrors, MeanValue
from gliofield_papers.forward.evaluation import SurrogateEvaluation, SurrogateScore
from gliofield_papers.forward.times import SurrogateAtTimes, TumorAtTimes
from gliofield_papers.inverse.comparison import AxialSlice, MethodAnswer
from gliofield_papers.inverse.evaluation import InverseEvaluation, InverseEvaluationSettings, InverseScore

HISTORY = TrainingHistory(
    epochs=tuple(
        EpochRecord(
            epoch=epoch, training={"loss": 1.0 / epoch}, validation={"loss": 2.0 / epoch}, learning_rate=0.1,
            seconds=1.0, num_samples=4,
        )
        for epoch in (1, 2)
    ),
    best_epoch=2,
    is_stopped_early=False,
)  # fmt: skip
TISSUES = ("white_matter", "gray_matter", "csf")


def inverse_evaluation(names=("joint.safetensors",), *, dice=0.5):
    """Scores whose Dice falls from `dice` + 0.3 to `dice` - 0.3 over the levels; the last level has no value."""

    def errors(name):
        """Three tumors; later networks are worse by 0.1."""
        more = 0.1 * names.index(name)
        return tuple(
            DensityErrors(
                published=dict.fromkeys(TISSUES, error + more),
                union=dict.fromkeys((*TISSUES, "all"), error + more),
                dice=dict.fromkeys(INVERSE_LEVELS, 0.9 - error - more),
            )
            for error in (0.1, 0.2, 0.3)
        )

    def score(name):
        falling = np.linspace(dice + 0.3, dice - 0.3, len(INVERSE_LEVELS))
        by_level = {
            level: MeanValue.of([middle - 0.1, middle + 0.1])
            for level, middle in zip(INVERSE_LEVELS, falling, strict=True)
        }
        by_level[INVERSE_LEVELS[-1]] = MeanValue.of([float("nan")])
        value = MeanValue.of([0.1])
        return InverseScore(
            name=name, growth_model="fisher-kolmogorov", targets="{μ1, μ2, x}", is_small=True, num_training_tumors=4,
            num_members=1, published=dict.fromkeys(TISSUES, value), union=dict.fromkeys((*TISSUES, "all"), value),
            dice=by_level, location_mm=value, location_axis_mm=value, num_clamped=0, seed_moved_mm=value,
            num_not_simulated=0, num_without_core=0, network_s=0.1, simulation_s=0.1,
            floor=dict.fromkeys(TISSUES, value), errors=errors(name),
        )  # fmt: skip

    return InverseEvaluation(
        settings=InverseEvaluationSettings(),
        num_tumors=2,
        architecture="abacus",
        num_cores=1,
        load_average=0.0,
        scores=tuple(score(name) for name in names),
    )


def surrogate_evaluation(dice_by_tumor, names=("poor.safetensors",), *, device="cpu", solver_batched_s=float("nan")):
    """Surrogates with these Dice at every level, a value per tumor, and errors of (1 - Dice)/10.

    In CSF 0.03 for the network alone, undefined for the model.
    """

    def errors(dice, *, csf=float("nan")):
        published = {"white_matter": (1.0 - dice) / 10.0, "gray_matter": (1.0 - dice) / 10.0, "csf": csf}
        return DensityErrors(
            published=published, union=published | {"all": 0.1}, dice=dict.fromkeys(SURROGATE_LEVELS, dice)
        )

    def score(name):
        value = MeanValue.of([0.1])
        return SurrogateScore(
            name=name, tissues="csf", loss="tumor-and-csf", is_small=True, published=dict.fromkeys(TISSUES, value),
            union=dict.fromkeys((*TISSUES[:2], "all"), value), dice=dict.fromkeys(SURROGATE_LEVELS, value),
            network_dice=dict.fromkeys(SURROGATE_LEVELS, value), dice_by_time={50.0: value}, single_s=0.1,
            batched_s=0.1, history=HISTORY, errors=tuple(errors(dice) for dice in dice_by_tumor),
            network_errors=tuple(errors(dice, csf=0.03) for dice in dice_by_tumor),
        )  # fmt: skip

    return SurrogateEvaluation(
        num_samples=len(dice_by_tumor),
        num_anatomies=1,
        spacing_mm=2.0,
        device=device,
        architecture="abacus",
        num_cores=1,
        load_average=0.0,
        num_threads=1,
        solver_s=0.1,
        solver_batched_s=solver_batched_s,
        num_timed=1,
        scores=tuple(score(name) for name in names),
    )


def method_answer(query, method, *, failure="", shape=(28, 34), index=10, has_slice=True):
    """An answer of Dice 0.25 + 0.75 with a square tumor on its slice, or a failure."""
    core, whole = np.zeros((*shape, 1), bool), np.zeros((*shape, 1), bool)
    core[10:14, 12:16], whole[8:16, 10:18] = True, True
    density = None if failure else 0.3 * whole.astype(np.float32) + 0.5 * core
    shown = AxialSlice(index=index, tumor_core=core, whole_tumor=whole, cell_density=density)
    return MethodAnswer(
        query=query,
        group="real",
        method=method,
        agreement=None if failure else MaskAgreement(dice_t1gd=0.25, dice_flair=0.75),
        caption="" if failure else "Dice 0.25 + 0.75",
        failure=failure,
        seconds=0.1,
        axial_slice=shown if has_slice else None,
    )


def tumor_at_times(names, times=(50.0, 100.0, 150.0), *, difference=0.25):
    """A square tumor of density 0.5 at each time, which surrogates find too dense by a difference."""
    maps = phantom_tissue_maps()
    shape = maps.grid.shape
    density = np.zeros((len(times), *shape[:2], 1), np.float32)
    density[:, 30:40, 30:40] = 0.5
    found = tuple(
        SurrogateAtTimes(name=name, cell_density=density * (1.0 + 2.0 * difference), dice=(float("nan"), 0.5, 0.75))
        for name in names
    )
    return TumorAtTimes(
        sample=3,
        parameters=FisherKolmogorovParameters(
            white_matter_diffusivity_mm2_per_day=0.05, proliferation_rate_per_day=0.02, seed_mm=(0.0, 0.0, 0.0)
        ),
        times_days=times,
        tissue_maps=maps,
        slice_index=shape[2] // 2,
        solver=density,
        surrogates=found,
    )
