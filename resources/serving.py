"""How a registered model answers through MLflow: a frame of raw columns in, a frame of answers out.

MLflow copies this file beside the model and runs it wherever that is served, so it imports nothing of this package.
"""

import sys
from io import StringIO
from typing import Any

import mlflow
import numpy as np
import pandas as pd

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL"]  # cells of a file, as where it is learnt from
SERVER = "mlflow.pyfunc.scoring_server"
WORDS = {"true": True, "false": False, "": None}  # texts that are no numbers but stand for some


class RawColumns(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]  # loaded lazily by mlflow
    """The ONNX model behind pandas columns: gaps of every kind, dates as moments or texts, columns that are left out."""

    def load_context(self, context: Any) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(context.artifacts["onnx"], providers=["CPUExecutionProvider"])
        if SERVER in sys.modules:
            _let_csv_in(sys.modules[SERVER])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The outputs of the ONNX model: `prediction` and its intervals, or `label` and, in the order of the classes,
        `probabilities` and who is in each `prediction_set`."""
        _check(model_input)
        inputs = self.session.get_inputs()
        answers = self.session.run(None, {one.name: _feed(_given(model_input, one.name), one.type) for one in inputs})
        names = [output.name for output in self.session.get_outputs()]
        columns = {name: _column(answer) for name, answer in zip(names, answers, strict=True)}
        return pd.DataFrame(columns, index=model_input.index)


def _let_csv_in(server: Any) -> None:
    """MLflow's own reading of `text/csv` fails at the first column that may be of any type."""
    own = server.parse_csv_input
    server.parse_csv_input = lambda csv_input, schema=None: _read_csv(csv_input, schema) if schema else own(csv_input)


def _read_csv(csv_input: StringIO, schema: Any) -> pd.DataFrame:
    """Rows of `text/csv` as the schema wants them: cells of any type stay texts, and are looked at by who answers."""
    try:
        rows = pd.read_csv(csv_input, dtype=str, keep_default_na=False, na_values=MISSING)
    except (ValueError, pd.errors.ParserError) as error:
        raise _refused(f"this is no CSV with a header and commas: {error}") from None
    if not isinstance(rows.index, pd.RangeIndex):  # pandas took what is too many for names of rows
        raise _refused(f"there are more cells in a row than in the header, {', '.join(rows.columns)}")
    numbers = [one.name for one in schema if one.type == mlflow.types.DataType.double and one.name in rows]
    return rows.assign(**{name: _numbers(rows[name]) for name in numbers})


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
    else:
        with np.errstate(over="ignore"):
            values = _seconds(column) if kind == "tensor(double)" else _numbers(column).astype(np.float32)
    return values.reshape(-1, 1)


def _numbers(column: pd.Series) -> np.ndarray:
    """Numbers, also those that come as texts, or as true and false."""
    given = column if pd.api.types.is_numeric_dtype(column) else column.astype(object).map(_spelt)
    numbers = pd.to_numeric(given, errors="coerce")
    _check_read(given, numbers, "is no number; send a number, true, false or null")
    return numbers.to_numpy(np.float64, na_value=np.nan)


def _spelt(value: Any) -> Any:
    return WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _seconds(column: pd.Series) -> np.ndarray:
    """Moments as seconds since 1970 (UTC). Of texts ISO 8601 alone: in others day and month cannot be told apart."""
    given = column.astype(object).where(column.notna() & (column.astype(object) != ""), None)
    moments = pd.to_datetime(given.map(str, na_action="ignore"), format="ISO8601", errors="coerce", utc=True)
    _check_read(given, moments, "is no date; send 2024-12-31, 2024-12-31T23:59:59 or null")
    return ((moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(np.float64)


def _check_read(given: pd.Series, read: pd.Series, told: str) -> None:
    lost = given[read.isna() & given.notna()]
    if len(lost):
        raise _refused(f'column "{given.name}": {lost.iloc[0]!r} {told}')


def _column(answer: np.ndarray) -> Any:
    """An output as a column: one value a row, or a list of them."""
    return list(answer) if answer.ndim == 2 and answer.shape[1] > 1 else answer.reshape(-1)


mlflow.models.set_model(RawColumns())
