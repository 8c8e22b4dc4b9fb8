"""Records come back as they went, whatever they hold; nothing foreign is unpickled; no name from data leaves its folder."""

import dataclasses
import json
import pickle
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets import model_records, records
from automl_assets.data.column_schema import DECIMAL_COMMA, ColumnSchema
from automl_assets.data.schema import Schema
from automl_assets.errors import ArtifactError
from automl_assets.features import featurizer
from automl_assets.resources.record_codec import RECORD, read_record, write_record
from automl_assets.tabular.records import TableInputs

KEY = b"k" * 32
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
TABLE = pl.DataFrame(
    {
        "größe/€": [1.5, None, float("nan")],
        "when": [datetime(2024, 1, 1), None, datetime(1969, 12, 31, 23, 59)],
        "text": ["", None, "🦆\x00"],
        "empty": pl.Series([None, None, None], dtype=pl.Null),
        "flag": [True, None, False],
    }
)
PROBLEM = records.Problem("classification", "accuracy", ("no", "yes"), positive=1)
ROLES = records.Roles("y", ("größe/€", "text"), weight="w", folds=("f1", "f2"))
COLUMN = records.ColumnProfile(
    "a",
    "Float64",
    "numeric",
    1,
    2,
    mean=float("nan"),
    minimum=float("-inf"),
    top=(("x", 3), ("🦆", 1)),
    histogram=(0, 4),
)
GUARDRAIL = records.Guardrail("missing_values", "done", "1 gap", {"share": 0.5, "columns": ("a", "b"), "none": None})
FEATURE = records.FeatureColumn("a_year", "a", "year of date")
LEVELS = featurizer.Levels("colour", ("red", "../../x"), True)
DATES = featurizer.DateParts("when", ("year", "month"))
DENSE = featurizer.Dense((0.5,), (1.0,), (0,), ((1, 0), (1, -1)))
TERMS = featurizer.Terms("note", ("Red", "red"), (0, 0), ((0,),), ("red",), (1.5,), "[a-z]+")
FREQUENCIES = featurizer.Frequencies("colour", ("red",), (0.25,), 0.01)
EMBEDDING = featurizer.Embedding("note", "/models/tiny", 8)
FILL = featurizer.Fill("a", 0.5, True)
OFFSET = featurizer.Offset("a", 1.7e9)
RECIPE = featurizer.Featurizer(
    ("a",), (DATES,), (LEVELS,), DENSE, (TERMS,), (FREQUENCIES,), (FILL,), (EMBEDDING,), ("target",), (OFFSET,)
)
FITTED = records.Fitted(({"coefficients": np.arange(3.0)}, "second"))
STANDING = records.LeaderboardRow(1, "knn_1", "knn", 0.9, {"accuracy": 0.9}, 1.5, {"k": 5})
MEMBER = records.Member("knn_1", "knn", 1.0, FITTED)
STACK = records.Stack(np.eye(2), np.zeros(2))
CALIBRATION = records.Calibration(0.7, -0.1)
SPREAD = records.Spread(np.array([0.0, 1.0]), np.array([0.5, 2.0]))
CONFORMAL = records.Conformal((0.8, 0.95), (1.0, 2.5), SPREAD)
PICTURE = model_records.Picture("roc", "ROC curve", PNG)
TRIAL = records.Trial(
    "knn_1", "knn", {"k": 5, "hidden": (64, 64), "rate": 1e-300, "kind": None, "on": True}, "finished", score=0.9,
    scores={"accuracy": 0.9, "log_loss": float("inf")}, predictions=np.array([[0.1, 0.9], [np.nan, np.nan]]), fitted=FITTED,
)  # fmt: skip
FAILED = records.Trial("knn_2", "knn", {}, "failed", "out of memory: “needs” more\nthan 1 GiB")

SPLIT = records.Split(np.array([True, False]), np.array([[1, 2], [0, 1]], np.int8), "2-fold")
TIES = records.Ties(np.array([0, 0, 1]), np.array([1, 2, 3]))
TRUTH = records.Truth(np.array([0, -1]), None, PROBLEM, SPLIT)
RESAMPLING = model_records.Resampling("groups", 20, 500, {"AUC_weighted": 3})
CONTRIBUTIONS = model_records.Contributions(("yes",), (0.5,), TABLE, 64, 64)
COHORT = model_records.Cohort(("age > 40", 'job is "a/b"'), 12, 0.1, 2.5, 0.5, None, 0.9)
KNOWN_COLUMN = ColumnSchema("größe/€", "float", DECIMAL_COMMA, "1,5", (), "1.5", "2.5", True, "why")
SCHEMA = Schema((KNOWN_COLUMN,), {"null_values": ("", "NA")}, "csv")
MET = model_records.Comparison(
    "2", "test rows", 9, 0.8, 0.7, -0.1, (-0.2, 0.1), 0.02, ("größe/€",), "groups", 9, 0.01, (2**64 - 1,), 2
)
COMPARISON = model_records.GroupComparison(
    "größe/€", TABLE, {"accuracy": 0.9}, {"accuracy_difference": 0.1}, ("too far",)
)

