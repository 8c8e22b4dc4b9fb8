"""Decision tree: questions about one column at a time, few enough to be read."""

from collections.abc import Sequence
from typing import Any

from automl_assets.learning.fitting import prepared
from automl_assets.learning.forests import Forest, add_forests, forest_scores
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem

MAX_LEAVES = 10_000


def _portfolio(problem: Problem) -> Sequence[Config]:
    sizes = ((8, 10), (5, 5), (16, 30))
    return [{"max_depth": depth, "min_samples_leaf": least, "prior_rows": 3.0} for depth, least in sizes]


def _space(trial: Any, problem: Problem) -> Config:
    shared = {
        "max_depth": trial.suggest_int("max_depth", 2, 24, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
        "prior_rows": trial.suggest_float("prior_rows", 0.3, 30.0, log=True),
        "ccp_alpha": trial.suggest_float("ccp_alpha", 1e-6, 1e-2, log=True),
    }
    if not problem.classes:
        return shared
    return shared | {"criterion": trial.suggest_categorical("criterion", ("gini", "entropy"))}


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Forest:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    rows, scale = prepared(training, context.problem)
    kind = DecisionTreeClassifier if context.problem.classes else DecisionTreeRegressor
    own = {key: value for key, value in config.items() if key != "prior_rows"}
    tree = kind(**own, max_leaf_nodes=MAX_LEAVES, random_state=context.seed)
    tree.fit(rows.x, rows.y, sample_weight=rows.weight)
    _smooth(tree.tree_, config["prior_rows"])
    return Forest(tree, scale)


def _smooth(tree: Any, prior_rows: float) -> None:
    """Every node answers as if so many more rows had come, with the answer of all: few rows prove no certainty."""
    n_rows = tree.weighted_n_node_samples[:, None, None]
    tree.value[:] = (n_rows * tree.value + prior_rows * tree.value[:1]) / (n_rows + prior_rows)


PART = Algorithm(
    name="decision_tree",
    title="Decision tree",
    tasks=frozenset({"classification", "regression"}),
    view="codes",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=forest_scores,
    to_onnx=add_forests,
    link="probability",
    reference="Breiman et al. 1984; scikit-learn DecisionTreeClassifier and DecisionTreeRegressor, smoothed (Cestnik 1990).",
    kinds=frozenset({"scikitlearn"}),
    time_share=0.05,
)
