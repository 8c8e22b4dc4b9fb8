"""Rows scored batch by batch through ONNX get the answers of Python, and a file is there whole or not at all."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from automl_assets.errors import DataError, SettingError
from automl_assets.steps.export import export
from automl_assets.steps.predict import predict, predict_by
from automl_assets.steps.predict_batches import answerer, write

ROWS = pl.DataFrame({"a": range(5), "b": ["u", None, 'say "x"', "w\nw", "ü"]})
READ = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}


@pytest.mark.parametrize("case_name", ["texts", "three_texts", "integers", "booleans", "regression"])
def test_answers_are_those_of_python(learned, case_name: str) -> None:
    case = learned(case_name)
    answer = answerer(export(case.ensemble, case.dataset.table), case.ensemble.problem)
    batches = case.dataset.table.iter_slices(100)
    found = pl.concat([predict_by(answer, case.ensemble, batch, is_strict=True) for batch in batches])
    expected = predict(case.ensemble, case.dataset.table).table
    unit = 1.0 if case.ensemble.problem.classes else expected["prediction"].std()  # float32 is as exact as its sums
    assert_frame_equal(found, expected, rel_tol=1e-4, abs_tol=1e-6 * max(10.0, unit))


def test_a_missing_column_is_named(learned) -> None:
    case = learned("texts")
    answer = answerer(export(case.ensemble, case.dataset.table), case.ensemble.problem)
    with pytest.raises(DataError, match=r'^the rows have no column "colour"; they have size, color, .*'):
        answer(case.dataset.table.rename({"colour": "color"}))


@pytest.mark.parametrize("ending", READ)
def test_batches_stand_one_below_the_other(tmp_path: Path, ending: str) -> None:
    told: list[int] = []
    assert write(ROWS.iter_slices(2), tmp_path / f"out{ending}", told.append) == 5
    assert_frame_equal(READ[ending](tmp_path / f"out{ending}"), ROWS)
    assert told == [2, 4, 5]


@pytest.mark.parametrize("ending", READ)
def test_a_run_that_breaks_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    def breaking() -> Iterator[pl.DataFrame]:
        yield ROWS
        raise DataError("the second batch is broken")

    (tmp_path / f"out{ending}").write_text("from yesterday")
    with pytest.raises(DataError, match="^the second batch is broken$"):
        write(breaking(), tmp_path / f"out{ending}")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {f"out{ending}": "from yesterday"}


def test_a_file_that_could_not_be_written_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^-o: got 'out\.xlsx'; possible endings: \.csv, \.jsonl, \.parquet$"):
        write(iter([]), tmp_path / "out.xlsx")
    with pytest.raises(SettingError, match=r"^-o: there is no folder .*/absent; make it first$"):
        write(iter([]), tmp_path / "absent" / "out.csv")