EXAMPLES = [
    ROLES, COLUMN, GUARDRAIL, PROBLEM, FEATURE, STANDING, MEMBER, STACK, PICTURE, TRIAL, LEVELS, DATES, DENSE, TERMS, FREQUENCIES, FILL, OFFSET, EMBEDDING, RECIPE,
    records.Dataset(TABLE, np.array([0, 1, 2], np.int8), ROLES, "0123456789abcdef"),
    records.Profile(3, (COLUMN,), (GUARDRAIL,), PROBLEM),
    SPLIT,
    TRUTH,
    TIES,
    records.Features(
        TRUTH,
        TableInputs(np.full((2, 3), np.nan, np.float32), np.zeros((0, 4), np.float32)),
        RECIPE,
        (FEATURE,),
    ),
    records.Candidate("knn", (TRIAL, FAILED), 3.5),
    records.Candidate("knn", (), 0.0),
    records.Leaderboard("accuracy", True, (STANDING, dataclasses.replace(STANDING, rank=None, score=None, reason="crashed"))),
    CALIBRATION, SPREAD, CONFORMAL,
    records.Conformal((0.8, 0.95), (0.3, 0.1), class_bounds=((0.3, 0.2), (0.1, 0.1)), pooled=(1,)),
    records.Ensemble("stacking", (MEMBER, MEMBER), STACK, 0.9, {"single": 0.8}, np.zeros((2, 2)), RECIPE, PROBLEM),
    records.Ensemble(
        "single", (MEMBER,), None, 0.9, {"single": 0.9}, np.zeros((2, 2)), RECIPE, dataclasses.replace(PROBLEM, threshold=0.3),
        CALIBRATION, CONFORMAL,
    ),
    model_records.Evaluation("test", 2, {"r2_score": -1.0}, {"r2_score": (-2.0, 0.5)}, {}, (PICTURE,)),
    model_records.Evaluation("test", 2, {}, {}, {}, (), {"coverage_80": 0.81, "width_80": 2.5}, RESAMPLING, TABLE),
    RESAMPLING,
    model_records.Importance("a", 0.1, 0.0),
    CONTRIBUTIONS,
    model_records.Explanation(
        "accuracy", (model_records.Importance("a", 0.1, 0.0),), (), CONTRIBUTIONS, TABLE.head(0), (PICTURE, PICTURE)
    ),
    COHORT,
    model_records.ErrorAnalysis("test", 3, "accuracy", "log loss", 0.7, (COHORT,), ("größe/€",), TABLE, (PICTURE,)),
    COMPARISON,
    model_records.Fairness("out_of_fold", 3, (COMPARISON,), (PICTURE,)),
    model_records.OnnxModel(b"\x08\x09onnx", {"größe/€": "float"}, 2, 1e-7, 0.1, {"größe/€": 1.5}, SCHEMA),
    SCHEMA,
    KNOWN_COLUMN,
    model_records.TrainingData(PROBLEM, "größe/€", {"a": "number"}, np.array([2**64 - 1, 0], np.uint64)),
    MET,
    model_records.Registration("tiny", "3", False, "worse"),
    model_records.Registration("tiny", "3", False, "worse", MET),
    model_records.Predictions(TABLE),
    model_records.ColumnDrift("x", "wasserstein", 0.5, 0.01, 0.1),
    model_records.TrainingCode(b"print(1)", b'{"cells": []}', ("numpy==2.4.6",)),
    model_records.Unavailable("no room"),
    model_records.Report(b"<!doctype html><title>tiny</title>"),
]  # fmt: skip


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are alike in type and content, NaN being like NaN."""
    return _flat(a) == _flat(b)


def _flat(value: Any) -> Any:
    """A value as texts and tuples that can be compared."""
    match value:
        case np.ndarray() | np.generic():
            return str(value.dtype), value.shape, value.tobytes()
        case tuple():
            return "tuple", *map(_flat, value)
        case dict():
            return "dict", *((key, _flat(inner)) for key, inner in value.items())
        case records.Fitted():
            return "fitted", _flat(value.models)
        case pl.DataFrame():
            return str(value.schema), repr(value.to_dicts())
    names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    return type(value), tuple(_flat(getattr(value, name)) for name in names) or repr(value)


class Folder:
    """Files of a record in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def write(self, name: str, content: bytes) -> None:
        assert name not in self.files, f"{name} is written twice"
        self.files[name] = content

    def read(self, name: str) -> bytes:
        return self.files[name]


def stored(record: Any, key: bytes = KEY) -> Folder:
    folder = Folder()
    write_record(record, folder.write, key)
    return folder


def restored(record: Any) -> Any:
    return read_record(stored(record).read, KEY)


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_went(record: Any) -> None:
    assert is_same(restored(record), record)


