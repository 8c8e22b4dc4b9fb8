"""Who learns, validates and tests: never the same row twice, groups whole, time in order, by the rules at their limits."""

import json
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.errors import DataError, SettingError, SourceError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import TRAIN, VALID, Split
from automl_assets.steps.load import load
from automl_assets.steps.split_rows import _folds_for, split_rows
from automl_assets.tabular.steps.describe import describe

N_ROWS = 120


def _table(n_rows: int = N_ROWS, **columns: object) -> pl.DataFrame:
    numbers = np.random.default_rng(0).normal(size=n_rows)
    return pl.DataFrame({"x": numbers, "y": np.where(np.arange(n_rows) % 4 == 0, "rare", "common")} | columns)


def _split(experiment: Experiment) -> Split:
    dataset = load(experiment)
    return split_rows(dataset, describe(dataset, experiment), experiment)


def _check(split: Split) -> None:
    """What holds for every split: disjoint roles, nobody both tests and learns, no fold without either side."""
    assert not (split.is_test & split.is_training).any()
    for index in range(split.n_folds):
        train, valid = split.fold(index)
        assert len(train) and len(valid)
        assert not set(train) & set(valid)


def test_by_default_a_fifth_tests_and_folds_keep_the_classes(ask) -> None:
    table = _table()
    split = _split(ask(table))
    _check(split)
    assert (split.is_test.sum(), split.n_folds, split.strategy) == (24, 5, "5-fold cross-validation")
    assert ((split.assignment == VALID).sum(axis=1) == ~split.is_test).all()
    rare = (table["y"] == "rare").to_numpy()
    assert rare[split.is_test].mean() == 0.25
    assert {rare[split.fold(i)[1]].sum() for i in range(5)} <= {4, 5}


@pytest.mark.parametrize(
    ("rule", "n_rows", "n_folds"),
    [
        ("auto", 300, 5),
        ("auto", 301, 8),
        ("auto", 30_000, 8),
        ("auto", 30_001, 5),
        ("auto", 100_000, 5),
        ("auto", 100_001, 3),
        ("auto", 500_000, 3),
        ("auto", 500_001, None),
        ("azure", 999, 10),
        ("azure", 1_000, 3),
        ("azure", 20_000, 3),
        ("azure", 20_001, None),
    ],
)
def test_rules_at_their_limits(rule: str, n_rows: int, n_folds: int | None) -> None:
    assert _folds_for(n_rows, rule) == n_folds


def test_many_rows_are_held_out_once(ask) -> None:
    split = _split(ask(_table(20_001), test="none", validation="azure"))
    _check(split)
    assert (split.n_folds, split.strategy) == (1, "10% hold-out")
    assert (split.assignment == VALID).sum() == 2001
    assert (split.assignment == TRAIN).sum() == 18_000


def test_the_rule_counts_rows_that_learn(ask) -> None:
    """1,240 rows less a fifth for the test are 992: at most 999, so ten folds."""
    assert _split(ask(_table(1240), validation="azure")).n_folds == 10
    assert _split(ask(_table(1240), validation="azure", test="none")).n_folds == 3


@pytest.mark.parametrize("validation", [{"folds": 4}, {"fraction": 0.25}, {"fraction": 0.3, "folds": 3}])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_groups_stay_on_one_side(ask, validation: dict, task: str) -> None:
    groups = np.random.default_rng(1).integers(0, 15, N_ROWS)
    answer = {} if task == "classification" else {"y": np.arange(N_ROWS) / 3}
    split = _split(ask(_table(g=groups, **answer), task, group_column="g", validation=validation))
    _check(split)
    assert not set(groups[split.is_test]) & set(groups[~split.is_test])
    for index in range(split.n_folds):
        train, valid = split.fold(index)
        assert not set(groups[train]) & set(groups[valid])


@pytest.mark.parametrize("validation", ["auto", {"folds": 3}, {"fraction": 0.25}])
def test_time_runs_forward(ask, validation: object) -> None:
    order = np.random.default_rng(2).permutation(N_ROWS)
    moments = [datetime(2020, 1, 1) + timedelta(days=int(day)) for day in order]
    split = _split(ask(_table(t=moments), time_column="t", validation=validation))
    _check(split)
    assert order[split.is_test].min() > order[~split.is_test].max()
    for index in range(split.n_folds):
        train, valid = split.fold(index)
        assert order[train].max() < order[valid].min()


