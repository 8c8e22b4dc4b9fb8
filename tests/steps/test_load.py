"""Rows arrive typed and stacked, with their roles; what cannot answer the question is refused."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError, MovingSourceError, SettingError, SourceError
from automl_assets.experiment.experiment import parse
from automl_assets.records import SOURCE, TEST_FILE, VALIDATION_FILE
from automl_assets.steps import load as load_step
from automl_assets.steps.load import load
from automl_assets.steps.read_source import fingerprint
from tests.conftest import Ask
from tests.reading import typed

N_ROWS = 30


def _table(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"x": [*range(N_ROWS)], "y": ["a", "b"] * (N_ROWS // 2)} | columns)


def _written(table: pl.DataFrame, file: Path) -> str:
    table.write_parquet(file)
    return str(file)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1", " 2 ", None], [1, 2, None]),
        (["1.5", "-2e3", ""], [1.5, -2000.0, None]),
        (["1", "x"], ["1", "x"]),
        (["0123", "4567"], ["0123", "4567"]),  # a postal code
        (["-0.5", "0"], [-0.5, 0.0]),
        (["  ", "", "a"], [None, None, "a"]),
        (["09/22/1986", "12/01/2001", None], [date(1986, 9, 22), date(2001, 12, 1), None]),
        (["31.12.1999", "01.02.2000"], [date(1999, 12, 31), date(2000, 2, 1)]),
        (["09/22/1986", "soon"], ["09/22/1986", "soon"]),
        (["09/22/1986"] * 60 + ["22/09/1986"], ["09/22/1986"] * 60 + ["22/09/1986"]),
        (["02/05/2007", "03/06/2008"], ["02/05/2007", "03/06/2008"]),  # nobody can tell which is the day
        (["02/05/2007"] * 60 + ["22/09/1986"], [date(2007, 5, 2)] * 60 + [date(1986, 9, 22)]),
        (["18446744073709551616", "18446744073709551617"], ["18446744073709551616", "18446744073709551617"]),
    ],
)
def test_texts_are_typed_when_every_value_is(texts: list, values: list) -> None:
    assert typed(pl.DataFrame({"c": texts}))["c"].to_list() == values


def test_a_column_of_blanks_has_no_value() -> None:
    assert typed(pl.DataFrame({"c": ["", "  "]}))["c"].to_list() == [None, None]


def test_other_types_become_plain() -> None:
    table = pl.DataFrame(
        {
            "list": [[1, 2], None],
            "category": pl.Series(["a", "b"], dtype=pl.Categorical),
            "price": pl.Series(["1.5", "2"]).cast(pl.Decimal(10, 2)),
            "gap": [float("nan"), 1.0],
        }
    )
    found = typed(table)
    assert found["list"].to_list() == ["[1, 2]", None]
    assert found["category"].dtype == pl.String
    assert found["price"].to_list() == [1.5, 2.0]
    assert found["gap"].to_list() == [None, 1.0]


def test_roles_leave_features(ask) -> None:
    table = _table(w=[1.0] * N_ROWS, g=["u", "v", "w"] * 10, f=[0, 1] * 15, id=[*range(N_ROWS)])
    experiment = ask(
        table, weight_column="w", group_column="g", drop_columns=["id"], validation={"fold_columns": ["f"]}
    )
    roles = load(experiment).roles
    assert roles.features == ("x",)
    assert (roles.target, roles.weight, roles.group, roles.folds) == ("y", "w", "g", ("f",))


def test_a_time_column_is_a_feature_too(ask) -> None:
    table = _table(t=pl.Series([datetime(2020, 1, 1 + i) for i in range(N_ROWS)]))
    assert load(ask(table, time_column="t")).roles.features == ("x", "t")


def test_files_are_stacked(ask, tmp_path: Path) -> None:
    validation = _table().select("y", "x", pl.lit(1).alias("surplus")).head(4)
    experiment = ask(
        _table(),
        validation=_written(validation, tmp_path / "v.parquet"),
        test=_written(_table().tail(3), tmp_path / "t.parquet"),
    )
    dataset = load(experiment)
    assert dataset.table.columns == ["x", "y"]
    assert np.bincount(dataset.part).tolist() == [N_ROWS, 4, 3]
    assert dataset.table.filter(dataset.part == SOURCE).equals(_table())
    assert dataset.table.filter(dataset.part == VALIDATION_FILE)["x"].to_list() == [0, 1, 2, 3]
    assert dataset.table.filter(dataset.part == TEST_FILE)["x"].to_list() == [27, 28, 29]


@pytest.mark.parametrize(
    ("source", "test", "joined"),
    [
        ([1] * N_ROWS, [1.5] * N_ROWS, 1.5),  # a fraction is not cut to a whole number
        (["a"] * N_ROWS, [7] * N_ROWS, "7"),
        ([datetime(2020, 1, 1)] * N_ROWS, ["2020-02-29", "2020-03-01 12:30"] * (N_ROWS // 2), datetime(2020, 2, 29)),
        ([True] * N_ROWS, [None] * N_ROWS, None),
    ],
)
def test_a_column_of_another_type_follows_the_source(ask, tmp_path: Path, source, test, joined) -> None:
    file = _written(_table(c=test), tmp_path / "t.parquet")
    assert load(ask(_table(c=source), test=file)).table["c"][N_ROWS] == joined


def test_a_column_of_an_impossible_type_is_refused(ask, tmp_path: Path) -> None:
    file = _written(_table(c=["maybe"] * N_ROWS), tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r't\.parquet: column "c" holds true or false, such as True; 30 cells are others: \'maybe\'\. W'
    ):
        load(ask(_table(c=[True] * N_ROWS), test=file))


def test_cells_that_do_not_fit_are_missing_where_asked_for_and_told(ask, tmp_path: Path) -> None:
    cells = ["02/29/2020", "never"] + [None] * (N_ROWS - 2)
    file = _written(_table(c=cells), tmp_path / "t.parquet")
    dataset = load(ask(_table(c=[datetime(2020, 1, 1)] * N_ROWS), test=file, strict=False))
    assert dataset.table.filter(dataset.part == TEST_FILE)["c"].null_count() == N_ROWS
    (told,) = dataset.unreadable
    assert told.endswith("such as 2020-01-01 00:00:00; 2 cells are others: '02/29/2020', 'never'")


def test_a_test_file_without_a_feature_is_refused(ask, tmp_path: Path) -> None:
    file = _written(_table(colour=["red"] * N_ROWS).drop("x"), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match=r"t\.parquet lacks x; a validation or test file has the columns of the sour"):
        load(ask(_table(), test=file))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "yy"}, r'^target: .*rows\.parquet has no column "yy"; it has x, y\. Did you mean "y"\?$'),
        ({"weight_column": "weigth"}, r'^weight_column: .* "weigth"; it has x, y, weight\. Did you mean "weight"\?$'),
        ({"drop_columns": ["xx"]}, r'^drop_columns: .* has no column "xx"'),
        ({"sensitive_columns": ["X"]}, r'^sensitive_columns: .* has no column "X"; it has x, y\. Did you mean "x"\?$'),
        ({"validation": {"fold_columns": ["fold"]}}, r'^validation\.fold_columns\.0: .* has no column "fold"'),
        ({"featurization": {"imputers": {"z": "mean"}}}, r'^featurization\.imputers: .* no column "z"'),
        ({"featurization": {"column_types": {"z": "numeric"}}}, r'^featurization\.column_types: .* no column "z"'),
    ],
)
def test_absent_columns_are_refused(ask, settings: dict, message: str) -> None:
    table = _table(weight=[1] * N_ROWS) if "weight_column" in settings else _table()
    with pytest.raises(SettingError, match=message):
        load(ask(table, **settings))


@pytest.mark.parametrize(
    ("weights", "got"),
    [
        ([-1.0] + [1.0] * 29, "got 0 gaps and a minimum of -1.0"),
        ([None] + [1.0] * 29, "got 1 gaps"),
        ([0.0] * 30, "not all 0"),
        (["heavy"] * 30, "got 30 gaps"),
    ],
)
def test_impossible_weights_are_refused(ask, weights: list, got: str) -> None:
    with pytest.raises(DataError, match=rf'^weight_column "w": weights are numbers of at least 0, .*{got}'):
        load(ask(_table(w=weights), weight_column="w"))


def test_a_table_of_nothing_but_the_target_is_refused(ask) -> None:
    with pytest.raises(SourceError, match=r"^no column is left to learn from; the table has x, y$"):
        load(ask(_table(), drop_columns=["x"]))


def test_too_few_labelled_rows_are_refused(ask) -> None:
    with pytest.raises(DataError, match=r'^30 rows, 10 of them with a value of the target "y": at least 20 are needed'):
        load(ask(_table(y=["a", None, None] * 10)))


def test_names_that_are_patterns_are_refused(ask) -> None:
    with pytest.raises(SourceError, match=r'rows\.parquet: columns named "\*", .*; rename \*, \^x\$$'):
        load(ask(_table(**{"*": [1] * N_ROWS, "^x$": [2] * N_ROWS, "x^2$": [3] * N_ROWS})))


def test_fingerprint_follows_every_file(ask, tmp_path: Path) -> None:
    test = tmp_path / "t.parquet"
    before = fingerprint(ask(_table(), test=_written(_table(), test)))
    assert fingerprint(ask(_table(), test=str(test))) == before
    assert fingerprint(ask(_table(), test=_written(_table().head(9), test))) != before
    assert fingerprint(ask(_table().head(25), test=_written(_table(), test))) != before


def test_a_real_file_of_microsoft(tmp_path: Path) -> None:
    """Computers of 1987: names stay text, figures are numbers."""
    source = "${AUTOML_DATA}/tabular/hardware_machine/train.csv"
    dataset = load(parse({"task": "regression", "source": source, "target": "ERP"}, "hardware"))
    assert dataset.n_rows > 150
    assert dataset.table["ERP"].dtype.is_numeric()
    assert dataset.table["VendorName"].dtype == pl.String


def test_dropped_columns_of_further_files_are_read_but_not_refused(ask, tmp_path: Path) -> None:
    """They may be sensitive, so that their groups are compared."""
    test = _table(note=["2020-01-01", "soon"] * (N_ROWS // 2))
    experiment = ask(
        _table(note=[date(2020, 1, 1)] * N_ROWS), drop_columns=["note"], test=_written(test, tmp_path / "t.parquet")
    )
    dataset = load(experiment)
    assert dataset.table["note"].dtype == pl.Date and dataset.table["note"].null_count() == N_ROWS // 2


# --- files in motion ---------------------------------------------------------------------------------------------


def _written_to_after(monkeypatch: pytest.MonkeyPatch, writes: Iterator[Callable[[], object]]) -> None:
    """Somebody writes just after rows are read, as long as there is something to write."""
    read = load_step.written_marked

    def read_and_write(*given: object) -> tuple[pl.DataFrame, str]:
        try:
            return read(*given)
        finally:
            next(writes, lambda: None)()

    monkeypatch.setattr(load_step, "written_marked", read_and_write)


def test_the_fingerprint_is_that_of_the_rows_that_were_read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reading counts: what was written after the first would be taken for learnt, else, and never be."""
    experiment, file = ask(_table()), ask(_table()).source.options.path
    _written_to_after(monkeypatch, iter([lambda: _written(_table(x=[7] * N_ROWS), file)]))
    found = load(experiment)
    assert found.table["x"].to_list() == [7] * N_ROWS and found.fingerprint == fingerprint(experiment)


def test_half_a_file_is_read_once_more(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, file = ask(_table()), Path(ask(_table()).source.options.path)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    _written_to_after(monkeypatch, iter([lambda: file.write_bytes(whole)]))
    assert load(experiment).n_rows == N_ROWS


def test_a_file_that_never_rests_is_not_read(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, file = ask(_table()), ask(_table()).source.options.path
    _written_to_after(monkeypatch, (lambda n=n: _written(_table(x=[n] * N_ROWS), file) for n in range(9)))
    with pytest.raises(MovingSourceError, match="written to while it was read, 2 times in a row"):
        load(experiment)


def test_a_file_that_is_wrong_and_at_rest_says_what_is_wrong(ask: Ask) -> None:
    experiment, file = ask(_table()), Path(ask(_table()).source.options.path)
    file.write_bytes(b"no Parquet")
    with pytest.raises(SourceError, match="cannot be read"):
        load(experiment)
