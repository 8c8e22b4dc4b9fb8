"""A candidate is given its portfolio, then variants of its default, then what Optuna makes of the scores."""

from dataclasses import replace

import numpy as np

from automl_assets.records import Trial
from automl_assets.registry import algorithms
from automl_assets.steps.suggest import Suggestions, most_trials
from tests.learned import with_truth

KNN = algorithms("tabular")["knn"]


def _nearest(trial, problem):
    return {"n_neighbors": trial.suggest_int("n_neighbors", 1, 100), "weights": "uniform"}


SEARCHED = replace(KNN, space=_nearest, scalers=("min_max", "l2"))


def _told(algorithm, features, score) -> list[dict]:
    """Every configuration suggested when each is answered with a score at once."""
    suggestions, seen = Suggestions(algorithm, features, seed=1), []
    suggestions.most = 30
    for config in suggestions:
        seen.append(config)
        suggestions.tell(Trial("t", "knn", config, "finished", score=score(config)))
    return seen


def test_portfolio_then_variants_then_the_space(learned) -> None:
    features = learned("texts").features
    portfolio = list(KNN.portfolio(features.truth.problem))
    seen = _told(SEARCHED, features, lambda config: 0.5)
    assert seen[: len(portfolio)] == portfolio
    assert seen[len(portfolio) : len(portfolio) + 2] == [portfolio[0] | {"scaler": s} for s in ("min_max", "l2")]
    assert len(seen) == 30
    assert {config.get("scaler") for config in seen[len(portfolio) + 2 :]} == {None, "min_max", "l2"}


def test_few_rows_cannot_tell_a_whole_portfolio_apart(learned) -> None:
    """Of ten configurations that are alike, the best on 100 rows is the luckiest."""
    features = learned("texts").features
    many = replace(KNN, portfolio=lambda problem: [{"n_neighbors": k, "weights": "uniform"} for k in range(1, 11)])
    suggestions = Suggestions(replace(many, space=None, scalers=("min_max", "l2", "max")), features, seed=0)
    suggestions.most = 4
    tried = list(suggestions)
    assert [config["n_neighbors"] for config in tried] == [1, 2, 1, 1]
    assert [config.get("scaler") for config in tried] == [None, None, "min_max", "l2"]


def test_without_a_space_the_portfolio_is_all(learned) -> None:
    features = learned("texts").features
    portfolio = list(KNN.portfolio(features.truth.problem))
    assert list(Suggestions(replace(KNN, space=None, scalers=()), features, seed=0)) == portfolio


def test_the_sampler_learns_from_scores(learned) -> None:
    seen = _told(SEARCHED, learned("texts").features, lambda config: -abs(config["n_neighbors"] - 70))
    distances = [abs(config["n_neighbors"] - 70) for config in seen[6:]]
    assert np.mean(distances[-8:]) < np.mean(distances[:8])


def test_same_seed_same_suggestions(learned) -> None:
    features = learned("texts").features
    first, second = (_told(SEARCHED, features, lambda config: config["n_neighbors"] / 100) for _ in range(2))
    assert first == second


def test_a_failed_suggestion_stops_nothing(learned) -> None:
    suggestions = Suggestions(SEARCHED, learned("texts").features, seed=0)
    suggestions.most = 12
    for config in suggestions:
        suggestions.tell(Trial("t", "knn", config, "failed", "crashed"))


def test_class_weights_are_tried_where_a_class_is_rare(learned) -> None:
    features = learned("texts").features
    rare = with_truth(features, y=np.where(np.arange(len(features.truth.y)) % 20 == 0, 1, 0))
    weights = [{c.get("class_weight") for c in Suggestions(KNN, each, 0)} for each in (features, rare)]
    assert weights == [{None}, {None, "balanced"}]


def test_more_rows_allow_more_trials() -> None:
    allowed = [most_trials(n) for n in (10, 100, 500, 1_000, 2_500, 10_000, 10**6)]
    assert allowed == sorted(allowed)
    assert allowed[0] == 4 and allowed[-1] == 40
