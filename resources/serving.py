"""How a registered model answers through MLflow: a frame of raw columns in, a frame of answers out.

MLflow copies this file beside the model and runs it wherever that is served, so it imports nothing of this package.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # looked at when the first session is made

SERVER = "mlflow.pyfunc.scoring_server"
KINDS = {"tensor(string)": "string", "tensor(double)": "double", "tensor(float)": "float", "tensor(uint8)": "image"}
UNREADABLE = "unreadable"
EXTENSIONS = b"ai.onnx.contrib"  # operators of onnxruntime-extensions, as a model names them
MOST_CHARACTERS = 60  # of a value that a message shows


class RawColumns(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]  # loaded lazily by mlflow
    """The ONNX model behind pandas columns, which are read as the rows were that it learnt from."""

    def load_context(self, context: Any) -> None:
        self.session = _session(Path(context.artifacts["onnx"]))
        self.reader = _module(Path(context.artifacts["reader"]))
        self.read_rows, self.feed, self.notes, for_mlflow = self.reader.READER
        if SERVER in sys.modules:  # refusals of its own show traces, and what was sent
            server: Any = sys.modules[SERVER]
            server.invocations = for_mlflow(server.InvocationsResponse)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The outputs of the ONNX model: `prediction` and its intervals, or `label` and, in the order of the classes,
        `probabilities` and who is in each `prediction_set`; or the `labels` of a set by name, or likely objects and all `boxes` as JSON. Where the model is not strict, `unreadable` names the columns
        of each row that count as missing because they cannot be read. The frame's `attrs` hold `notes`, sentences."""
        _check(model_input)
        kinds = self._kinds()
        read = self._read(model_input, list(kinds))
        feeds = self._packed({name: self.feed(read.table[name], kind) for name, kind in kinds.items()})
        names = [output.name for output in self.session.get_outputs()]
        told_entities, parted, without_lists, told_objects = self.reader.PARTS
        feeds = without_lists(feeds, self.session.get_modelmeta().custom_metadata_map)
        found = self._run(feeds)
        if "boxes" in found:  # answers for objects in images
            least = float(self.session.get_modelmeta().custom_metadata_map["threshold"])
            columns = {"prediction": told_objects(found, least), "boxes": told_objects(found)}
        elif "row" in found:  # answers for parts of texts
            texts = next(iter(feeds.values())).reshape(-1).tolist()
            columns = {"prediction": told_entities(found, texts), "probabilities": parted(found, len(texts))}
        else:
            columns = {name: _column(answer) for name, answer in found.items()}
        if labels := self._label_names():
            columns[names[0]] = [[labels[code] for code in np.flatnonzero(row)] for row in found[names[0]]]
        if not self.reader.IS_STRICT:
            columns[UNREADABLE] = list(read.unreadable) or ""
        answers = pd.DataFrame(columns, index=model_input.index)
        answers.attrs["notes"] = self._notes(read)
        return answers

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of the model by name."""
        try:
            return self.reader.RUN(self.session, feeds)
        except self.reader.DataError as error:  # of an image
            raise _refused(str(error)) from None

    def _label_names(self) -> list[str]:
        """Of a model that answers with sets of labels, in the order of its outputs."""
        return json.loads(self.session.get_modelmeta().custom_metadata_map.get("label_names", "[]"))

    def _notes(self, read: Any) -> list[str]:
        notes = self.notes()
        notes.add(read)
        return notes.lines

    def _kinds(self) -> dict[str, str]:
        """Raw column -> its kind; of a wide table one input has many columns, as the model's metadata say."""
        told = self.session.get_modelmeta().custom_metadata_map.get("matrices", "{}")
        self.matrices: dict[str, list[str]] = json.loads(told)
        inputs = self.session.get_inputs()
        return {name: KINDS[one.type] for one in inputs for name in self.matrices.get(one.name, [one.name])}

    def _packed(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Columns put together as the model takes them."""
        whole = {
            name: np.concatenate([feeds.pop(column) for column in columns], axis=1)
            for name, columns in self.matrices.items()
        }
        return feeds | whole

    def _read(self, rows: pd.DataFrame, names: list[str]) -> Any:
        """The columns as they were learnt; those that MLflow allowed to leave out are missing."""
        whole = pd.DataFrame({name: rows.get(name) for name in names}, index=rows.index)
        try:
            return self.read_rows(whole, self.reader.SCHEMA, names, self.reader.IS_STRICT)
        except self.reader.DataError as error:
            raise _refused(str(error)) from None


def _module(file: Path) -> ModuleType:
    """A module from its file, apart from those of other models; no bytecode is left beside it."""
    spec = importlib.util.spec_from_file_location(f"reader_{abs(hash(file))}", file)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.modules[module.__name__] = module  # where dataclasses look for it
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    finally:
        sys.dont_write_bytecode = before
    return module


def _session(file: Path) -> Any:
    """With the operators that cut texts into tokens, where the model needs them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if EXTENSIONS in file.read_bytes():
        from onnxruntime_extensions import get_library_path

        options.register_custom_ops_library(get_library_path())
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _check(rows: pd.DataFrame) -> None:
    """Raises MlflowException, which the server tells as status 400, for what is no table of single values."""
    if rows.empty:
        raise _refused("there are no rows; send at least one")
    for name in rows.columns:
        nested = [value for value in rows[name] if isinstance(value, list | dict)] if rows[name].dtype == object else []
        if nested:
            raise _refused(
                f'column "{name}": {repr(nested[0])[:MOST_CHARACTERS]} is no single value; send a number, a text or null'
            )


def _refused(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, INVALID_PARAMETER_VALUE)


def _column(answer: np.ndarray) -> Any:
    """An output as a column: one value a row, or a list of them."""
    return list(answer) if answer.ndim == 2 and answer.shape[1] > 1 else answer.reshape(-1)


mlflow.models.set_model(RawColumns())
