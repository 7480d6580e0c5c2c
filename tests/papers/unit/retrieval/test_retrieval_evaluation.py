"""The comparison of strategies as a whole: scores, timings, cases, growth models, networks."""

import dataclasses
import math

import numpy as np
import pytest
from growing_ball import ball_anatomy, build_balls
from retrieval_fakes import RankingFake, fake_network, fake_strategy, queries_of

from gliofield.errors import DatabaseError, ImageError, ParameterError
from gliofield_papers.queries.retrieval_queries import RegisteredPatient
from gliofield_papers.retrieval import evaluation as retrieval_evaluation
from gliofield_papers.retrieval.cases import equal_bins, nearest_to_middles
from gliofield_papers.retrieval.evaluation import RetrievalEvaluationSettings, evaluate_retrieval
from gliofield_papers.retrieval.networks import learning_curves, network_rows
from gliofield_papers.retrieval.published import PUBLISHED_STRATEGIES
from gliofield_papers.retrieval.strategies import CLASSICAL_NAMES, distinct_labels, named_strategy, published_key

GROUPS = ("real", "real", "synthetic", "synthetic", "synthetic", "papers")
SETTINGS = RetrievalEvaluationSettings(num_direct_queries=1, num_reconstructed=2, num_threads=1)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """Twenty balls."""
    return build_balls(tmp_path_factory.mktemp("balls") / "db", num_tumors=20)


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    """Balls of another seed in three groups, one of them without a core."""
    others = build_balls(tmp_path_factory.mktemp("others") / "db", num_tumors=len(GROUPS), seed=8)
    return queries_of(others, GROUPS, without_core=(3,))


@pytest.fixture(scope="module")
def evaluation(database, queries, tmp_path_factory):
    """Exact, third best, silent, refusing, exhaustive and learned strategies, beside a second database."""
    strategies = [
        fake_strategy("first"),
        fake_strategy("third", shift=2),
        fake_strategy("silent", finds_nothing=True),
        fake_strategy("refusing", refuses=True),
        fake_strategy("slow", is_exhaustive=True),
        fake_strategy("VAE 8", shift=1, network=fake_network(), published="vae-8"),
    ]
    fine = ball_anatomy(num_voxels=16, spacing_mm=1.5)
    other = build_balls(tmp_path_factory.mktemp("fine") / "db", num_tumors=8, seed=3, anatomy=fine)
    return evaluate_retrieval(database, queries, strategies, settings=SETTINGS, compare=other)


def _score(evaluation, label, group="synthetic"):
    return next(score for score in evaluation.scores() if (score.label, score.group) == (label, group))


def test_the_exact_strategy_is_always_right(evaluation):
    """Top-1 of all queries, rank 1, nothing lost, all fifteen shared."""
    score = _score(evaluation, "first")

    assert (score.num_queries, score.top1, score.median_rank, score.worst_rank) == (3, 1.0, 1.0, 1.0)
    assert (score.dice_lost, score.num_shared, score.num_unanswered) == (0.0, 15.0, 0)


def test_a_third_best_answer_is_among_five_but_not_the_first(evaluation):
    """Ranks are shared by equal Dice, so it is third or better; the fifteenth is shared as well."""
    score = _score(evaluation, "third")

    assert score.top5 == score.top15 == 1.0
    assert 1.0 < score.median_rank <= 3.0
    assert score.dice_lost > 0.0


@pytest.mark.parametrize("label", ["silent", "refusing"])
def test_queries_without_an_answer_count_as_misses(evaluation, label):
    """They are in no top n, their rank is infinite, and what they lose is not defined."""
    score = _score(evaluation, label)

    assert (score.num_unanswered, score.top15, score.num_shared) == (3, 0.0, 0.0)
    assert math.isinf(score.median_rank)
    assert math.isnan(score.dice_lost)


def test_a_refusal_is_kept_once_and_has_no_time(evaluation):
    """Whatever the number of queries that met it."""
    result = next(result for result in evaluation.strategies if result.label == "refusing")
    timing = next(timing for timing in evaluation.timings() if timing.label == "refusing")

    assert result.answers.problems == ("nothing of the query is left",)
    assert timing.num_timed == 0
    assert math.isnan(timing.median_s)


def test_slow_strategies_are_asked_the_first_of_each_group(evaluation):
    """One of each here; the others are not counted."""
    result = next(result for result in evaluation.strategies if result.label == "slow")

    assert np.flatnonzero(result.answers.asked).tolist() == [0, 2, 5]
    assert _score(evaluation, "slow").num_queries == 1


