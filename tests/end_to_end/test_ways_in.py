"""One model, asked about the same rows by every way in: it reads them as it learnt them, and says the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import automl_assets
from automl_assets.api.table_result import Result
from automl_assets.resources.tracker import Tracker
from tests.command_line import automl

CODES = ("0012", "12", "A7", "0300", "300", "78")
FLAGS = ("TRUE", "FALSE", "UNKNOWN")
YAML = """
task: classification
source: learnt.csv
test: later.csv
predict_source: unlabelled.csv
target: sold
algorithms: [logistic_regression]
validation: {folds: 2}
ensemble: false
explain: false
report: false
training_code: false
limits: {timeout_minutes: 5, max_cores: 1}
"""


def rows(codes: tuple[str, ...], flags: tuple[str, ...], n_rows: int) -> pl.DataFrame:
    """Who sells is told by the leading zero alone, but where nothing is known."""
    code = [codes[i % len(codes)] for i in range(n_rows)]
    flag = [flags[i // len(codes) % len(flags)] for i in range(n_rows)]
    sold = ["yes" if one.startswith("0") else "no" for one in code]
    return pl.DataFrame({"code": code, "flag": flag, "size": [i % 7 / 2 for i in range(n_rows)], "sold": sold})


LATER = rows(("0012", "12", "300", "0300"), ("TRUE", "FALSE"), 40)  # digits alone, and truths alone
UNLABELLED = LATER.drop("sold")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("ways")
    rows(CODES, FLAGS, 180).write_csv(folder / "learnt.csv")
    LATER.write_csv(folder / "later.csv")
    UNLABELLED.write_csv(folder / "unlabelled.csv")
    (folder / "ways.yaml").write_text(YAML)
    return automl_assets.run(folder / "ways.yaml", home=folder / "home")


@pytest.fixture(scope="module")
def served(made: Result) -> Any:
    import mlflow
    import mlflow.pyfunc.scoring_server  # before the model is loaded, as in a server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(made.home))
        address, surroundings = Tracker().champion_address("ways")
        for name, value in surroundings.items():
            patch.setenv(name, value)
        return mlflow.pyfunc.load_model(address)


def by_command(made: Result, file: str, write: Callable[[Path], object]) -> list[str]:
    folder = made.home.parent
    write(folder / file)
    out = folder / f"{file}.out.csv"
    done = automl("predict", folder / "ways.yaml", folder / file, "-o", out, "--home", made.home)
    assert done.returncode == 0, done.stdout + done.stderr
    found = pl.read_csv(out, infer_schema=False)
    assert found["code"].to_list() == UNLABELLED["code"].to_list(), "rows come back as they came"
    return found["prediction"].to_list()


def posted(served: Any, content: str, kind: str) -> list[str]:
    from mlflow.pyfunc.scoring_server import invocations

    told = invocations(content.encode(), kind, served, served.metadata.get_input_schema())
    return [row["label"] for row in json.loads(told.response)["predictions"]]


WAYS: dict[str, Callable[[Result, Any], list[str]]] = {
    "csv": lambda made, served: by_command(made, "new.csv", UNLABELLED.write_csv),
    "semicolons": lambda made, served: by_command(made, "some.csv", lambda f: UNLABELLED.write_csv(f, separator=";")),
    "jsonl": lambda made, served: by_command(made, "new.jsonl", UNLABELLED.write_ndjson),
    "parquet": lambda made, served: by_command(made, "new.parquet", UNLABELLED.write_parquet),
    "polars": lambda made, served: list(made.predict(UNLABELLED)["prediction"]),
    "pandas": lambda made, served: list(made.predict(UNLABELLED.to_pandas().convert_dtypes())["prediction"]),
    "truths": lambda made, served: list(made.predict(UNLABELLED.with_columns(pl.col("flag") == "TRUE"))["prediction"]),
    "asset": lambda made, served: made._load("predictions").table["prediction"].to_list(),
    "http json": lambda made, served: posted(
        served, json.dumps({"dataframe_records": UNLABELLED.to_dicts()}), "application/json"
    ),
    "http csv": lambda made, served: posted(served, UNLABELLED.write_csv(), "text/csv"),
    "mlflow": lambda made, served: list(served.predict(UNLABELLED.to_pandas())["label"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_answered_alike_by_every_way_in(made: Result, served: Any, way: str) -> None:
    assert WAYS[way](made, served) == LATER["sold"].to_list()


def test_the_test_file_was_read_so_too(made: Result) -> None:
    assert made.metrics["accuracy"] == 1.0
    assert made.test("ensemble", LATER.to_pandas()).metrics["accuracy"] == 1.0


def test_numbers_that_lost_their_zeros_are_refused(made: Result, served: Any) -> None:
    lost = pd.DataFrame({"code": ["0012", "00300"], "flag": ["TRUE", "FALSE"], "size": [1.0, 2.0]})
    with pytest.raises(
        automl_assets.errors.DataError, match='column "code" holds texts, such as 0012; 1 cell is another: .00300.'
    ):
        made.predict(lost)


def test_the_schema_is_shown_and_rows_are_held_against_it(made: Result) -> None:
    folder = made.home.parent
    told = automl("schema", folder / "ways.yaml", "--home", made.home).stdout
    assert [line.split()[:2] for line in told.splitlines()[2:]] == [
        ["code", "text"],
        ["flag", "text"],
        ["size", "float"],
        ["sold", "text"],
    ]
    pl.DataFrame({"code": ["B1"], "size": ["big"], "more": [1]}).write_csv(folder / "odd.csv")
    told = automl("schema", folder / "ways.yaml", folder / "odd.csv", "--home", made.home).stdout
    assert told.splitlines() == [
        '"flag" is lacking.',
        '"more" was not learnt from.',
        "\"size\": 1 cell unreadable, counting as missing, such as 'big'.",
        "\"code\": 1 cell never learnt, counting as any other, such as 'B1'.",
    ]
