"""Log-odds from margins: finite, right in size, and learnt on rows that the margins' model has not seen."""

import numpy as np
import pytest

from automl_assets.learning import platt_scaling
from automl_assets.learning.linear_scores import Linear, linear_scores
from automl_assets.parts import FitContext, Rows, link_scores
from automl_assets.records import Problem

TWO = FitContext(Problem("classification", "log_loss", classes=("a", "b"), positive=1))
RANDOM = np.random.default_rng(0)


def _share(log_odds: np.ndarray) -> np.ndarray:
    return link_scores(log_odds, "logit")


def test_odds_of_a_known_sigmoid_are_found():
    margin = RANDOM.normal(size=(20_000, 1))
    y = (RANDOM.random(20_000) < 1 / (1 + np.exp(-(3 * margin[:, 0] - 1)))).astype(int)
    odds = platt_scaling.odds_of(margin, y, np.ones(len(y)), 2)
    assert odds.slope == pytest.approx(3, rel=0.05)
    assert odds.offset == pytest.approx(-1, abs=0.1)


def test_weights_count_as_rows():
    margin, y = RANDOM.normal(size=(60, 3)), RANDOM.integers(0, 3, 60)
    weight = RANDOM.integers(1, 4, 60)
    weighted = platt_scaling.odds_of(margin, y, weight.astype(float), 3)
    repeated = platt_scaling.odds_of(np.repeat(margin, weight, axis=0), np.repeat(y, weight), np.ones(weight.sum()), 3)
    # the margins' spread, and so the prior, differs a little between the two
    np.testing.assert_allclose(weighted.slope, repeated.slope, rtol=0.05, atol=0.05)
    np.testing.assert_allclose(weighted.offset, repeated.offset, atol=0.05)


def test_odds_are_finite_where_classes_are_apart_and_where_margins_are_constant():
    y = np.array([0] * 50 + [1] * 50)
    for margin in (np.where(y, 5.0, -5.0)[:, None], np.zeros((100, 1))):
        odds = platt_scaling.odds_of(margin, y, np.ones(100), 2)
        shares = _share(odds.slope * margin + odds.offset)
        assert np.isfinite(shares).all()
        assert ((shares > 0) & (shares < 1)).all()


def test_a_model_that_remembers_noise_becomes_unsure():
    """Its margins on rows it has learnt from would promise certainty."""
    x, y = np.arange(90.0)[:, None], RANDOM.integers(0, 2, 90)
    noise = RANDOM.normal(size=(90, 1))

    def remember(rows: Rows) -> Linear:
        known = dict(zip(rows.x[:, 0], rows.y, strict=True))
        table = np.array([[8.0 * known[i] - 4.0] if i in known else noise[int(i)] for i in x[:, 0]])
        return Linear(table, np.zeros(1))

    def answer(model: Linear, asked: np.ndarray) -> np.ndarray:
        return linear_scores(model, (asked == x[:, 0]).astype(float))

    model = platt_scaling.with_odds(remember, answer, Rows(x, y), TWO)
    assert np.abs(answer(model, x)).max() < 4.0


def test_no_more_parts_are_learnt_than_needed():
    sizes = []

    def learn(rows: Rows) -> Linear:
        sizes.append(len(rows.y))
        return Linear(np.ones((1, 1)), np.zeros(1))

    for n_rows, expected in ((300, [200, 200, 200, 300]), (6000, [4000, 6000])):
        sizes.clear()
        rows = Rows(RANDOM.normal(size=(n_rows, 1)), np.arange(n_rows) % 2)
        platt_scaling.with_odds(learn, linear_scores, rows, TWO)
        assert sizes == expected


def test_every_part_holds_its_share_of_a_rare_class():
    y = np.array([0] * 290 + [1] * 10)
    shares = [int(rest.y.sum()) for _, rest in platt_scaling._parts(Rows(np.zeros((300, 1)), y), 2, 0)]
    assert sorted(shares) == [3, 3, 4]