def test_a_query_from_nothing_pays_for_loading(evaluation):
    """The database, the index and the median query; the pipeline is not defined without patients."""
    timing = next(timing for timing in evaluation.timings() if timing.label == "first")

    assert timing.with_loading_s == timing.loading_s + timing.median_s
    assert timing.median_s <= timing.p90_s
    assert math.isnan(timing.pipeline_s)


def test_where_an_index_can_rank_alone_that_is_timed(database, queries):
    """The scoring of its hits, which takes longer, is no part of the seconds; the answers are those of the search."""
    strategies = [fake_strategy("whole"), fake_strategy("alone", ranks_alone=True)]

    evaluation = evaluate_retrieval(database, queries, strategies, settings=SETTINGS)

    whole, alone = evaluation.timings()
    assert (whole.is_ranking_alone, alone.is_ranking_alone) == (False, True)
    assert alone.p90_s < RankingFake.SCORING_S
    assert alone.num_timed == len(GROUPS)
    assert _score(evaluation, "alone").top1 == 1.0


def test_a_ranking_that_refuses_is_a_refusal(database, queries):
    """Kept with its reason, without a time."""
    strategy = fake_strategy(ranks_alone=True, refuses=True)

    evaluation = evaluate_retrieval(database, queries, [strategy], settings=SETTINGS)

    assert evaluation.strategies[0].answers.problems == ("nothing of the query is left",)
    assert evaluation.timings()[0].num_timed == 0


def test_conditions_name_where_networks_ran(evaluation, database, queries):
    """Once each; nothing without networks."""
    plain = evaluate_retrieval(database, queries, [fake_strategy()], settings=SETTINGS)

    assert evaluation.conditions.network_devices == ("cpu",)
    assert plain.conditions.network_devices == ()


def test_what_cannot_search_the_database_is_refused_before_anything_is_asked(database, queries):
    """The last strategy's check comes before the first strategy's opening."""
    opened = []

    def opening(*_, **__):
        opened.append(True)
        raise AssertionError

    def refuse(_):
        raise DatabaseError("trained for another grid")

    strategies = [
        dataclasses.replace(fake_strategy("first"), open=opening),
        dataclasses.replace(fake_strategy("last"), check=refuse),
    ]

    with pytest.raises(DatabaseError, match="another grid"):
        evaluate_retrieval(database, queries, strategies, settings=SETTINGS)
    assert not opened


def test_a_failing_way_back_to_a_patient_is_noted(database, queries, monkeypatch):
    """The numbers of all others are kept."""
    name = queries.names[0]
    patient = RegisteredPatient(name=name, files=None, registration=None, seconds={})

    def fail(*_, **__):
        raise ImageError("the scan is gone")

    monkeypatch.setattr(retrieval_evaluation, "measure_way_back", fail)
    evaluation = evaluate_retrieval(
        database, queries, [fake_strategy()], settings=SETTINGS, patients=[patient], notes=["Left out: somebody"]
    )

    assert evaluation.patients == ()
    assert evaluation.notes[0] == "Left out: somebody"
    assert evaluation.notes[1] == f"{name}: the way back to the patient could not be measured (the scan is gone)"


def test_opening_the_database_is_loading(database, queries):
    """Whatever is searched needs it."""
    evaluation = evaluate_retrieval(database, queries, [fake_strategy()], settings=SETTINGS, database_opening_s=5.0)

    assert evaluation.timings()[0].loading_s > 5.0


def test_reconstructions_are_scored_where_there_are_masks(evaluation):
    """The fake keeps whole tumors and half of a core's voxels; the query without core has no Dice of T1Gd."""
    scores = {score.group: score for score in evaluation.reconstructions()}

    assert set(scores) == {"real", "synthetic", "papers", "database"}
    assert (scores["database"].num_flair, scores["database"].dice_flair) == (2, 1.0)
    assert scores["synthetic"].label == "VAE 8 (small)"
    assert scores["synthetic"].dice_flair == 1.0
    assert (scores["synthetic"].num_flair, scores["synthetic"].num_t1gd) == (2, 1)
    assert 0.3 < scores["synthetic"].dice_t1gd < 0.7


def test_growth_models_are_compared_at_equal_n(evaluation):
    """The first eight tumors of either; queries are brought to the finer grid."""
    comparison = evaluation.comparison
    has_core = ~np.isnan(evaluation.best.dice_t1gd)

    assert comparison.num_tumors == 8
    assert [each.num_tumors for each in comparison.databases] == [20, 8]
    assert comparison.best[0].tumor.max() < 8
    assert np.all(comparison.best[0].combined_dice[has_core] <= evaluation.best.combined_dice[has_core])
    assert np.any(comparison.best[0].combined_dice[has_core] < evaluation.best.combined_dice[has_core])
    assert comparison.best[1].dice_flair.shape == (len(GROUPS),)