def test_the_latest_half_validates_in_five_blocks(ask) -> None:
    split = _split(ask(_table(1_000, t=np.arange(1_000)), test="none", time_column="t"))
    assert (split.n_folds, split.strategy) == (5, "5-fold cross-validation, in time order")
    assert [split.fold(i)[1].tolist() for i in (0, 4)] == [[*range(500, 600)], [*range(900, 1_000)]]
    assert len(split.fold(4)[0]) == 900
    assert split.is_ordered and split.leaves_out


@pytest.mark.parametrize("validation", ["auto", {"fraction": 0.25}])
def test_rows_of_one_time_stay_on_one_side(ask, validation: object) -> None:
    day = np.random.default_rng(3).permutation(np.arange(N_ROWS) // 7)
    split = _split(ask(_table(t=day), time_column="t", validation=validation))
    _check(split)
    assert day[split.is_test].min() > day[~split.is_test].max()
    blocks = [split.fold(index) for index in range(split.n_folds)]
    assert all(day[train].max() < day[valid].min() for train, valid in blocks)
    assert len({tuple(valid) for _, valid in blocks}) == split.n_folds


def test_too_few_times_for_the_folds(ask) -> None:
    table = _table(t=np.arange(N_ROWS) // 30)  # four times, of which the last tests
    assert _split(ask(table, time_column="t")).n_folds == 2
    with pytest.raises(SettingError, match=r'got 4; the times in "t" part the latest half of the rows in 2 at most'):
        _split(ask(table, time_column="t", validation={"folds": 4}))
    with pytest.raises(DataError, match="rows to learn from have the same time, so that none is later"):
        _split(ask(_table(t=[1] * N_ROWS), time_column="t"))


def test_folds_that_rotate_leave_no_row_out(ask) -> None:
    assert not _split(ask(_table())).leaves_out
    assert _split(ask(_table(), validation={"fraction": 0.25})).leaves_out


def test_monte_carlo(ask) -> None:
    split = _split(ask(_table(), test="none", validation={"fraction": 0.25, "folds": 3}))
    _check(split)
    assert (split.n_folds, split.strategy) == (3, "25% hold-out, 3 times")
    assert [(split.assignment[:, i] == VALID).sum() for i in range(3)] == [30, 30, 30]
    assert not np.array_equal(split.assignment[:, 0], split.assignment[:, 1])


def test_shares_are_taken_one_after_the_other(ask) -> None:
    """As in Azure: of 1,000 rows 100 test, then a tenth of the rest validates."""
    split = _split(ask(_table(1_000), test=0.1, validation={"fraction": 0.1}))
    train, valid = split.fold(0)
    assert (split.is_test.sum(), len(valid), len(train)) == (100, 90, 810)
    rare = (_table(1_000)["y"] == "rare").to_numpy()
    assert [rare[rows].mean() for rows in (split.is_test, valid, train)] == pytest.approx([0.25] * 3, abs=0.01)


def test_a_class_of_one_row_is_split_by_chance(ask) -> None:
    split = _split(ask(_table(y=["once"] + ["a", "b"] * 59 + ["a"]), test=0.1, validation={"fraction": 0.1}))
    _check(split)
    assert (split.is_test.sum(), len(split.fold(0)[1])) == (12, 11)


def test_a_regression_is_split_by_chance(ask) -> None:
    """Not in the order of its rows, nor of its target."""
    split = _split(ask(_table(y=[float(i) for i in range(N_ROWS)]), "regression", validation={"folds": 5}))
    _check(split)
    for rows in (np.flatnonzero(split.is_test), *(split.fold(i)[1] for i in range(5))):
        assert rows.min() < 40 and rows.max() >= 80


def test_fold_columns(ask) -> None:
    first, second = [1, 1, 0] * 40, [0, 1, 1] * 40
    split = _split(ask(_table(a=first, b=second), test="none", validation={"fold_columns": ["a", "b"]}))
    assert split.strategy == "2 fold columns"
    assert (split.assignment == np.where(np.array([first, second]).T == 1, TRAIN, VALID)).all()


def test_files_keep_their_roles(ask, tmp_path: Path) -> None:
    _table(10).write_parquet(tmp_path / "v.parquet")
    _table(16).write_parquet(tmp_path / "t.parquet")
    split = _split(ask(_table(), validation=str(tmp_path / "v.parquet"), test=str(tmp_path / "t.parquet")))
    assert split.is_test.tolist() == [False] * (N_ROWS + 10) + [True] * 16
    assert split.assignment[:, 0].tolist() == [TRAIN] * N_ROWS + [VALID] * 10 + [0] * 16


NAMED = [[[*range(40)], [*range(40, 60)]], [[*range(60, 100)], [*range(20)]]]


@pytest.mark.parametrize("where", ["lists", "file"])
def test_named_rows_are_folds(ask, tmp_path: Path, where: str) -> None:
    (tmp_path / "folds.json").write_text(json.dumps(NAMED))
    indices = NAMED if where == "lists" else str(tmp_path / "folds.json")
    split = _split(ask(_table(), validation={"indices": indices}, test="none"))
    assert split.strategy == "2 folds of named rows"
    for fold, (train, valid) in enumerate(NAMED):
        assert [rows.tolist() for rows in split.fold(fold)] == [train, valid]


def test_named_rows_lose_test_rows_and_those_without_a_target(ask) -> None:
    split = _split(ask(_table(y=[None, "a", "b"] * 40), validation={"indices": NAMED}))
    _check(split)
    assert split.is_test.sum() == 16
    takes_part = ~split.is_test & (np.arange(N_ROWS) % 3 != 0)
    train, valid = split.fold(0)
    assert train.tolist() == [row for row in range(40) if takes_part[row]]
    assert valid.tolist() == [row for row in range(40, 60) if takes_part[row]]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([[[0, 1], [1, 2]]], r"^validation\.indices: fold 1 both learns from and validates on row 1$"),
        ([[[0], [1]], [[0], [120]]], r"^validation\.indices: fold 2 names row 120; rows are 0 to 119$"),
        ([[[1, 2, 3], []]], r"^fold 1 has 3 rows to learn from and 0 to validate on; both need some$"),
    ],
)
def test_impossible_rows_are_refused(ask, indices: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _split(ask(_table(), validation={"indices": indices}, test="none"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "[[[0, 1]]]",
            r"^validation\.indices: \S+folds\.json must hold JSON like \[\[\[0, 1, 2\], \[3, 4\]\], …\]: of each fold",
        ),
        ("rows", r"^validation\.indices: \S+folds\.json must hold JSON like"),
        (None, r"folds\.json cannot be read: "),
    ],
)
def test_a_file_that_names_no_rows_is_refused(ask, tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "folds.json").write_text(content)
    with pytest.raises((SettingError, SourceError), match=message):
        _split(ask(_table(), validation={"indices": str(tmp_path / "folds.json")}))


