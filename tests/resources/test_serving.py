"""The file that MLflow copies beside a model: pandas columns of any type, as the ONNX graph takes them."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automl_assets.data.schema import learn_schema
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import parse
from automl_assets.features import featurizer_onnx
from automl_assets.features.featurizer import encode, fit_featurizer
from automl_assets.features.featurizer_onnx import add_codes
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.session import feed, open_session
from automl_assets.records import Candidate, Ensemble
from automl_assets.resources import model_folders
from automl_assets.resources.model_folders import table_model
from automl_assets.serving.limits import Limits
from automl_assets.serving.request_rows import read_request
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict_by
from automl_assets.steps.predict_batches import answerer
from automl_assets.steps.read_rows import read_rows
from automl_assets.steps.read_source import source_like, written_batches
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

AS_SERVED = {
    "whole": pd.Series([7, 8]),
    "with a gap": pd.Series([7, 8, None]),
    "nullable": pd.Series([7, 8, None], dtype="Int64"),
    "texts": pd.Series(["7", "8"]),
    "mixed": pd.Series([7.0, "8", "red"], dtype=object),
    "categories": pd.Series([7, 8]).astype("category"),
}


@pytest.mark.parametrize("column", AS_SERVED.values(), ids=AS_SERVED)
def test_a_whole_number_names_its_category_in_any_column(column: pd.Series) -> None:
    featurizer = fit_featurizer(pl.DataFrame({"c": [7, 8, 8]}), {"c": "categorical"})
    graph = Graph()
    graph.output("codes", add_codes(graph, featurizer), FLOAT, [None, None])
    session = open_session(graph.build().SerializeToString())
    read = read_rows(
        pd.DataFrame({"c": column}), learn_schema(pl.DataFrame({"c": ["7", "8", "8"]})).only(()), ["c"], True
    )
    (codes,) = session.run(None, {"c": feed(read.table["c"], "string")})
    assert codes[:2, 0].tolist() == [1.0, 0.0]
    assert np.isnan(codes[2:]).all()
    told = column.astype(object).where(column.notna(), None).to_list()
    np.testing.assert_array_equal(codes, encode(featurizer, pl.DataFrame({"c": told}, strict=False)))


# The same rows over HTTP and from a file


def line(number: int) -> str:
    """Truths with and without gaps, whole numbers with and without, a day, a share; all of them tell the answer."""
    is_yes, gap = number * 7 % 5 > 1, number % 6 == 0
    flag = str((number % 7 == 0) != is_yes).lower()
    cells = (flag, "" if gap else flag, 3 * is_yes + number % 4, "" if gap else 2 * is_yes + number % 5)
    return ",".join(map(str, (*cells, f"2024-0{1 + number % 3 + 3 * is_yes}-03", is_yes + number % 9 / 9, is_yes)))


HEAD = ("flag", "flag_gaps", "whole", "whole_gaps", "day", "share")
ROW = dict(zip(HEAD, (True, True, 3, 4, "2024-02-03", 0.5), strict=True))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnnxModel, Ensemble]:
    """What was learnt from text, which knows of no types."""
    file = tmp_path_factory.mktemp("truths") / "rows.csv"
    file.write_text("\n".join([",".join((*HEAD, "answer")), *map(line, range(60))]))
    given = {"task": "classification", "source": str(file), "target": "answer", "validation": {"folds": 2}}
    experiment = parse(given | {"algorithms": ["logistic_regression"]}, "truths")
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    features = featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    part = experiment.candidates["logistic_regression"]
    made: Candidate = search(features, part, Budget(600, 2, max_trials=1), 0)
    ensemble = build_ensemble((made,), features, experiment.ensemble, 0)
    return export(ensemble, dataset.table), ensemble


Post = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def post(model: tuple[OnnxModel, Ensemble]) -> Post:
    """What the scoring server makes of rows: its own function, without a socket."""
    import mlflow
    from mlflow.pyfunc import scoring_server

    with table_model(model[0]) as folder:
        served = mlflow.pyfunc.load_model(str(folder))

        def send(*rows: dict[str, Any], csv: str | None = None) -> tuple[int, Any]:
            kind = "application/json" if csv is None else "text/csv"
            content = json.dumps({"dataframe_records": rows}) if csv is None else csv
            told = scoring_server.invocations(content.encode(), kind, served, served.metadata.get_input_schema())
            answer = json.loads(told.response)
            return told.status, answer["predictions"] if told.status == 200 else answer["message"]

    return send


@pytest.fixture
def predicted(model: tuple[OnnxModel, Ensemble], tmp_path: Path) -> Callable[[str, str], list[float]]:
    """What `automl predict` says of the row with another cell."""

    def ask(name: str, cell: str) -> list[float]:
        texts = {key: str(value) for key, value in ROW.items()} | {name: cell}
        (tmp_path / "row.csv").write_text(",".join(HEAD) + "\n" + ",".join(texts.values()) + "\n")
        onnx, ensemble = model
        (rows,) = written_batches(source_like(str(tmp_path / "row.csv"), ensemble.schema), 10)
        answers = predict_by(answerer(onnx, ensemble.problem), ensemble, rows, is_strict=True)
        return [answers["probability_False"].item(), answers["probability_True"].item()]

    return ask


TRUTHS = {"true": (True, "True", "true", 1, 1.0, " TRUE"), "false": (False, "false", 0, "0"), "": (None, "")}
SENT = [
    *((name, value, cell) for name in ("flag", "flag_gaps") for cell, values in TRUTHS.items() for value in values),
    *((name, value, cell) for name, value, cell in (
        ("whole", 7, "7"), ("whole", "7", "7"), ("whole", 7.0, "7"), ("whole", 1.7, "1.7"), ("whole", None, ""), ("whole_gaps", 7, "7"), ("whole_gaps", None, ""),
        ("whole_gaps", "7", "7"), ("whole_gaps", 7.0, "7.0"), ("share", "0.25", "0.25"), ("share", 1, "1"),
        ("day", "2024-05-06", "2024-05-06"), ("day", "2024-05-06T10:00:00", "2024-05-06T10:00:00"), ("day", None, ""),
        ("day", "2024-05-06T10:00:00Z", "2024-05-06"), ("day", "9999-12-31", "9999-12-31"), ("day", "0001-01-01", "0001-01-01"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "cell"), SENT)
def test_a_value_means_the_same_over_http_and_in_a_file(
    post: Post, predicted: Callable, name: str, value: Any, cell: str
) -> None:
    """Alone, and below rows that give the column another type."""
    expected = pytest.approx(predicted(name, cell), abs=1e-6)
    for rows in ([{**ROW, name: value}], [ROW, {**ROW, "flag_gaps": None, "whole_gaps": None}, {**ROW, name: value}]):
        status, answers = post(*rows)
        assert status == 200, answers
        assert answers[-1]["probabilities"] == expected


def test_a_wide_table_is_asked_by_the_same_columns(
    model: tuple[OnnxModel, Ensemble], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends rows need not know that the file takes many columns as one."""
    import mlflow

    narrow, ensemble = model
    monkeypatch.setattr(featurizer_onnx, "MATRIX_COLUMNS", 0)
    monkeypatch.setattr(model_folders, "MOST_TOLD", 0)
    rows = pd.DataFrame([ROW, {**ROW, "whole_gaps": None, "share": 0.9}])
    wide = export(ensemble, read_rows(rows, ensemble.schema, HEAD, True).table)
    found = []
    for onnx in (narrow, wide):
        with table_model(onnx) as folder:
            found.append(mlflow.pyfunc.load_model(str(folder)).predict(rows))
    assert wide.matrices and list(found[0]) == list(found[1])
    for name in found[0]:
        np.testing.assert_array_equal(np.stack(found[0][name]), np.stack(found[1][name]))


