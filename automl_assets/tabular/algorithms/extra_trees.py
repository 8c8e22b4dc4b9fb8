"""Extra trees: the mean of deep trees that cut at random thresholds, which smooths more than a random forest."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.forests import N_TREES, Forest, add_forests, fit_forest, forest_configs, forest_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    features = ("sqrt", 0.75, 1.0) if problem.classes else (1.0, 0.75, 0.5)
    leaves = (2, 1, 4) if problem.classes else (1, 3, 1)
    return forest_configs(features, leaves)


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "n_estimators": N_TREES,
        "max_features": trial.suggest_float("max_features", 0.3, 1.0),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 10, log=True),
        "min_impurity_decrease": trial.suggest_float("min_impurity_decrease", 1e-6, 1e-3, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Forest:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if context.problem.classes else ExtraTreesRegressor
    return fit_forest(kind, config, training, context)


PART = Algorithm(
    name="extra_trees",
    title="Extra trees",
    tasks=frozenset({"classification", "regression", "forecasting"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=forest_scores,
    to_onnx=add_forests,
    link="probability",
    reference="Geurts, Ernst and Wehenkel 2006; scikit-learn ExtraTreesClassifier and ExtraTreesRegressor.",
    is_essential=True,
    kinds=frozenset({"scikitlearn"}),
    is_refitted=True,
    time_share=0.7,
)