def test_a_test_file_with_other_labels_is_refused(ask, tmp_path: Path) -> None:
    _table(10, y=["Rare"] * 10).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r'^test\.source: no row has a known value of the target "y"; got Rare\. Bring ro'
    ):
        _split(ask(_table(), test=str(tmp_path / "t.parquet")))


def test_rows_without_a_target_take_no_part(ask) -> None:
    split = _split(ask(_table(y=[None, "a", "b"] * 40)))
    _check(split)
    without = np.arange(N_ROWS) % 3 == 0
    assert not (split.is_test | split.is_training)[without].any()
    assert (split.is_test | split.is_training)[~without].all()


def test_classes_rarer_than_folds_are_dealt_out(ask) -> None:
    labels = ["a"] * 60 + ["b"] * 57 + ["c"] * 3
    split = _split(ask(_table(y=labels), test="none"))
    _check(split)
    assert ((split.assignment == VALID).sum(axis=1) == 1).all()
    rare = [int((np.array(labels)[split.fold(i)[1]] == "c").sum()) for i in range(5)]
    assert sorted(rare) == [0, 0, 1, 1, 1]


def test_the_seed_decides(ask) -> None:
    first, again, other = (_split(ask(_table(), seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.assignment, again.assignment)
    assert not np.array_equal(first.assignment, other.assignment)


@pytest.mark.parametrize("more", [{}, {"group_column": "g"}], ids=["rows", "groups"])
def test_test_rows_stay_test_rows_as_data_grow(ask, more: dict) -> None:
    """Rows of a second file come first, as its name does: those that tested before still do, but for a few."""
    old = _table(300, g=np.arange(300) // 3)
    new = _table(300, g=100 + np.arange(300) // 3).with_columns(pl.col("x") + 100).head(60)
    before, after = _split(ask(old, **more)).is_test, _split(ask(pl.concat([new, old]), **more)).is_test[60:]
    assert (before & after).sum() >= 0.9 * before.sum()


def test_copies_of_few_different_rows_are_split_by_chance(ask) -> None:
    table = _table(x=[0, 1] * 60, y=["a", "b", "b", "a"] * 30)
    x = table["x"].to_numpy()
    assert 0.2 < x[_split(ask(table)).is_test].mean() < 0.8


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=40, max_size=90),
    validation=st.sampled_from(["auto", "azure", {"folds": 3}, {"fraction": 0.3}, {"fraction": 0.2, "folds": 2}]),
    test=st.sampled_from(["none", 0.1, 0.35]),
    seed=st.integers(0, 9),
)
def test_no_row_is_on_both_sides(labels: list, validation: object, test: object, seed: int) -> None:
    """Whatever is asked for: either a sound split, or a refusal in our own words."""
    table = _table(len(labels), y=pl.Series(labels, dtype=pl.String))
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        table.write_parquet(file.name)
        asked = {"validation": validation, "test": test, "seed": seed, "target": "y", "task": "classification"}
        try:
            split = _split(parse(asked | {"source": file.name}, "tried"))
        except (DataError, SettingError):
            return
    _check(split)
    assert not (split.is_test | split.is_training)[table["y"].is_null().to_numpy()].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": {"folds": 40}, "test": 0.7}, r"^validation\.folds: got 40; 36 rows can fill at most 35$"),
        ({"test": 0.99}, r"^a share of 0\.99 of 120 rows leaves too few to learn from; ask for less$"),
        ({"group_column": "one"}, r'^group_column "one": 1 group cannot fill two parts\. Bring rows of more groups'),
        (
            {"group_column": "three"},
            r'^group_column "three": 2 groups cannot fill 5 folds\. Set validation\.folds to at m',
        ),
        ({"validation": {"fold_columns": ["x"]}}, r'^validation\.fold_columns: "x" must hold 1 \(learn\) and 0'),
        ({"validation": {"fold_columns": ["one"]}}, r'^validation\.fold_columns: "one" must hold 1'),
        ({"validation": {"fold_columns": ["is_common"]}}, r"^fold 1 has rows of one class only to learn from\."),
    ],
)
def test_impossible_splits_are_refused(ask, changes: dict, message: str) -> None:
    common = (np.arange(N_ROWS) % 4 != 0).astype(int)
    table = _table(one=[1] * N_ROWS, three=["u", "v", "w"] * 40, is_common=common)
    with pytest.raises((DataError, SettingError), match=message):
        _split(ask(table, **changes))


