"""XGBoost's trees are read as they are, whichever way its base score is written."""

import json

import numpy as np
import xgboost

from automl_assets.tabular.algorithms.xgboost import read_trees
from tests.exact_trees import assert_exact, data, every_problem, every_share


def _xgboost(n_classes: int, missing: float):
    x, y = data(n_classes, missing)
    objective = {0: "reg:squarederror", 2: "binary:logistic", 4: "multi:softprob"}[n_classes]
    settings = {"objective": objective, "max_depth": 4} | ({"num_class": 4} if n_classes == 4 else {})
    model = xgboost.train(settings, xgboost.DMatrix(x, y), 20)
    raw = bytes(model.save_raw("json"))
    return x, read_trees(raw), lambda rows: model.inplace_predict(rows, predict_type="margin")


@every_problem
@every_share
def test_xgboost_is_exact(n_classes, missing):
    assert_exact(*_xgboost(n_classes, missing))


def test_xgboost_reads_a_base_score_that_is_one_number():
    model = xgboost.train({"max_depth": 1}, xgboost.DMatrix(*data(0, 0.0)), 2)
    document = json.loads(bytes(model.save_raw("json")))
    document["learner"]["learner_model_param"]["base_score"] = "2.5E-1"
    np.testing.assert_array_equal(read_trees(json.dumps(document)).base, [0.25])
