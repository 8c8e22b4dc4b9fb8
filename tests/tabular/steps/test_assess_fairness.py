"""Disparities that were planted are found, small groups prove nothing, and figures are fairlearn's."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fairlearn import metrics as reference

from automl_assets.model_records import Fairness
from automl_assets.records import Problem
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.resample import GROUPS, Units
from automl_assets.tabular.steps.assess_fairness import LIMITS, _comparison, _Grouped, _sure, assess_fairness
from tests.learned import with_truth


def compared(case, sensitive: pl.Series, features=None) -> Fairness:
    """On all rows, with one more column, which is sensitive."""
    table = case.dataset.table.with_columns(sensitive.alias("sensitive"))
    features = features or all_judged(case)
    return assess_fairness(replace(case.dataset, table=table), features, case.ensemble, ("sensitive",), seed=0)


def all_judged(case, **changes):
    return with_truth(case.features, split=replace(case.split, is_test=np.ones(case.dataset.n_rows, bool)), **changes)


def answers(case) -> np.ndarray:
    from automl_assets.tabular.steps.predict import answer

    return answer(case.ensemble, case.dataset.table)


def test_rates_that_differ_are_told(learned) -> None:
    case = learned("texts")
    said_yes = answers(case)[:, 1] > 0.5
    sensitive = pl.Series(np.where(said_yes ^ (np.arange(240) % 5 == 0), "favoured", "neglected"))
    (one,) = compared(case, sensitive).comparisons
    assert one.disparities["demographic_parity_ratio"] < 0.5
    assert one.worries[0].startswith("sensitive: demographic_parity_ratio is 0.")
    assert 'for "neglected"' in one.worries[0] and "at least 0.8 is wanted" in one.worries[0]


def test_alike_groups_worry_nobody(learned) -> None:
    case = learned("texts")
    (one,) = compared(case, pl.Series(["even", "odd"] * 120)).comparisons
    assert one.disparities["demographic_parity_ratio"] > 0.8
    assert not [worry for worry in one.worries if "demographic" in worry]


@pytest.mark.parametrize("weighted", [False, True])
def test_figures_are_those_of_fairlearn(learned, weighted: bool) -> None:
    case = learned("texts")
    weight = np.random.default_rng(0).random(240) if weighted else None
    colour = pl.Series(np.random.default_rng(1).choice(["red", "green", "blue"], 240))
    (one,) = compared(case, colour, all_judged(case, weight=weight)).comparisons
    given = {
        "y_true": case.features.truth.y,
        "y_pred": (answers(case)[:, 1] > 0.5).astype(int),
        "sensitive_features": colour.to_numpy(),
        "sample_weight": weight,
    }
    for name in ("demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference"):
        assert one.disparities[name] == pytest.approx(getattr(reference, name)(**given)), name
    red = one.table.filter(pl.col("group") == "red")
    is_red = (colour == "red").to_numpy()
    assert red["n_rows"].item() == is_red.sum()
    rows = [{k: v[is_red] for k, v in given.items() if k in ("y_true", "y_pred")}][0]
    own = None if weight is None else weight[is_red]
    assert red["selection_rate"].item() == pytest.approx(reference.selection_rate(**rows, sample_weight=own))
    assert red["recall"].item() == pytest.approx(reference.true_positive_rate(**rows, sample_weight=own))


def test_a_group_of_few_rows_is_shown_but_not_compared(learned) -> None:
    case = learned("texts")
    sensitive = pl.Series(np.where(np.arange(240) < 5, "few", np.where(np.arange(240) % 2 == 0, "a", "b")))
    (one,) = compared(case, sensitive).comparisons
    shown = {name: is_compared for name, is_compared in one.table.select("group", "is_compared").iter_rows()}
    assert shown == {"a": True, "b": True, "few": False}
    alone = pl.Series(np.where(np.arange(240) < 5, "few", "many"))
    (lonely,) = compared(case, alone).comparisons
    assert (lonely.disparities, lonely.worries) == ({}, ())


def test_a_group_without_positives_has_no_recall(learned) -> None:
    case = learned("texts")
    sensitive = pl.Series(np.where(case.features.truth.y == 1, "all of them", "none of them"))
    (one,) = compared(case, sensitive).comparisons
    recall = dict(one.table.select("group", "recall").iter_rows())
    assert np.isnan(recall["none of them"]) and recall["all of them"] > 0.5


def test_numbers_and_gaps_become_groups(learned) -> None:
    case = learned("regression")
    (one,) = compared(case, pl.Series([None if i % 6 == 0 else i for i in range(240)])).comparisons
    names = one.table["group"].to_list()
    assert len(names) == 5 and names[0].startswith("up to ") and names[-1] == "(missing)"
    assert one.table["n_rows"].sum() == 240 and one.table["n_rows"].min() >= 40
    assert set(one.table.columns[3:]) == {"mean_prediction", "mean_error", "mean_absolute_error", "root_mean_squared_error"}  # fmt: skip


def test_errors_of_a_regression_that_differ_are_told(learned) -> None:
    case = learned("regression")
    is_worse = np.arange(240) % 2 == 0
    y = np.where(is_worse, case.features.truth.y + 8000.0, case.features.truth.y)
    (one,) = compared(case, pl.Series(np.where(is_worse, "worse", "better")), all_judged(case, y=y)).comparisons
    assert one.disparities["mean_absolute_error_ratio"] < 0.5
    assert one.worries and 'for "worse"' in one.worries[0]
    assert one.disparities["mean_error_difference"] == pytest.approx(8000, rel=0.2)


def test_of_several_classes_the_worst_counts(learned) -> None:
    case = learned("three_texts")
    said = answers(case).argmax(axis=1)
    (one,) = compared(case, pl.Series(np.where(said == 2, "x", "y"))).comparisons
    assert one.disparities["demographic_parity_ratio"] == 0.0
    assert one.disparities["demographic_parity_difference"] == 1.0
    assert {"accuracy", "recall_macro", "precision_macro"} < set(one.table.columns)


def test_the_picture_is_drawn(learned) -> None:
    found = compared(learned("texts"), learned("texts").dataset.table["colour"])
    assert [picture.name for picture in found.pictures] == ["groups_of_sensitive"]
    assert found.pictures[0].image.startswith(b"\x89PNG")


def test_columns_without_time_are_left_out_and_told(learned) -> None:
    case = learned("texts")
    made = assess_fairness(case.dataset, case.features, case.ensemble, ("colour", "label"), seed=0, seconds=0.0)
    assert (made.comparisons, made.pictures, made.left_out) == ((), (), ("colour", "label"))


TWO = Problem("classification", "accuracy", ("no", "yes"), positive=1)
VALUE = Problem("regression", "mean_absolute_error")


def drawn(problem: Problem, n_groups: int, n_each: int, seed: int, gap: float = 0.0) -> _Grouped:
    """Groups that are treated alike but for the first, by a gap in its recall, or by how much larger its errors are."""
    random, group = np.random.default_rng(seed), np.repeat(np.arange(n_groups), n_each)
    if not problem.classes:
        truth, errors = random.normal(size=len(group)), random.standard_t(4, len(group))
        return _Grouped(Answers("test", truth, truth + errors * np.where(group == 0, 1 + gap, 1)), group, problem)
    truth = (random.random(len(group)) < 0.3).astype(int)
    said = (random.random(len(group)) < np.where(truth == 1, 0.7 - gap * (group == 0), 0.15)).astype(int)
    return _Grouped(Answers("test", truth, np.eye(2)[said]), group, problem)


def is_warned(rows: _Grouped) -> bool:
    sure = _sure(rows)
    return any(limit.is_broken(sure[name]) for name, limit in LIMITS.items() if name in sure)


@pytest.mark.parametrize("problem", [TWO, VALUE], ids=["classes", "values"])
@pytest.mark.parametrize(("n_groups", "n_each"), [(2, 50), (5, 50), (5, 200)])
def test_groups_that_are_treated_alike_are_seldom_warned_of(problem: Problem, n_groups: int, n_each: int) -> None:
    assert np.mean([is_warned(drawn(problem, n_groups, n_each, seed)) for seed in range(60)]) <= 0.05


@pytest.mark.parametrize(("problem", "gap"), [(TWO, 0.45), (VALUE, 1.0)], ids=["classes", "values"])
def test_a_real_difference_is_found_among_200_rows(problem: Problem, gap: float) -> None:
    assert np.mean([is_warned(drawn(problem, 5, 200, seed, gap)) for seed in range(40)]) >= 0.9


def test_chance_worries_nobody_although_the_figures_lie_beyond_their_limit() -> None:
    for seed in range(3):
        rows = drawn(TWO, 5, 50, seed)
        one = _comparison(pl.Series("group", rows.codes.astype(str)), rows.answers, TWO)
        assert LIMITS["equalized_odds_difference"].is_broken(one.disparities["equalized_odds_difference"])
        assert one.worries == ()
        assert one.sure["equalized_odds_difference"] < one.disparities["equalized_odds_difference"]
        assert one.sure["demographic_parity_ratio"] > one.disparities["demographic_parity_ratio"]


def test_rows_that_hang_together_are_fewer_than_they_look() -> None:
    """The same hundred rows ten times over."""
    once = drawn(TWO, 2, 50, 3, gap=0.2)
    again = np.tile(np.arange(100), 10)
    tied = _Grouped(replace(once.answers.take(again), tied=Units(again, GROUPS)), once.codes[again], TWO)
    alone = _Grouped(once.answers.take(again), once.codes[again], TWO)
    assert _sure(tied)["demographic_parity_ratio"] == pytest.approx(_sure(once)["demographic_parity_ratio"], abs=0.08)
    assert _sure(alone)["demographic_parity_ratio"] < _sure(tied)["demographic_parity_ratio"]


def test_rows_that_weigh_nothing_say_nothing() -> None:
    rows = drawn(TWO, 3, 100, 0, gap=0.45)
    weight = np.where(rows.codes == 0, 0.0, 1.0)
    weighted = _Grouped(replace(rows.answers, weight=weight), rows.codes, TWO)
    without = rows.take(np.flatnonzero(weight))
    assert _sure(weighted) == pytest.approx(_sure(without))
