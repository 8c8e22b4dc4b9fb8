"""How a registered model answers through MLflow: a frame of raw columns in, a frame of answers out.

MLflow copies this file beside the model and runs it wherever that is served, so it imports nothing of this package.
"""

from typing import Any

import mlflow
import numpy as np
import pandas as pd


class RawColumns(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]  # loaded lazily by mlflow
    """The ONNX model behind pandas columns: gaps of every kind, dates as moments or texts, columns that are left out."""

    def load_context(self, context: Any) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(context.artifacts["onnx"], providers=["CPUExecutionProvider"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The outputs of the ONNX model: `prediction` and its intervals, or `label` and, in the order of the classes,
        `probabilities` and who is in each `prediction_set`."""
        _check(model_input)
        inputs = self.session.get_inputs()
        answers = self.session.run(None, {one.name: _feed(_given(model_input, one.name), one.type) for one in inputs})
        names = [output.name for output in self.session.get_outputs()]
        columns = {name: _column(answer) for name, answer in zip(names, answers, strict=True)}
        return pd.DataFrame(columns, index=model_input.index)


def _check(rows: pd.DataFrame) -> None:
    """Raises MlflowException, which the server tells as status 400, for what is no table of single values."""
    if rows.empty:
        raise _refused("there are no rows; send at least one")
    for name in rows.columns:
        nested = [value for value in rows[name] if isinstance(value, list | dict)] if rows[name].dtype == object else []
        if nested:
            raise _refused(f'column "{name}": {nested[0]!r} is no single value; send a number, a text or null')


def _refused(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, INVALID_PARAMETER_VALUE)


def _given(rows: pd.DataFrame, name: str) -> pd.Series:
    """A column, all of it missing where MLflow allowed to leave it out."""
    return rows[name] if name in rows else pd.Series(np.nan, rows.index)


def _feed(column: pd.Series, kind: str) -> np.ndarray:
    """A column as a tensor [n_rows, 1]; missing values are NaN or an empty text."""
    if kind == "tensor(string)":
        values = column.astype(object).where(column.notna(), "").astype(str).to_numpy(object)
    elif kind == "tensor(double)" and not pd.api.types.is_numeric_dtype(column):
        moments = pd.to_datetime(column, errors="coerce", utc=True)
        values = ((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
    else:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        values = values.astype(np.float32 if kind == "tensor(float)" else np.float64)
    return values.reshape(-1, 1)


def _column(answer: np.ndarray) -> Any:
    """An output as a column: one value a row, or a list of them."""
    return list(answer) if answer.ndim == 2 and answer.shape[1] > 1 else answer.reshape(-1)


mlflow.models.set_model(RawColumns())
