"""Random forest: the mean of deep trees, each grown on a bootstrap sample with random features at every split."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.forests import N_TREES, Forest, add_forests, fit_forest, forest_configs, forest_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    features = ("sqrt", 0.5, "log2") if problem.classes else (0.5, 1.0, "sqrt")
    leaves = (2, 3, 1) if problem.classes else (2, 3, 2)
    return forest_configs(features, leaves)


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "n_estimators": N_TREES,
        "max_features": trial.suggest_float("max_features", 0.2, 1.0),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 20, log=True),
        "max_samples": trial.suggest_float("max_samples", 0.5, 1.0),
        "min_impurity_decrease": trial.suggest_float("min_impurity_decrease", 1e-6, 1e-3, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Forest:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if context.problem.classes else RandomForestRegressor
    return fit_forest(kind, config, training, context)


PART = Algorithm(
    name="random_forest",
    title="Random forest",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=forest_scores,
    to_onnx=add_forests,
    link="probability",
    reference="Breiman 2001; scikit-learn RandomForestClassifier and RandomForestRegressor.",
    kinds=frozenset({"scikitlearn"}),
    is_refitted=True,
    time_share=0.7,
)
