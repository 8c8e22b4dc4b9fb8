"""Experiments answered once for all tests of the steps, by three quick algorithms in child processes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets import metrics
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import VALID, Candidate, Dataset, Ensemble, Features, Problem, Split, Truth
from automl_assets.registry import tasks
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.load import load
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

QUICK = {
    "classification": ["knn", "logistic_regression"],
    "regression": ["knn", "elastic_net", "extra_trees"],
}


@dataclass(frozen=True)
class Learned:
    """Every record from rows to ensemble."""

    experiment: Experiment
    dataset: Dataset
    split: Split
    features: Features
    candidates: tuple[Candidate, ...]
    ensemble: Ensemble


def _rows() -> tuple[pl.DataFrame, np.ndarray]:
    """The sample of the task: gaps, categories, dates, noise; and the value hidden in it."""
    table, target = tasks()["regression"].sample(0)
    return table.drop(target), table[target].to_numpy()


CASES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "texts": lambda value: np.where(value > np.median(value), "yes", "no"),
    "integers": lambda value: np.digitize(value, np.quantile(value, [0.3, 0.6])) * 2 + 1,  # 1, 3, 5
    "three_texts": lambda value: np.array(["low", "mid", "top"])[np.digitize(value, np.quantile(value, [0.3, 0.6]))],
    "booleans": lambda value: value > np.median(value),
    "regression": lambda value: value * 1000,
}


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learned]:
    """The records of one of CASES, made when first asked for."""

    @cache
    def make(case: str) -> Learned:
        table, value = _rows()
        file = tmp_path_factory.mktemp(case) / "rows.parquet"
        table.with_columns(label=pl.col("colour"), y=pl.Series(CASES[case](value))).write_parquet(file)
        task = "regression" if case == "regression" else "classification"
        asked = {
            "task": task,
            "source": str(file),
            "target": "y",
            "algorithms": QUICK[task],
            "validation": {"folds": 2},
        }
        return _learn(parse(asked, case))

    return make


def with_truth(features: Features, **changes: Any) -> Features:
    """Features of another truth."""
    return replace(features, truth=replace(features.truth, **changes))


Answered = Callable[..., tuple[Ensemble, Truth]]


@pytest.fixture(scope="session")
def answered() -> Answered:
    """An ensemble that has given these out-of-fold predictions for rows of this truth."""

    def make(problem: Problem, y: np.ndarray, predictions: np.ndarray, weight: np.ndarray | None = None):
        known = ~np.isnan(predictions).any(axis=1)
        score = metrics.score(problem.metric, y[known], predictions[known], None, problem)
        split = Split(np.zeros(len(y), bool), np.full((len(y), 1), VALID, np.int8), "all rows")
        truth = Truth(y, weight, problem, split)
        return Ensemble("single", (), None, score, {"single": score}, predictions, None, problem), truth

    return make


def _learn(experiment: Experiment) -> Learned:
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    split = split_rows(dataset, profile, experiment)
    features = featurize(dataset, profile, split, experiment)
    budget = Budget(seconds=600, n_cores=2, max_trials=1)
    candidates = tuple(search(features, part, budget, seed=0) for part in experiment.candidates.values())
    return Learned(
        experiment,
        dataset,
        split,
        features,
        candidates,
        build_ensemble(candidates, features, experiment.ensemble, seed=0),
    )


__all__ = ["answered", "learned", "with_truth"]
