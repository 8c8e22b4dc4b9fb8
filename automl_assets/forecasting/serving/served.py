"""How a registered forecast model answers through MLflow: rows of series in, the rows to be forecast with answers out.

MLflow copies this file beside the model and runs it wherever that is served, so it imports nothing of this package.
"""

import json
import sys
from collections.abc import Iterable
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL"]  # cells of a file, as where it is learnt from
SERVER = "mlflow.pyfunc.scoring_server"
WORDS = {"true": 1, "false": 0, "": None}  # texts that are no numbers but stand for some
MOST_OPEN = 500  # models that are kept in memory
SHOWN = 5  # stamps or names that a message lists


class Forecasts(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]  # loaded lazily by mlflow
    """The ONNX models of all groups behind a frame of rows: one per stamp and series, the target null where it is to be
    forecast. What is to be forecast comes last in each series."""

    def load_context(self, context: Any) -> None:
        folder = Path(context.artifacts["models"])
        self.index = json.loads((folder / "index.json").read_text("utf-8"))
        self.opened = lru_cache(MOST_OPEN)(lambda file: _Model(folder / file))
        if SERVER in sys.modules:
            _let_csv_in(sys.modules[SERVER])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Stamp, columns of the series, `forecast` and `quantile_…` of each row whose target is to be forecast."""
        rows = model_input.reset_index(drop=True)
        _check(rows)
        columns = self.index["series"]
        series = rows.groupby(columns, sort=False, dropna=False) if columns else [((), rows)]
        answers = pd.concat([self._forecast(values, own) for values, own in series]).sort_index()
        if answers.empty:
            target = self.index["target"]
            raise _refused(f'nothing is to be forecast; add rows to come, with "{target}" null, after the history')
        return answers.reset_index(drop=True)

    def _forecast(self, values: tuple[Any, ...], rows: pd.DataFrame) -> pd.DataFrame:
        name = _name(values)
        return self.opened(self._file(name, dict(zip(self.index["series"], values, strict=True)))).forecast(name, rows)

    def _file(self, name: str, values: dict[str, Any]) -> str:
        """The model that learnt from the series, else that of its group."""
        files, groups = self.index["files"], self.index["group_files"]
        group = _name(values.get(column) for column in self.index["partition_by"])
        file = files.get(name) or groups.get(group) or (next(iter(groups.values())) if len(groups) == 1 else None)
        if file is None:
            raise _refused(f"series {name!r} belongs to no group with a model; there are series {_listed(files)}")
        return file


class _Model:
    """One group: its ONNX file, which says itself what it was learnt from."""

    def __init__(self, file: Path):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["about"])
        self.inputs = {one.name: one.type for one in self.session.get_inputs()}

    def forecast(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of one series after its last known target, answered."""
        target = self.about["target"]
        stamps = _stamps(rows[self.about["time"]], self.about["timezone"])
        rows = rows.iloc[stamps.argsort()]
        stamps = stamps.sort_values()
        _check_grid(name, stamps, self.about)
        y = _numbers(rows[target])
        if np.isnan(y).all():
            raise _refused(f'series {name!r}: "{target}" is null in every row; send rows of the history before them')
        n_history = int(np.flatnonzero(~np.isnan(y))[-1]) + 1
        answers = self._ahead(name, rows, stamps, y[:n_history])
        asked = rows.iloc[n_history:][[self.about["time"], *self.about["series"]]]
        return pd.concat([asked, answers.iloc[: len(asked)].set_index(asked.index)], axis=1)

    def _ahead(self, name: str, rows: pd.DataFrame, stamps: pd.DatetimeIndex, y: np.ndarray) -> pd.DataFrame:
        """Answers for all rows after `y` and perhaps some more. Beyond the horizon forecasts become history, and
        quantiles grow as a random walk's would."""
        horizon, n_known = self.about["horizon"], len(y)
        n_rows = n_known + -(-(len(rows) - n_known) // horizon) * horizon
        grid = pd.date_range(stamps[0], periods=n_rows, freq=self.about["frequency"])
        rows = rows.iloc[np.minimum(np.arange(n_rows), len(rows) - 1)]  # what comes after the last row is as it
        spread = np.empty((0, len(self.about["levels"])))
        for end in range(n_known + horizon, n_rows + 1, horizon):
            point, quantiles = self.session.run(None, self._feed(name, rows[:end], grid[:end], y))
            y, spread = np.append(y, point), spread if len(spread) else quantiles - point[:, None]
        steps = np.arange(n_rows - n_known)
        growth = np.sqrt(np.maximum(1.0, (steps + 1) / horizon))
        wide = spread[np.minimum(steps, horizon - 1)] * growth[:, None] if len(steps) else spread
        answers = pd.DataFrame({self.session.get_outputs()[0].name: y[n_known:]})
        names = [f"quantile_{level:g}" for level in self.about["levels"]]
        return answers.join(pd.DataFrame(y[n_known:, None] + wide, columns=names))

    def _feed(self, name: str, rows: pd.DataFrame, stamps: pd.DatetimeIndex, y: np.ndarray) -> dict[str, np.ndarray]:
        series, time, target, *_ = self.inputs
        seconds = stamps.as_unit("s").asi8
        columns = {column: _values(rows[column], self.inputs[column]) for column in self.about["covariates"]}
        columns |= {column: _values(rows[column][:1], self.inputs[column]) for column in self.about["statics"]}
        return {series: np.array([name], object), time: seconds, target: y, **columns}


def _let_csv_in(server: Any) -> None:
    """MLflow's own reading of `text/csv` fails at the first column that may be of any type."""
    own = server.parse_csv_input
    server.parse_csv_input = lambda csv_input, schema=None: _read_csv(csv_input) if schema else own(csv_input)


def _read_csv(csv_input: StringIO) -> pd.DataFrame:
    """Rows of `text/csv`, whose cells stay texts and are looked at by who answers."""
    try:
        rows = pd.read_csv(csv_input, dtype=str, keep_default_na=False, na_values=MISSING)
    except (ValueError, pd.errors.ParserError) as error:
        raise _refused(f"this is no CSV with a header and commas: {error}") from None
    if not isinstance(rows.index, pd.RangeIndex):  # pandas took what is too many for names of rows
        raise _refused(f"there are more cells in a row than in the header, {', '.join(rows.columns)}")
    return rows


def _check(rows: pd.DataFrame) -> None:
    """Raises MlflowException, which the server tells as status 400, for what is no table of single values."""
    if rows.empty:
        raise _refused("there are no rows; send a history and the rows to be forecast")
    for name in rows.columns:
        nested = [value for value in rows[name] if isinstance(value, list | dict)] if rows[name].dtype == object else []
        if nested:
            raise _refused(f'column "{name}": {nested[0]!r} is no single value; send a number, a text or null')


def _stamps(column: pd.Series, timezone: str | None) -> pd.DatetimeIndex:
    """Moments in UTC; those that do not say their time zone are in that of the experiment."""
    try:
        found = pd.DatetimeIndex(pd.to_datetime(column, format=None if column.dtype != object else "ISO8601"))
    except (ValueError, TypeError):
        bad = column[pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True).isna()]
        raise _refused(f'column "{column.name}": {_listed(bad)} is no date; send ISO 8601 texts') from None
    if found.hasnans:
        raise _refused(f'column "{column.name}": a stamp is missing; every row needs one')
    if found.tz is None:
        found = found.tz_localize(timezone or "UTC", ambiguous=True, nonexistent="shift_forward")
    return found.tz_convert(None)