def test_learning_curves_have_every_part_of_the_loss(evaluation):
    """Loss first, then the divergence, of both modalities."""
    curves = learning_curves(evaluation.strategies)

    assert [(curve.modality, curve.part) for curve in curves] == [
        ("flair", "loss"), ("flair", "kl"), ("t1gd", "loss"), ("t1gd", "kl"),
    ]  # fmt: skip
    assert curves[1].validation == (3.0, 6.0)


def test_a_network_has_a_row_per_group(evaluation):
    """With what was varied, its least validation loss, and the small setting by name."""
    rows = network_rows(evaluation)

    assert [row.group for row in rows] == ["papers", "real", "synthetic"]
    assert (rows[0].kind, rows[0].latent_size, rows[0].setting, rows[0].num_epochs) == ("vae", 8, "small", 2)
    assert rows[0].validation_flair == 0.3


def test_cases_are_picked_from_bins_of_dice(evaluation):
    """Nobody is picked twice or without a core; real patients by the thesis' bins."""
    assert {case.group for case in evaluation.cases} <= {"real", "synthetic"}
    assert len({case.row for case in evaluation.cases}) == len(evaluation.cases)
    assert 3 not in [case.row for case in evaluation.cases]
    for case in evaluation.cases:
        low, high = case.dice_bin
        assert low - 1e-9 <= evaluation.best.combined_dice[case.row] <= high + 1e-9


def test_the_nearest_to_the_middle_is_picked():
    """The first of equal ones; an empty bin gives none, and undefined values belong to no bin."""
    values = np.array([0.61, 0.6, 0.6, 1.4, np.nan])

    assert nearest_to_middles(values, [(1.3, 1.5), (0.9, 1.1), (0.5, 0.7)]) == [(3, (1.3, 1.5)), (1, (0.5, 0.7))]
    assert equal_bins(np.array([np.nan])) == ()


def test_there_must_be_a_strategy(database, queries):
    """An empty comparison says nothing."""
    with pytest.raises(ParameterError, match="at least one way to search"):
        evaluate_retrieval(database, queries, [])


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"num_direct_queries": 0}, "num_direct_queries must be at least 1"), ({"num_reconstructed": -1}, "≥ 0, got -1")],
)
def test_settings_out_of_range_are_refused(settings, message):
    """Named with what came."""
    with pytest.raises(ParameterError, match=message):
        RetrievalEvaluationSettings(**settings)


def test_networks_need_their_file():
    """Their names alone open nothing; unknown names list the known ones."""
    with pytest.raises(ParameterError, match="--checkpoint"):
        named_strategy("vae")
    with pytest.raises(ParameterError, match="Did you mean 'ds64'"):
        named_strategy("ds46")


def test_every_index_of_the_package_without_training_has_a_strategy():
    """What search offers is compared, and a control that it does not offer."""
    from gliofield.retrieval import index_names

    assert set(index_names()) - {"ae", "vae", "hash"} == set(CLASSICAL_NAMES) - {"random-projection"}
    assert [named_strategy(name).is_exhaustive for name in CLASSICAL_NAMES].count(True) == 1


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"kind": "ae", "latent_size": 1024}, "ae"),
        ({"kind": "ae", "latent_size": 64}, None),
        ({"kind": "ae", "latent_size": 8}, None),
        ({"kind": "ae", "latent_size": 1024, "loss": "bce"}, None),
        ({"kind": "ae", "latent_size": 1024, "num_training_tumors": 20_000}, None),
        ({"kind": "hash", "latent_size": 1024}, "hash"),
        ({"kind": "hash", "latent_size": 64}, None),
        ({"latent_size": 1024}, "vae-1024"),
        ({"latent_size": 8}, "vae-8"),
        ({"latent_size": 8, "num_training_tumors": 1_500, "is_small": False}, "vae-8"),
        ({"latent_size": 8, "num_training_tumors": 1_600}, None),
        ({"latent_size": 8, "num_training_tumors": 20_000}, "vae-8-20k"),
        ({"latent_size": 8, "num_training_tumors": 50_000}, None),
        ({"latent_size": 8, "loss": "mse"}, None),
        ({"latent_size": 32}, None),
    ],
)
def test_networks_stand_beside_what_was_published(changes, key):
    """Of their kind, latent size and loss alone, and not beside one trained on fewer tumors."""
    assert published_key(fake_network(**changes)) == key
    assert key is None or key in PUBLISHED_STRATEGIES


def test_labels_are_distinct_and_say_small():
    """Once each, and not twice."""
    strategies = [
        fake_strategy("AE", network=fake_network()),
        fake_strategy("AE", network=fake_network(is_small=False)),
        fake_strategy("AE (small)", network=fake_network()),
    ]

    assert distinct_labels(strategies) == ("AE (small)", "AE", "AE (small) #2")
