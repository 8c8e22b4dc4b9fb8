"""Extra trees over descriptors: the mean of deep trees that cut at random thresholds."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.forests import N_TREES, Forest, add_forests, fit_forest, forest_configs, forest_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem


def _portfolio(problem: Problem) -> Sequence[Config]:
    return forest_configs((0.2, "sqrt"), (1, 1))


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "n_estimators": N_TREES,
        "max_features": trial.suggest_float("max_features", 0.03, 0.6, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 5),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Forest:
    from sklearn.ensemble import ExtraTreesClassifier

    return fit_forest(ExtraTreesClassifier, config, training, context)


PART = Algorithm(
    name="extra_trees",
    title="Extra trees over descriptors",
    tasks=frozenset({"image_classification"}),
    view="descriptors",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=forest_scores,
    to_onnx=add_forests,
    link="probability",
    reference="Geurts, Ernst and Wehenkel 2006; scikit-learn ExtraTreesClassifier.",
    kinds=frozenset({"scikitlearn"}),
    is_refitted=True,
    time_share=0.7,
)