def _check_grid(name: str, stamps: pd.DatetimeIndex, about: dict[str, Any]) -> None:
    """Raises MlflowException for stamps that are twice there, off the grid, or lacking between the first and the last."""
    from pandas.tseries.frequencies import to_offset

    frequency, step = about["frequency"], to_offset(about["frequency"])
    if stamps.has_duplicates:
        raise _refused(f"series {name!r}: two rows of {_listed(stamps[stamps.duplicated()])}; send one")
    origin = pd.Timestamp(about["last"], unit="s")
    expected = pd.date_range(stamps[0], stamps[-1], freq=step)
    if isinstance(step, pd.offsets.Tick):
        off = stamps[(stamps - origin) % pd.Timedelta(step) != pd.Timedelta(0)]
    else:
        off = stamps[[not step.is_on_offset(stamp) for stamp in stamps]]
    off = off if len(off) else stamps.difference(expected)
    if len(off):
        raise _refused(
            f"series {name!r}: {_listed(off)} is off the grid of {frequency!r}, which holds {_listed([origin])}"
        )
    lacking = expected.difference(stamps)
    if len(lacking):
        raise _refused(
            f"series {name!r}: no row of {_listed(lacking)}; send every stamp of {frequency!r} between the first and the "
            f'last, with "{about["target"]}" null where it is not known'
        )


def _refused(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    return MlflowException(message, INVALID_PARAMETER_VALUE)


def _values(column: pd.Series, kind: str) -> np.ndarray:
    """A column as a tensor [n_rows]; missing values are NaN or an empty text."""
    if kind == "tensor(string)":
        return np.array([_text(value) for value in column], object)
    return _numbers(column).astype(np.float32)


def _numbers(column: pd.Series) -> np.ndarray:
    """Numbers, also those that come as texts, or as true and false; NaN where there is none."""
    given = column if pd.api.types.is_numeric_dtype(column) else column.astype(object).map(_spelt)
    numbers = pd.to_numeric(given, errors="coerce")
    lost = given[numbers.isna() & given.notna()]
    if len(lost):
        raise _refused(f'column "{column.name}": {lost.iloc[0]!r} is no number; send a number, true, false or null')
    return numbers.to_numpy(np.float64, na_value=np.nan)


def _spelt(value: Any) -> Any:
    return WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _name(values: Iterable[Any]) -> str:
    """As `series.series_name`, from whatever pandas made of the values."""
    return "|".join(_text(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)


def _text(value: Any) -> str:
    """A value as it was read when the model learnt: pandas makes whole numbers beside gaps to others."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _listed(values: Iterable[Any]) -> str:
    every = [str(value).removesuffix(" 00:00:00") for value in values]
    shown = ", ".join(every[:SHOWN])
    return f"{shown} and {len(every) - SHOWN} more" if len(every) > SHOWN else shown


mlflow.models.set_model(Forecasts())
