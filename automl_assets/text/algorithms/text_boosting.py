"""Boosted trees over a text reduced to a few hundred numbers: the terms that tell the classes apart best, the directions
in which many more of them vary, and the other columns. The trees are those of tables, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from automl_assets import registry
from automl_assets.onnx.graph import DOUBLE, FLOAT, Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows
from automl_assets.records import Problem
from automl_assets.stored import stored_as
from automl_assets.text.models.term_scores import columns_of
from automl_assets.text.records import TextInputs, TextTensors

MOST_PROJECTED = 3_000  # terms that the directions are made of
TERMS = ("words", "characters")


@stored_as("text.text_boosting.Model")
@dataclass(frozen=True)
class Boosted:
    """Which columns become what, and the trees over that. Sums are made in double: a tree trips over the last digit."""

    chosen: np.ndarray  # int64 [n_chosen], columns that stay as they are
    projected: np.ndarray  # int64 [n_projected], columns that the directions are made of
    directions: np.ndarray  # float64 [n_projected, n_directions]
    trees: Any

    def reduced(self, x: TextInputs) -> np.ndarray:
        """float32 [n_rows, n_chosen + n_directions + n_others]"""
        terms = _terms(x)
        along = terms[:, self.projected].astype(np.float64) @ self.directions
        return np.hstack([terms[:, self.chosen].toarray(), along, x.others], dtype=np.float32, casting="same_kind")


def _trees() -> Algorithm:
    return registry.algorithms("tabular")["lightgbm"]


def _terms(x: TextInputs) -> Any:
    """csr_matrix float32 [n_rows, n_terms]"""
    return columns_of(x, TERMS)


def _portfolio(problem: Problem) -> Sequence[Config]:
    """Many columns say much the same, so that trees see few of them at a split."""
    default = {
        **{"chosen": 1000, "directions": 100, "relative_rate": 1.0, "rounds": 200},
        **{"num_leaves": 15, "feature_fraction": 0.3, "min_data_in_leaf": 10},
    }
    return [default, default | {"chosen": 300, "directions": 64, "num_leaves": 7}]


def _space(trial: Any, problem: Problem) -> Config:
    return {
        "chosen": trial.suggest_int("chosen", 100, 2000, log=True),
        "directions": trial.suggest_int("directions", 16, 200, log=True),
        "relative_rate": trial.suggest_float("relative_rate", 0.4, 1.2, log=True),
        "rounds": 200,
        "num_leaves": trial.suggest_int("num_leaves", 3, 63, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.1, 0.8, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 3, 64, log=True),
    }


def _fit(config: Config, training: Rows, validation: Rows | None, context: FitContext) -> Boosted:
    own = {key: value for key, value in config.items() if key not in ("chosen", "directions")}
    model = _reduction(config, training, context)
    rows = replace(training, x=model.reduced(training.x))
    unseen = replace(validation, x=model.reduced(validation.x)) if validation else None
    return replace(model, trees=_trees().fit(own, rows, unseen, context))


def _reduction(config: Config, training: Rows, context: FitContext) -> Boosted:
    """The classes are looked at, so this belongs inside of a fold."""
    terms = _terms(training.x)
    telling = np.argsort(-_chi_squared(terms, training.y), kind="stable")
    projected = np.sort(telling[:MOST_PROJECTED])
    directions = _directions(terms[:, projected], config["directions"], context.seed)
    return Boosted(np.sort(telling[: config["chosen"]]), projected, directions, None)


def _chi_squared(terms: Any, y: np.ndarray) -> np.ndarray:
    """How much each term tells the classes apart, float64 [n_terms]; nothing where it never occurs."""
    from sklearn.feature_selection import chi2

    if terms.shape[1] == 0 or len(np.unique(y)) < 2:
        return np.zeros(terms.shape[1])
    with np.errstate(all="ignore"):
        return np.nan_to_num(chi2(terms, y)[0])


def _directions(terms: Any, n_directions: int, seed: int) -> np.ndarray:
    """Of a truncated singular value decomposition (Deerwester et al. 1990), float64 [n_terms, n_directions]."""
    from sklearn.decomposition import TruncatedSVD

    most = min(n_directions, min(terms.shape) - 1)
    if most < 1:
        return np.zeros((terms.shape[1], 0))
    return TruncatedSVD(most, random_state=seed).fit(terms).components_.T.astype(np.float64)


def _with_rounds_of(config: Config, model: Boosted) -> Config:
    return _trees().with_rounds_of(config, model.trees)


def _predict(model: Boosted, x: TextInputs) -> np.ndarray:
    return _trees().predict(model.trees, model.reduced(x))


def _to_onnx(models: Sequence[Boosted], graph: Graph, x: TextTensors) -> str:
    terms = graph.node("Concat", x.words, x.characters, axis=1)
    raws = [_trees().to_onnx([model.trees], graph, _add_reduced(model, graph, terms, x.others)) for model in models]
    return raws[0] if len(raws) == 1 else graph.node("Mean", *raws)


def _add_reduced(model: Boosted, graph: Graph, terms: str, others: str) -> str:
    """The same as `reduced`."""
    parts = [graph.node("Gather", terms, graph.constant(model.chosen), axis=1)]
    if model.directions.shape[1]:
        exact = graph.node("Cast", graph.node("Gather", terms, graph.constant(model.projected), axis=1), to=DOUBLE)
        along = graph.node("MatMul", exact, graph.constant(model.directions))
        parts.append(graph.node("Cast", along, to=FLOAT))
    return graph.node("Concat", *parts, others, axis=1)


PART = Algorithm(
    name="text_boosting",
    title="Boosted trees over reduced terms",
    tasks=frozenset({"text_classification"}),
    view="terms",
    portfolio=_portfolio,
    space=_space,
    fit=_fit,
    predict=_predict,
    with_rounds_of=_with_rounds_of,
    to_onnx=_to_onnx,
    link="logit",
    reference="Ke et al. 2017 (LightGBM), Deerwester et al. 1990 (latent semantic analysis).",
    kinds=frozenset({"lightgbm"}),
    requires="lightgbm",
    preload=("lightgbm",),
)
