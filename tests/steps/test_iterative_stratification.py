"""Parts that hold every label as often as all rows do, also where labels are rare or come together."""

import numpy as np

from automl_assets.steps.iterative_stratification import chosen_share, dealt_parts


def _labels(n_rows: int = 600, seed: int = 0) -> np.ndarray:
    """Six labels, from half of the rows down to six of them; a sixth of the rows have none."""
    random = np.random.default_rng(seed)
    y = (random.random((n_rows, 6)) < np.array([0.5, 0.2, 0.1, 0.05, 0.02, 0.0])).astype(np.int8)
    y[:: n_rows // 6, 5] = 1
    y[3::6] = 0
    return y


def test_folds_hold_the_share_of_each_label() -> None:
    y = _labels()
    part = dealt_parts(y, 5, np.random.default_rng(1))
    counts = np.array([y[part == fold].sum(axis=0) for fold in range(5)])
    assert np.abs(counts - y.sum(axis=0) / 5).max() <= 2
    assert counts[:, 5].min() >= 1  # 6 rows: chance alone leaves one of five folds without, two times in three
    assert np.bincount(part).max() - np.bincount(part).min() <= 4
    by_chance = np.random.default_rng(1).permutation(len(y)) % 5
    assert min(y[by_chance == fold, 5].sum() for fold in range(5)) == 0


def test_the_same_seed_gives_the_same_folds() -> None:
    y = _labels()
    one, other = (dealt_parts(y, 4, np.random.default_rng(7)) for _ in range(2))
    assert (one == other).all()


def test_a_share_is_one_of_each_label_and_stays_as_rows_are_added() -> None:
    y, chance = _labels(), np.random.default_rng(2).random(660)
    before = chosen_share(y, 120, chance[:600])
    assert abs(len(before) - 120) <= 3
    assert np.abs(y[before].sum(axis=0) - y.sum(axis=0) / 5).max() <= 2
    after = chosen_share(np.vstack([y, _labels(60, seed=3)]), 132, chance)
    assert np.isin(before, after).mean() > 0.8
