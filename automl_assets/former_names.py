"""What went by other names in homes that earlier versions wrote. An entry stays as long as such homes are to be opened.

Here belong plain tables from then to now. Nothing else of the code may depend on a name from then.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]

# Classes in models of before 30 November 2026, by the path below automl_assets where they were imported from -> the
# name that `stored_as` gives them.
MODELS: dict[str, str] = {
    "algorithms.tabular.bernoulli_naive_bayes.Switches": "tabular.bernoulli_naive_bayes.Model",
    "algorithms.tabular.catboost.Boosted": "tabular.catboost.Model",
    "algorithms.tabular.explainable_boosting.Additive": "tabular.explainable_boosting.Model",
    "algorithms.tabular.explainable_boosting.Term": "tabular.explainable_boosting.Term",
    "algorithms.tabular.gradient_boosting.Boosted": "tabular.gradient_boosting.Model",
    "algorithms.tabular.knn.Neighbours": "tabular.knn.Model",
    "algorithms.tabular.lightgbm.Boosted": "tabular.lightgbm.Model",
    "algorithms.tabular.mlp.Inputs": "tabular.mlp.Inputs",
    "algorithms.tabular.mlp.Network": "tabular.mlp.Network",
    "algorithms.tabular.svm.Kernel": "tabular.svm.Model",
    "algorithms.tabular.xgboost.Boosted": "tabular.xgboost.Model",
    "algorithms.forecasting.arimax.Regression": "forecasting.arimax.Model",
    "algorithms.forecasting.linear.Linear": "forecasting.linear.Model",
    "algorithms.forecasting.mlp.Perceptron": "forecasting.mlp.Network",
    "algorithms.forecasting.prophet.Curve": "forecasting.prophet.Curve",
    "algorithms.forecasting.prophet.Curves": "forecasting.prophet.Model",
    "algorithms.forecasting.regression.Regression": "forecasting.regression.Model",
    "algorithms.forecasting.tcn.Network": "forecasting.tcn.Network",
    "calendar_features.Calendar": "forecasting.Calendar",
    "calendar_features.Clock": "forecasting.UtcOffsets",
    "calendar_features.Holidays": "forecasting.Holidays",
    "decomposition.Decomposition": "forecasting.Decomposition",
    "design.Design": "forecasting.Regressors",
    "design.Moments": "forecasting.CalendarRegressors",
    "design.Season": "forecasting.Season",
    "innovations.StateModel": "forecasting.StateSpaceModel",
    "lagged.Plan": "forecasting.LagFeatures",
    "lagged.Scales": "forecasting.SeriesScales",
    "lookback.Lookback": "forecasting.WindowNormalization",
    "sight.Sight": "forecasting.NetworkInputs",
    "encodings.Distances": "learning.ClusterDistances",
    "encodings.Lookup": "learning.CategoryEncoding",
    "encodings.TermScores": "learning.TermScores",
    "fitting.TargetScale": "learning.TargetScale",
    "forests.Forest": "learning.Forest",
    "linear.Linear": "learning.LinearModel",
    "preparation.Prepared": "learning.PreparedModel",
    "preparation.Projection": "learning.Projection",
    "preparation.Scaling": "learning.Scaling",
    "preparation.UnitNorm": "learning.UnitNorm",
}

# Modules that a home's dagster.yaml names -> where they are today.
MODULES: dict[str, str] = {
    "automl_assets.resources.event_log": "automl_assets.resources.sqlite_storage",
    "automl_assets.resources.patience": "automl_assets.resources.postgres_storage",
}

# Kinds of records, as `record.json` names them -> as it does today.
RECORDS: dict[str, str] = {
    "DateParts": "tabular.DateParts",
    "Dense": "tabular.DenseView",
    "Embedding": "tabular.TextEmbedding",
    "Featurizer": "tabular.Featurizer",
    "Fill": "tabular.NumberImputation",
    "Frequencies": "tabular.CategoryFrequencies",
    "Learnt": "TrainingData",
    "Levels": "tabular.CategoryCodes",
    "Lost": "Unavailable",
    "Standing": "LeaderboardRow",
    "Terms": "tabular.TextTerms",
}


def renamed(names: Mapping[str, str]) -> Callable[[Fields], Fields]:
    """For `FIELDS`: the same values under the names that they have today.

    >>> renamed({"standings": "rows"})({"metric": "accuracy", "standings": ()})
    {'metric': 'accuracy', 'rows': ()}
    """
    return lambda fields: {names.get(name, name): value for name, value in fields.items()}


def without(*names: str) -> Callable[[Fields], Fields]:
    """For `FIELDS`: the same but for fields that there are no more."""
    return lambda fields: {name: value for name, value in fields.items() if name not in names}


def _truth_apart(fields: Fields) -> Fields:
    """Features held the truth and the matrices of a table among their own fields."""
    if "truth" in fields:
        return fields
    truth = {name: fields[name] for name in ("y", "weight", "problem", "split")}
    inputs = {name: fields[name] for name in ("codes", "dense")}
    return {
        "truth": {"$record": "Truth"} | truth,
        "inputs": {"$record": "TableInputs"} | inputs,
        **{name: fields[name] for name in ("featurizer", "columns")},
    }


# What a CRF looked at before its table of attributes said so itself: aspects, and how many tokens to the right.
_ENTITY_TEMPLATES = (
    (("written", 0),),
    *((("word", place),) for place in (-3, -2, -1, 0, 1, 2, 3)),
    *((("shape", place),) for place in (-2, -1, 0, 1, 2)),
    *((("kind", place),) for place in (-2, -1, 0, 1, 2)),
    *(((name, 0),) for name in ("begins_2", "begins_3", "begins_4", "ends_1", "ends_2", "ends_3", "ends_4")),
    *((("ends_3", place),) for place in (-1, 1)),
    *((("word", place), ("word", place + 1)) for place in (-2, -1, 0, 1)),
    *((("kind", place), ("kind", place + 1)) for place in (-1, 0)),
    (("kind", -1), ("kind", 0), ("kind", 1)),
    (("word", -1), ("kind", 0)),
    (("kind", 0), ("word", 1)),
    (("word", -1), ("word", 1)),
)

# Kind of a record or model, as it is called today -> what makes its fields of then into those of today, as they are
# stored: of a record in its JSON, of a model pickled. It is given fields of today as well, and leaves them alone.
FIELDS: dict[str, Callable[[Fields], Fields]] = {
    "OnnxModel": without("raw"),
    "Features": _truth_apart,
    "entities.AttributeTable": lambda fields: {"templates": _ENTITY_TEMPLATES, "statistics": {}, **fields},
    "Contributions": lambda fields: {"n_compared": fields["n_background"], **fields},
}
