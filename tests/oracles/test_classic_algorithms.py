"""The classic algorithms beside scikit-learn's own answers: margins before odds are learnt from them, leaves, rounds."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import Lasso
from sklearn.metrics import log_loss
from sklearn.naive_bayes import BernoulliNB, MultinomialNB
from sklearn.svm import SVC

from automl_assets import registry
from automl_assets.learning.fitting import TargetScale
from automl_assets.learning.linear_scores import linear_scores
from automl_assets.parts import FitContext, Rows, link_scores
from automl_assets.records import Problem
from automl_assets.tabular.algorithms import bernoulli_naive_bayes, multinomial_naive_bayes, svm

THREE = Problem("classification", "log_loss", classes=("a", "b", "c"))
REGRESSION = Problem("regression", "root_mean_squared_error")


def _rows(n_classes: int, n_rows: int = 240) -> Rows:
    random = np.random.default_rng(0)
    x = random.normal(size=(n_rows, 5)).astype(np.float32)
    y = np.digitize(x[:, 0] + x[:, 1] ** 2, np.linspace(-0.5, 2, n_classes + 1)[1:-1])
    return Rows(x, y, random.uniform(0.5, 2.0, n_rows))


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_svm_margins_are_the_means_of_scikit_learns_pairwise_margins(n_classes):
    rows = _rows(n_classes)
    kernel = svm._classes({"C": 3.0, "width": 1.0}, rows)
    learner = SVC(C=3.0, gamma=kernel.gamma, decision_function_shape="ovo").fit(rows.x, rows.y, rows.weight)
    pairwise = learner.decision_function(rows.x).reshape(len(rows.y), -1)
    if n_classes == 2:
        expected = pairwise
    else:
        pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
        wins = np.array([[(c == i) * 1 - (c == j) for c in range(n_classes)] for i, j in pairs])
        expected = pairwise @ wins / (n_classes - 1)
    np.testing.assert_allclose(svm._predict(kernel, rows.x), expected, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_naive_bayes_scores_are_scikit_learns_log_odds(n_classes):
    rows = _rows(n_classes)
    above = Rows((rows.x > 0).astype(np.float32), rows.y, rows.weight)
    for part, oracle in ((bernoulli_naive_bayes, BernoulliNB), (multinomial_naive_bayes, MultinomialNB)):
        first = 0.7 if part is bernoulli_naive_bayes else {"alpha": 0.7}
        scores = linear_scores(part._shares(first, above), above.x)
        log = oracle(alpha=0.7).fit(above.x, rows.y, rows.weight).predict_log_proba(above.x)
        expected = np.diff(log, axis=1) if n_classes == 2 else log - log.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_lasso_lars_reaches_the_optimum_of_coordinate_descent_under_weights():
    rows = _rows(2)
    y = rows.x[:, 0] - 0.5 * rows.x[:, 3] + np.random.default_rng(1).normal(scale=0.2, size=len(rows.y))
    part = registry.algorithms("tabular")["lasso_lars"]
    model = part.fit({"alpha": 0.05}, Rows(rows.x, y, rows.weight), None, FitContext(REGRESSION))
    scale = TargetScale.of(y, rows.weight)
    oracle = Lasso(alpha=0.05, tol=1e-10).fit(rows.x.astype(float), scale.apply(y), sample_weight=rows.weight)
    np.testing.assert_allclose(part.predict(model, rows.x)[:, 0], scale.undo(oracle.predict(rows.x)), atol=1e-5)


def test_lasso_lars_survives_columns_that_say_the_same():
    """Least angles of these columns give coefficients of 1e14 that cancel out, and single precision another answer."""
    random = np.random.default_rng(0)
    base = random.normal(size=(200, 20))
    category = np.eye(6)[random.integers(0, 6, 200)]
    x = np.hstack([base, base, category, category[:, ::-1], 1 - category]).astype(np.float32)
    y = base @ random.normal(size=20) + 0.5 * random.normal(size=200)
    part = registry.algorithms("tabular")["lasso_lars"]
    model = part.fit({"alpha": 0.001}, Rows(x, y), None, FitContext(REGRESSION))
    answers = part.predict(model, x)[:, 0]
    single = x @ model.coefficients.astype(np.float32)[:, 0] + np.float32(model.intercept[0])
    np.testing.assert_allclose(single, answers, atol=1e-4 * y.std())
    assert np.corrcoef(answers, y)[0, 1] > 0.9


def test_svm_learns_from_no_more_numbers_than_it_may():
    x = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    part = registry.algorithms("tabular")["svm"]
    model = part.fit(
        {"C": 1.0, "width": 1.0, "epsilon": 0.0}, Rows(x, x[:, 0].astype(float)), None, FitContext(REGRESSION)
    )
    assert model.support.size <= svm.MAX_NUMBERS


def test_a_leaf_of_the_decision_tree_counts_its_rows_and_some_of_the_mean_class_shares():
    rows = _rows(3)
    part = registry.algorithms("tabular")["decision_tree"]
    config = {"max_depth": 4, "min_samples_leaf": 5, "prior_rows": 3.0}
    model = part.fit(config, Rows(rows.x, rows.y), None, FitContext(THREE))
    leaf = model.estimator.apply(rows.x)
    answers, shares = np.eye(3)[rows.y], np.bincount(rows.y) / len(rows.y)
    expected = [(answers[leaf == own].sum(axis=0) + 3 * shares) / ((leaf == own).sum() + 3) for own in leaf]
    np.testing.assert_allclose(part.predict(model, rows.x), expected)


def test_gradient_boosting_keeps_the_round_that_is_best_on_validation_rows():
    rows, further = _rows(3), _rows(3, n_rows=400)
    validation = Rows(further.x[240:], further.y[240:])
    part = registry.algorithms("tabular")["gradient_boosting"]
    config = part.portfolio(THREE)[0] | {"relative_rate": 4.0, "max_features": 1.0}
    model = part.fit(config, Rows(rows.x, rows.y), validation, FitContext(THREE))
    settings = {"learning_rate": 0.2, "max_leaf_nodes": 31, "early_stopping": False}
    oracle = HistGradientBoostingClassifier(**settings, max_iter=model.booster.n_iter_ + 5).fit(rows.x, rows.y)
    losses = [log_loss(validation.y, shares) for shares in oracle.staged_predict_proba(validation.x)]
    assert np.argmin(losses) + 1 == model.booster.n_iter_ < len(losses)
    assert log_loss(validation.y, link_scores(part.predict(model, validation.x), "logit")) == pytest.approx(min(losses))