def test_every_column_tells_something(predicted: Callable) -> None:
    """Or the test above would prove nothing."""
    usual = predicted("flag", "true")
    others = {"flag": "false", "flag_gaps": "false", "whole": "7", "whole_gaps": "9", "day": "2025-05-06", "share": "1"}
    assert all(abs(predicted(name, cell)[0] - usual[0]) > 1e-4 for name, cell in others.items())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "flag",
            "maybe",
            "column \"flag\" holds true or false, such as true; 1 cell is another: 'maybe'. Write these",
        ),
        ("flag_gaps", "yes", "column \"flag_gaps\" holds true or false, such as true; 1 cell is another: 'yes'"),
        ("day", "03.02.2024", "\"day\" holds dates as 2024-12-31, such as 2024-01-03; 1 cell is another: '03.02.2024'"),
        ("day", "2024-05-06T10:00:00+02:00", "1 cell is another: '2024-05-06T10:00:00+02:00'"),
        (
            "day",
            1704067200,
            "column \"day\" holds dates as 2024-12-31, such as 2024-01-03; 1 cell is another: '1704067200'",
        ),
        ("whole", "many", "column \"whole\" holds whole numbers, such as 0; 1 cell is another: 'many'"),
        ("whole_gaps", "many", "column \"whole_gaps\" holds whole numbers, such as 3; 1 cell is another: 'many'"),
        ("flag", {"a": 1}, "column \"flag\": {'a': 1} is no single value"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(post: Post, name: str, value: Any, told: str) -> None:
    status, message = post({**ROW, name: value})
    assert status == 400 and told in message


# text/csv


def test_a_file_as_it_was_learnt_from_is_answered_as_its_rows_are(post: Post) -> None:
    """Its answers too, in another order, behind a byte order mark."""
    table = pl.read_csv(StringIO("\n".join([",".join((*HEAD, "answer")), *map(line, range(12))])))
    status, answers = post(csv="\ufeff" + table.select(reversed(table.columns)).write_csv())
    assert (status, answers) == post(*table.select(HEAD).to_dicts())
    assert status == 200 and len(answers) == 12


@pytest.mark.parametrize(("name", "cell"), sorted({(name, cell) for name, _, cell in SENT}))
def test_a_cell_means_the_same_in_csv_over_http(post: Post, predicted: Callable, name: str, cell: str) -> None:
    rows = [",".join(str(value) for value in row.values()) for row in (ROW, {**ROW, name: cell})]
    status, answers = post(csv="\n".join([",".join(HEAD), *rows]))
    assert status == 200, answers
    assert answers[-1]["probabilities"] == pytest.approx(predicted(name, cell), abs=1e-6)


def test_cells_stay_as_they_are_written_and_gaps_are_those_of_files() -> None:
    cells = pd.DataFrame({"code": ["007", "12"], "word": ["None", "one"], "size": ["1", "2"]})
    schema = learn_schema(pl.from_pandas(cells), source={"null_values": ["", "NA"]})
    sent, _ = read_request(b"code,word,size\n007,None,123456789\n12,NA,\n", "text/csv", (), Limits())
    read = read_rows(sent, schema, ["code", "word", "size"], is_strict=True).table
    assert read.to_dict(as_series=False) == {"code": ["007", "12"], "word": ["None", None], "size": [123456789, None]}


@pytest.mark.parametrize(
    ("csv", "told"),
    [
        ("", "the body is empty"),
        ("flag;share\ntrue;0,5", "there are more cells in a row than in the header, 'flag;share'"),
        ("flag;share\ntrue;1", 'the columns "flag", "whole", "share", "day" are missing; the rows have "flag;share".'),
        ("flag,share\n1,2\n1,2,3", "the body is no CSV with a header and commas: "),
        (
            ",".join(HEAD) + "\ntrue,true,3,4,2024-02-03,much",
            "column \"share\" holds numbers, such as 0.0; 1 cell is another: 'much'",
        ),
        (
            ",".join(HEAD) + "\ntrue,true,3,4,03.02.2024,1",
            "as 2024-12-31, such as 2024-01-03; 1 cell is another: '03.02.2024'",
        ),
    ],
)
def test_csv_that_cannot_be_read_is_refused_in_words(post: Post, csv: str, told: str) -> None:
    status, message = post(csv=csv)
    assert status == 400 and told in message