def test_every_kind_of_record_has_an_example() -> None:
    kinds = {
        value.__name__
        for module in (records, featurizer)
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and value.__module__ == module.__name__
    }
    assert kinds <= {type(example).__name__ for example in EXAMPLES}


def test_record_json_is_written_last() -> None:
    assert list(stored(EXAMPLES[-1]).files)[-1] == RECORD


def test_models_are_read_when_first_looked_at() -> None:
    folder = stored(MEMBER)
    member = read_record(folder.read, KEY)
    folder.files = {}
    with pytest.raises(KeyError, match="fitted.models"):
        _ = member.fitted.models


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_changed_models_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    folder, trace = stored(MEMBER), tmp_path / "unpickled"
    payload = pickle.dumps((Bomb(trace),))
    folder.files["fitted.models"] = payload
    with pytest.raises(ArtifactError, match="fitted.models was not written by this installation.*Make it again"):
        _ = read_record(folder.read, KEY).fitted.models
    assert not trace.exists()
    pickle.loads(payload)
    assert trace.exists(), "the payload would have been harmless"


def test_a_damaged_file_is_told() -> None:
    """Of any kind: an ONNX model says so as a table does, whoever comes to read it."""
    folder = stored(model_records.OnnxModel(b"model", {}, 1, 0.0, 0.1))
    (file,) = [name for name in folder.files if name != RECORD]
    folder.files[file] = b"junk"
    with pytest.raises(ArtifactError, match=rf"^{file} is damaged, or has been changed since it was written"):
        read_record(folder.read, KEY)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", None])
def test_a_forged_signature_is_refused(signature: str | None) -> None:
    folder = stored(MEMBER)
    told = json.loads(folder.files[RECORD])
    told["fitted"] = {"$file": "fitted.models"} | ({} if signature is None else {"$signature": signature})
    folder.files[RECORD] = json.dumps(told).encode()
    with pytest.raises(ArtifactError, match="was not written by this installation"):
        _ = read_record(folder.read, KEY).fitted.models


def test_the_models_of_another_installation_are_refused() -> None:
    folder = stored(MEMBER, key=b"another" * 5)
    with pytest.raises(ArtifactError, match="was not written by this installation"):
        _ = read_record(folder.read, KEY).fitted.models


def test_arrays_that_hold_objects_are_not_unpickled(tmp_path: Path) -> None:
    folder, trace = stored(STACK), tmp_path / "unpickled"
    path = tmp_path / "objects.npy"
    np.save(path, np.array([Bomb(trace)], object), allow_pickle=True)
    folder.files["coefficients.npy"] = path.read_bytes()
    folder.files[RECORD] = folder.files[RECORD].replace(b"$digest", b"$forged")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_record(folder.read, KEY)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "🦆", "", "x" * 300, "C:\\x", "\x00", "record.json", "..", "con"])
def test_names_from_data_never_leave_the_folder(tmp_path: Path, name: str) -> None:
    record = records.Trial("t", "a", {name: np.arange(3), "other": {name: np.arange(2)}}, "failed")
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    write_record(record, lambda file, content: (folder / file).write_bytes(content), KEY)
    assert is_same(read_record(lambda file: (folder / file).read_bytes(), KEY), record)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.parent != folder] == []


def test_names_that_come_to_the_same_file_do_not_overwrite_each_other() -> None:
    config = {"a": {"b": np.arange(1)}, "a_b": np.arange(2), "A_b": np.arange(3), "1_config_a_b": np.arange(4)}
    record = records.Trial("t", "a", config, "failed")
    assert is_same(restored(record), record)


@pytest.mark.parametrize(
    ("value", "message"),
    [({"x": {1, 2}}, r"cannot hold a set \(at config_x\)"), ({1: "x"}, r"texts as keys; got \[1\]")],
)
def test_what_cannot_be_stored_is_refused(value: dict, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        stored(records.Trial("t", "a", value, "failed"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"$record": "Path"}', "unknown kind 'Path'"),
        ('{"$record": "os"}', "unknown kind 'os'"),
        ('{"$record": "Stack", "colour": 1}', "cannot be read.*another version. Make it again"),
        ("{}", "cannot be read"),
        ('{"$record": "Sta', "cannot be read"),
    ],
)
def test_a_record_of_another_version_is_told_as_such(text: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        read_record({RECORD: text.encode()}.__getitem__, KEY)


def test_a_very_wide_table_comes_back_as_it_went() -> None:
    """In Arrow's own format: Parquet takes seconds for ten thousand columns, at every step that reads them."""
    table = pl.DataFrame({f"c{i}": [i, None] for i in range(501)}).with_columns(TABLE.head(2))
    record = records.Dataset(table, np.array([0, 1], np.int8), ROLES, "0123456789abcdef")
    assert "table.arrow" in stored(record).files
    assert is_same(restored(record), record)