def test_a_validation_file_without_targets_is_refused(ask, tmp_path: Path) -> None:
    _table(10, y=pl.Series([None] * 10, dtype=pl.String)).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(DataError, match=r"^fold 1 has 96 rows to learn from and 0 to validate on; both need some$"):
        _split(ask(_table(), validation=str(tmp_path / "v.parquet")))


def _weights(table: pl.DataFrame, weightless: np.ndarray) -> pl.DataFrame:
    return table.with_columns(w=pl.Series(np.where(weightless, 0.0, 1.0)))


def test_a_class_whose_rows_weigh_nothing_is_refused_by_name(ask) -> None:
    table = _table()
    with pytest.raises(
        DataError, match=r'^weight_column "w": every row of the class rare to learn from weighs 0, .* out'
    ):
        _split(ask(_weights(table, (table["y"] == "rare").to_numpy()), weight_column="w"))
    test = _split(ask(table)).is_test  # weights choose no rows
    with pytest.raises(DataError, match=r'^weight_column "w": every row of the class rare to learn from weighs 0'):
        _split(ask(_weights(table, (table["y"] == "rare").to_numpy() & ~test), weight_column="w"))
    with pytest.raises(DataError, match=r'^weight_column "w": every row to learn from weighs 0; give some'):
        _split(ask(_weights(table, ~test), weight_column="w"))
    _check(_split(ask(_weights(table, (table["y"] == "rare").to_numpy() & test), weight_column="w")))


def test_a_fold_of_weightless_rows_is_refused(ask) -> None:
    table = _table().with_columns(f=pl.Series([0.0] * 30 + [1.0] * 90))
    folds: dict = {"validation": {"fold_columns": ["f"]}, "test": "none", "weight_column": "w"}
    with pytest.raises(
        DataError, match=r"^fold 1 has 90 rows .* and 0 to validate on; both need some, of a weight above 0$"
    ):
        _split(ask(_weights(table, np.arange(N_ROWS) < 30), **folds))
    in_fold = (table["y"] == "rare").to_numpy() & (np.arange(N_ROWS) >= 30)
    with pytest.raises(DataError, match=r"^fold 1 has rows of one class only to learn from"):
        _split(ask(_weights(table, in_fold), **folds))
