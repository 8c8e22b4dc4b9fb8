"""Shapley values by sampled orders against the definition itself, over all coalitions, and against the package shap."""

import itertools
import math
import warnings

import numpy as np
import pytest

from automl_assets.explanation.shapley import Shapley, shapley

NAMES = ("a", "b", "c", "d")


def model(x: np.ndarray) -> np.ndarray:
    """Two outputs with effects of two and of three columns together, [n_rows, 4] -> [n_rows, 2]."""
    first = 2 * x[:, 0] - x[:, 1] * x[:, 2] + np.abs(x[:, 3])
    return np.column_stack([first, x[:, 0] * x[:, 1] * x[:, 3]])


def answer(feeds) -> np.ndarray:
    return model(np.hstack([feeds[name] for name in NAMES]))


def feeds_of(x: np.ndarray) -> dict[str, np.ndarray]:
    return {name: x[:, i : i + 1] for i, name in enumerate(NAMES)}


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6, 4))


@pytest.fixture
def background() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(300, 4))


def by_definition(row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Weighted gains over all coalitions [n_columns, n_outputs] (Shapley 1953)."""

    def worth(present: tuple[int, ...]) -> np.ndarray:
        mixed = background.copy()
        mixed[:, list(present)] = row[list(present)]
        return model(mixed).mean(axis=0)

    values = np.zeros((4, 2))
    for column in range(4):
        rest = [other for other in range(4) if other != column]
        for size in range(4):
            share = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
            for present in itertools.combinations(rest, size):
                values[column] += share * (worth((*present, column)) - worth(present))
    return values


def sampled(rows: np.ndarray, background: np.ndarray) -> Shapley:
    players = [(name,) for name in NAMES]
    return shapley(answer, feeds_of(rows), feeds_of(background), players, np.random.default_rng(0), np.inf)


def test_sampled_orders_come_near_the_definition(rows: np.ndarray, background: np.ndarray) -> None:
    found = sampled(rows, background)
    expected = np.stack([by_definition(row, background) for row in rows])
    assert found.n_passes == 300
    np.testing.assert_allclose(found.base, model(background).mean(axis=0))
    np.testing.assert_allclose(found.contributions, expected, atol=0.06)


def test_the_package_shap_says_the_same(rows: np.ndarray, background: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        masker = shap.maskers.Independent(background, max_samples=len(background))
        peer = shap.PermutationExplainer(model, masker, seed=0)(rows, max_evals=2000, silent=True)
    found = sampled(rows, background)
    np.testing.assert_allclose(peer.base_values[0], found.base, atol=1e-8)
    np.testing.assert_allclose(found.contributions, peer.values, atol=0.06)


def test_contributions_add_up_after_any_number_of_passes(rows: np.ndarray, background: np.ndarray) -> None:
    players = [("a",), ("b", "d"), ("c",)]
    hurried = shapley(answer, feeds_of(rows), feeds_of(background), players, np.random.default_rng(0), deadline=0.0)
    assert hurried.n_passes == 1 and hurried.contributions.shape == (6, 3, 2)
    np.testing.assert_allclose(hurried.base + hurried.contributions.sum(axis=1), model(rows))
    np.testing.assert_allclose(hurried.base, model(background).mean(axis=0))


def test_a_row_gets_the_same_whatever_is_asked_beside_it(rows: np.ndarray, background: np.ndarray) -> None:
    among, alone = sampled(rows, background), sampled(rows[3:4], background)
    np.testing.assert_allclose(among.contributions[3:4], alone.contributions)
    np.testing.assert_array_equal(among.base, alone.base)


def test_standard_errors_say_how_far_off_contributions_are(rows: np.ndarray, background: np.ndarray) -> None:
    found, expected = sampled(rows, background), np.stack([by_definition(row, background) for row in rows])
    off = np.abs(found.contributions - expected)
    assert (off <= 3 * found.errors + 1e-9).mean() > 0.95
    assert found.errors.max() < 0.2


def test_large_tables_are_taken_in_parts(
    rows: np.ndarray, background: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_assets.explanation.shapley.MOST_CELLS", 32)  # two rows at a time
    found = sampled(rows, background)
    expected = np.stack([by_definition(row, background) for row in rows])
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), model(rows))
    np.testing.assert_allclose(found.contributions, expected, atol=0.06)


def test_one_player_gets_everything(rows: np.ndarray, background: np.ndarray) -> None:
    found = shapley(answer, feeds_of(rows), feeds_of(background), [NAMES], np.random.default_rng(0), deadline=np.inf)
    np.testing.assert_allclose(found.base + found.contributions[:, 0], model(rows))
