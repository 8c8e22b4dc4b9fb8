"""Labels come back into every kind of source: nothing lost, nothing twice, and what cannot be told in words."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automl_assets.errors import AutomlError, DataError, SettingError, SourceError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.steps.import_labels import import_labels
from tests.reading import read_typed

KNOWN = pl.DataFrame(
    {"number": [1, 2, 3], "code": ["01", "x", None], "size": [0.5, 1.0, 2.5], "kind": ["good", "bad", "good"]}
)
SCORED = pl.DataFrame(
    {"number": [4, 5, 6], "code": ["02", "y;z", None], "size": [1.0, 2.0, 3.0], "prediction": ["good"] * 3}
)
LABELS = pl.DataFrame({"number": [4, 5], "kind": ["bad", "good"]})
ADDED = SCORED.head(2).drop("prediction").with_columns(kind=LABELS["kind"])


def csv(folder: Path) -> str:
    (folder / "rows.csv").write_text(KNOWN.write_csv(separator=";").rstrip("\n"))
    return "rows.csv"


def packed(folder: Path) -> str:
    import gzip

    (folder / "rows.csv.gz").write_bytes(
        gzip.compress(KNOWN.select("kind", "size", "code", "number").write_csv().encode())
    )
    return "rows.csv.gz"


def files(folder: Path) -> str:
    (folder / "rows").mkdir()
    KNOWN.write_csv(folder / "rows" / "old.csv")
    return "rows/*.csv"


def jsonl(folder: Path) -> str:
    KNOWN.write_ndjson(folder / "rows.jsonl")
    return "rows.jsonl"


def parquet(folder: Path) -> str:
    KNOWN.with_columns(pl.col("size").cast(pl.Float32)).write_parquet(folder / "rows.parquet")
    return "rows.parquet"


def several(folder: Path) -> str:
    (folder / "rows").mkdir()
    KNOWN.head(1).write_parquet(folder / "rows" / "a.parquet")
    KNOWN.tail(2).write_parquet(folder / "rows" / "b.parquet")
    return "rows/*.parquet"


def sql(folder: Path) -> dict[str, str]:
    with sqlite3.connect(folder / "rows.db") as connection:
        connection.execute("create table rows (number integer, code text, size real, kind text)")
        connection.executemany("insert into rows values (?, ?, ?, ?)", KNOWN.rows())
    return {"kind": "sql", "url": f"sqlite:///{folder / 'rows.db'}", "table": "rows"}


def asked(folder: Path, source: Any, **more: Any) -> Experiment:
    given = str(folder / source) if isinstance(source, str) else source
    return parse({"task": "classification", "source": given, "target": "kind"} | more, "asked")


def stored(experiment: Experiment) -> pl.DataFrame:
    rows = read_typed(experiment.source.part, experiment.source.options)
    return rows.select(KNOWN.columns).with_columns(pl.col("size").cast(pl.Float64)).sort("number")


@pytest.fixture
def labels(tmp_path: Path) -> Callable[..., str]:
    """Writes labels and what was scored."""
    SCORED.write_csv(tmp_path / "scored.csv")

    def write(table: pl.DataFrame = LABELS, name: str = "labels.csv") -> str:
        table.write_csv(tmp_path / name)
        return str(tmp_path / name)

    return write


KINDS = (csv, packed, files, jsonl, parquet, several, sql)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_scored_rows_become_rows_of_the_source_once(kind: Callable, tmp_path: Path, labels: Callable) -> None:
    experiment, scored = asked(tmp_path, kind(tmp_path)), str(tmp_path / "scored.csv")
    found = import_labels(experiment, labels(), scored, ("number",), False)
    assert (found.n_labels, found.rows.height, found.n_known) == (2, 2, 0) and found.where
    assert_frame_equal(stored(experiment), pl.concat([KNOWN, ADDED], how="vertical_relaxed"))
    before = experiment.source.part.fingerprint(experiment.source.options)
    again = import_labels(experiment, labels(), scored, ("number",), False)
    assert (again.rows.height, again.n_known, again.where) == (0, 2, "")
    assert experiment.source.part.fingerprint(experiment.source.options) == before
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_whole_rows_need_no_key(kind: Callable, tmp_path: Path, labels: Callable) -> None:
    """Of three copies the source has one: two are new."""
    experiment = asked(tmp_path, kind(tmp_path))
    whole = labels(pl.concat([ADDED, KNOWN.head(1), KNOWN.head(1), KNOWN.head(1)], how="vertical_relaxed"))
    found = import_labels(experiment, whole, None, (), False)
    assert (found.rows.height, found.n_known) == (4, 1)
    assert import_labels(experiment, whole, None, (), False).rows.height == 0
    assert stored(experiment).height == 7


def test_rows_to_predict_are_those_scored_unless_told(tmp_path: Path, labels: Callable) -> None:
    labels()
    experiment = asked(tmp_path, csv(tmp_path), predict_source=str(tmp_path / "scored.csv"))
    assert import_labels(experiment, labels(), None, ("number",), False).rows.height == 2


def test_label_studio_finds_its_rows(tmp_path: Path, labels: Callable) -> None:
    labels()
    choices = [{"type": "choices", "value": {"choices": ["bad"]}}]
    task = {"id": 77, "data": {"number": 6}, "annotations": [{"result": choices}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    experiment = asked(tmp_path, csv(tmp_path))
    found = import_labels(experiment, str(tmp_path / "export.json"), str(tmp_path / "scored.csv"), ("number",), False)
    assert found.rows.rows() == [("6", None, "3.0", "bad")]


def test_what_becomes_of_every_label_is_told(tmp_path: Path, labels: Callable) -> None:
    given = pl.DataFrame({"number": [4, 4, 5, 6, 99, 3], "kind": ["bad", "bad", "good", None, "good", "good"]})
    rows = pl.concat([SCORED, KNOWN.tail(1).drop("kind").with_columns(prediction=pl.lit("good"))])
    rows.write_csv(tmp_path / "all.csv")
    found = import_labels(asked(tmp_path, csv(tmp_path)), labels(given), str(tmp_path / "all.csv"), ("number",), False)
    assert (found.n_labels, found.rows.height) == (6, 2)
    assert (found.n_known, found.n_twice, found.n_empty, found.n_unmatched) == (1, 1, 1, 1)
    assert found.rows.height + found.n_known + found.n_twice + found.n_empty + found.n_unmatched == found.n_labels


def test_a_new_class_must_be_meant(tmp_path: Path, labels: Callable) -> None:
    experiment, scored = asked(tmp_path, csv(tmp_path)), str(tmp_path / "scored.csv")
    new = labels(pl.DataFrame({"number": [4], "kind": ["Bad"]}))
    with pytest.raises(
        DataError, match=r'^unknown classes Bad; the source has bad, good\. Did you mean "bad"\? Say --new-c'
    ):
        import_labels(experiment, new, scored, ("number",), False)
    assert stored(experiment).height == 3
    assert import_labels(experiment, new, scored, ("number",), True).rows["kind"].to_list() == ["Bad"]


REFUSED: dict[str, tuple[dict[str, list], tuple[str, ...], str]] = {
    "two labels for one row": (
        {"number": [4, 4, 5], "kind": ["bad", "good", "bad"]},
        ("number",),
        r"^the labels contradict each other for number = 4; keep one of each, nothing was added$",
    ),
    "another label than the source has": (
        {"number": [1, 4], "kind": ["bad", "bad"]},
        ("number",),
        r"^the source has other labels for number = 1; correct them there, nothing was added$",
    ),
    "no key": (
        {"number": [4], "kind": ["bad"]},
        (),
        r"^--key: say by which columns labels belong to rows; both have number$",
    ),
    "no such key": ({"number": [4], "kind": ["bad"]}, ("numbr",), r'^the labels have no column "numbr"; .*"number"\?$'),
    "no target": ({"number": [4], "kin": ["bad"]}, ("number",), r'^the labels have no column "kind"; .*'),
    "a key of several rows": (
        {"size": [1.0], "kind": ["bad"]},
        ("size",),
        r"^several scored rows have size = 1\.0; name further",
    ),
}


@pytest.mark.parametrize(("given", "key", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_as_a_whole(
    given: dict, key: tuple[str, ...], told: str, tmp_path: Path, labels: Callable
) -> None:
    experiment = asked(tmp_path, csv(tmp_path))
    old = KNOWN.drop("kind").with_columns(prediction=pl.lit("good"))
    pl.concat([SCORED, old]).write_csv(tmp_path / "all.csv")
    with pytest.raises((DataError, SettingError), match=told):
        import_labels(experiment, labels(pl.DataFrame(given)), str(tmp_path / "all.csv"), key, False)
    assert_frame_equal(stored(experiment), KNOWN)


def test_a_regression_takes_numbers(tmp_path: Path, labels: Callable) -> None:
    KNOWN.drop("kind").write_csv(tmp_path / "rows.csv")
    experiment = parse({"task": "regression", "source": str(tmp_path / "rows.csv"), "target": "size"}, "asked")
    pl.DataFrame({"number": [7], "code": ["a"]}).write_csv(tmp_path / "scored.csv")
    wrong, right = (labels(pl.DataFrame({"number": [7], "size": [one]}), f"{one}.csv") for one in ("large", "7.5"))
    with pytest.raises(
        DataError,
        match=r'^labels and their rows: column "size" holds numbers, such as 0\.5; 1 cell is another: .large.\. Write th',
    ):
        import_labels(experiment, wrong, str(tmp_path / "scored.csv"), ("number",), False)
    assert import_labels(experiment, right, str(tmp_path / "scored.csv"), ("number",), False).rows.rows() == [
        ("7", "a", "7.5")
    ]


def test_a_type_that_the_source_cannot_hold_is_refused(tmp_path: Path, labels: Callable) -> None:
    wrong = ADDED.with_columns(pl.lit("many").alias("number"))
    with pytest.raises(
        DataError,
        match=r'column "number" holds whole numbers, such as 1; 2 cells are others: .many.\. .* nothing was added\.$',
    ):
        import_labels(asked(tmp_path, csv(tmp_path)), labels(wrong), None, (), False)


def test_rows_that_lack_columns_are_refused(tmp_path: Path, labels: Callable) -> None:
    with pytest.raises(
        SettingError, match=r"^the labelled rows lack code, size of the source's columns; bring the rows"
    ):
        import_labels(asked(tmp_path, csv(tmp_path)), labels(), None, ("number",), False)


def test_sources_that_take_no_rows_say_so(tmp_path: Path, labels: Callable) -> None:
    query = {**sql(tmp_path), "query": "select * from rows"}
    del query["table"]
    for source, told in (
        (query, r"^a query brings rows but takes none; name a `table`"),
        ("rows/o*.csv", r"a new file called labels_\w+\.csv would not be one of it; widen the pattern"),
    ):
        if isinstance(source, str):
            files(tmp_path)
        with pytest.raises(SourceError, match=told):
            import_labels(asked(tmp_path, source), labels(), str(tmp_path / "scored.csv"), ("number",), False)
    assert os.listdir(tmp_path / "rows") == ["old.csv"]


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, labels: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, scored, given = asked(tmp_path, csv(tmp_path)), str(tmp_path / "scored.csv"), labels()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises((AutomlError, OSError), match="No space left on device"):
        import_labels(experiment, given, scored, ("number",), False)
    assert_frame_equal(stored(experiment), KNOWN)
    assert sorted(os.listdir(tmp_path)) == ["labels.csv", "rows.csv", "scored.csv"]


def test_labels_are_written_as_the_source_writes_its_rows(tmp_path: Path, labels: Callable) -> None:
    rows = "number;day;price;ok;kind\n1;31/12/2011;1,5;True;good\n2;13/02/2011;2,25;False;bad\n"
    (tmp_path / "rows.csv").write_text(rows)
    experiment = asked(tmp_path, {"kind": "csv", "path": str(tmp_path / "rows.csv"), "decimal_comma": True})
    new = pl.DataFrame({"number": [3], "day": ["2011-02-14"], "price": [50.55], "ok": [1], "kind": ["good"]})
    new.write_ndjson(tmp_path / "labels.jsonl")
    import_labels(experiment, str(tmp_path / "labels.jsonl"), None, (), False)
    assert (tmp_path / "rows.csv").read_text() == rows + "3;14/02/2011;50,55;True;good\n"
