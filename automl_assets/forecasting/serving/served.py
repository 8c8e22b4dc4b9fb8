"""How a registered forecast model answers through MLflow: rows of series in, the rows to be forecast with answers out.

`model_folder` copies this and all that it needs of this package into one file beside the model, which MLflow runs wherever
that is served: here belongs nothing that needs more than numpy, pandas, polars and onnxruntime.
"""

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from automl_assets.data.column_schema import MISSING
from automl_assets.data.schema import NO_SCHEMA, Schema, as_id
from automl_assets.data.time_grid import Grid, grid
from automl_assets.errors import DataError
from automl_assets.forecasting.steps.load_series import read_time
from automl_assets.serving.respond import for_mlflow
from automl_assets.steps.read_rows import Notes, read_rows

SERVER = "mlflow.pyfunc.scoring_server"
WORDS = {"true": 1, "false": 0} | dict.fromkeys(MISSING)  # texts that are no numbers but stand for some, or for none
MOST_STAMPS = 1_000_000  # from the first to the last of a series, whatever is missing in between
MOST_PASSES = 20_000_000  # of rows through the model: every horizon ahead asks it once more, with all rows before
MOST_OPEN = 500  # models that are kept in memory
MOST_CHARACTERS = 60  # of a value that a message shows
SHOWN = 5  # stamps or names that a message lists
MOST_OFF_GRID = 0.1  # of the rows of a history, which are left out as where it is learnt from
LAST_NIGHT_HOUR, SUNDAY = 3, 6  # when clocks are put back
OFFSET = r"(:\d{2}(?:[.,]\d+)?)\s*(?:Z|[+-]\d{2}:?\d{2})$"


class Forecasts(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]  # loaded lazily by mlflow
    """The ONNX models of all groups behind a frame of rows: one per stamp and series, the target null where it is to be
    forecast. What is to be forecast comes last in each series."""

    def __init__(self, schema: Schema = NO_SCHEMA, is_strict: bool = True):
        self.schema, self.is_strict = schema, is_strict

    def load_context(self, context: Any) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # looked at when the first session is made
        folder = Path(context.artifacts["models"])
        self.index = json.loads((folder / "index.json").read_text("utf-8"))
        self.opened = lru_cache(MOST_OPEN)(lambda file: _Model(folder / file))
        if SERVER in sys.modules:  # refusals of its own show traces, and what was sent
            server: Any = sys.modules[SERVER]
            server.invocations = for_mlflow(server.InvocationsResponse)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Stamp, columns of the series, `forecast` and `quantile_…` of each row whose target is to be forecast. The frame's
        `attrs` hold `notes`, sentences on what was never learnt."""
        sent = model_input.reset_index(drop=True)
        _check(sent)
        columns = self.index["series"]
        rows, notes = self._read(sent) if self.schema.columns else (sent, [])
        series = [*rows.groupby(columns, sort=False, dropna=False)] if columns else [((), rows)]
        answers = pd.concat([self._forecast(values, own) for values, own in series]).sort_index()
        if answers.empty:
            target = self.index["target"]
            raise _refused(f'nothing is to be forecast; add rows to come, with "{target}" null, after the history')
        ids = [self.index["time"], *columns]
        found = answers.assign(**sent.loc[answers.index, ids]).reset_index(drop=True)
        found.attrs["notes"] = notes + self._new_series(_name(values) for values, _ in series)
        return found

    def _new_series(self, names: Iterable[str]) -> list[str]:
        new = [name for name in names if name not in self.index["files"]]
        return [f"series {_listed(map(repr, new))}: never learnt, answered by the model of their group."] if new else []

    def _read(self, sent: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """The rows as those learnt from, with moments for stamps and the ids of series as texts; and notes on them."""
        known = [name for name in self.schema.names if name in sent.columns]
        try:
            read = read_rows(sent, self.schema, known, self.is_strict)
            rows = read_time(read.table, self.index["time"], self.schema, self.index["timezone"])
        except DataError as error:
            raise _refused(str(error)) from None
        ids, notes = self.index["series"], Notes()
        notes.add(replace(read, unseen=tuple(one for one in read.unseen if one.column not in ids)))
        return rows.with_columns(as_id(rows[name], self.schema) for name in ids).to_pandas(), notes.lines

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
        ends = zip(self.about.get("ends", ()), self.about.get("end_values", ()), strict=True)
        self.ends = dict(zip(self.about["names"], ends, strict=False))  # models of earlier versions do not say them
        self.inputs = {one.name: one.type for one in self.session.get_inputs()}

    def forecast(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of one series after its last known target, answered."""
        target, own = self.about["target"], self._grid()
        stamps = _stamps(rows[self.about["time"]], self.about["timezone"], own)
        if np.isnan(_numbers(rows[target])).all():
            raise _refused(f'series {name!r}: "{target}" is null in every row; send rows of the history before them')
        regular = self._joined(name, _regular(name, rows, stamps, own, self.about))
        n_history = int(np.flatnonzero(~np.isnan(regular.y))[-1]) + 1
        answers = self._ahead(name, regular, regular.y[:n_history])
        places = regular.places - n_history
        is_asked = places >= 0
        asked = rows.iloc[regular.rows[is_asked]][[self.about["time"], *self.about["series"]]]
        return pd.concat([asked, answers.iloc[places[is_asked]].set_index(asked.index)], axis=1)

    def _joined(self, name: str, regular: "_Regular") -> "_Regular":
        """With a row for each stamp between what was learnt of the series and what is sent, without a target: a season
        goes on where it was, and a gap takes the value before."""
        if name not in self.ends:
            return regular
        second, value = self.ends[name]
        end = int(regular.own.numbers(np.array([second], "datetime64[s]").astype("datetime64[us]"))[0])
        n_before = regular.first - end
        if n_before <= 1:
            return regular
        return replace(
            regular,
            table=regular.table.iloc[np.maximum(np.arange(-n_before, len(regular.y)), 0)],
            y=np.r_[value, np.full(n_before - 1, np.nan), regular.y],
            places=regular.places + n_before,
            first=end,
        )

    def _grid(self) -> Grid:
        """That of the stamps learnt from."""
        last = np.array([self.about["last"]], "datetime64[s]").astype("datetime64[us]")
        return grid(self.about["frequency"]).anchored(last)

    def _ahead(self, name: str, regular: "_Regular", y: np.ndarray) -> pd.DataFrame:
        """Answers for all rows after `y` and perhaps some more. Beyond the horizon forecasts become history, and
        quantiles grow as a random walk's would."""
        horizon, n_known, rows = self.about["horizon"], len(y), regular.table
        n_rows = n_known + -(-(len(rows) - n_known) // horizon) * horizon
        if (n_rows - n_known) // horizon * n_rows > MOST_PASSES:
            ahead = f"{len(rows) - n_known} steps of {self.about['frequency']!r} after {n_known} of the history"
            raise _refused(
                f"series {name!r}: {ahead} are too many at once; send a shorter history, or fewer rows to come"
            )
        seconds = regular.seconds(n_rows)
        rows = rows.iloc[np.minimum(np.arange(n_rows), len(rows) - 1)]  # what comes after the last row is as it
        spread = np.empty((0, len(self.about["levels"])))
        for end in range(n_known + horizon, n_rows + 1, horizon):
            point, quantiles = self.session.run(None, self._feed(name, rows[:end], seconds[:end], y))
            y, spread = np.append(y, point), spread if len(spread) else quantiles - point[:, None]
        steps = np.arange(n_rows - n_known)
        growth = np.sqrt(np.maximum(1.0, (steps + 1) / horizon))
        wide = spread[np.minimum(steps, horizon - 1)] * growth[:, None] if len(steps) else spread
        answers = pd.DataFrame({self.session.get_outputs()[0].name: y[n_known:]})
        names = [f"quantile_{level:g}" for level in self.about["levels"]]
        floor = self._floor(y[:n_known])
        return answers.join(pd.DataFrame(np.maximum(y[n_known:, None] + wide, floor), columns=names))

    def _floor(self, y: np.ndarray) -> float:
        """Below which no quantile of a series lies that has never been there."""
        floor = self.about.get("floor")  # models of earlier versions do not say it
        return floor if floor is not None and np.nanmin(y) >= floor else -np.inf

    def _feed(self, name: str, rows: pd.DataFrame, seconds: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        series, time, target, *_ = self.inputs
        columns = {column: _values(rows[column], self.inputs[column]) for column in self.about["covariates"]}
        columns |= {column: _values(rows[column][:1], self.inputs[column]) for column in self.about["statics"]}
        return {series: np.array([name], object), time: seconds, target: y, **columns}


def _check(rows: pd.DataFrame) -> None:
    """Raises MlflowException, which the server tells as status 400, for what is no table of single values."""
    if rows.empty:
        raise _refused("there are no rows; send a history and the rows to be forecast")
    for name in rows.columns:
        nested = [value for value in rows[name] if isinstance(value, list | dict)] if rows[name].dtype == object else []
        if nested:
            raise _refused(
                f'column "{name}": {_cut(repr(nested[0]))} is no single value; send a number, a text or null'
            )


def _stamps(column: pd.Series, timezone: str | None, own: Grid) -> np.ndarray:
    """Moments as datetime64[us] in UTC, or on the clocks that tell days; NaT for an hour that spring lacks.

    Those that do not say their time zone are in that of the experiment, the hour that comes twice in autumn in the order
    of the rows.
    """
    is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
    texts = column.astype(object)
    if is_text and timezone is None and own.length_days >= 1:
        texts = texts.map(lambda value: re.sub(OFFSET, r"\1", value) if isinstance(value, str) else value)
    try:
        found = pd.DatetimeIndex(_read_moments(texts) if is_text else pd.to_datetime(column))
    except (ValueError, TypeError):
        bad = column[pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True).isna()]
        raise _refused(f'column "{column.name}": {_listed(bad)} is no date; send ISO 8601 texts') from None
    if found.hasnans:
        raise _refused(f'column "{column.name}": a stamp is missing; every row needs one')
    if timezone is None and own.length_days >= 1:
        found = found.tz_localize(None)  # days are those of the clocks that are written
    if found.tz is None:
        found = found.tz_localize(timezone or "UTC", ambiguous=~found.duplicated(), nonexistent="NaT")
    return found.tz_convert(None).to_numpy().astype("datetime64[us]")


def _read_moments(texts: pd.Series) -> Any:
    """Texts of several offsets, as on both sides of a change of clocks, are moments in UTC."""
    try:
        return pd.to_datetime(texts, format="ISO8601")
    except ValueError:
        if texts.map(lambda value: isinstance(value, str) and re.search(OFFSET, value) is None).any():
            raise
        return pd.to_datetime(texts, format="ISO8601", utc=True)


@dataclass(frozen=True)
class _Regular:
    """One series without a gap, from its first stamp to its last."""

    table: pd.DataFrame  # [n], where a row is lacking the one before once more
    y: np.ndarray  # float64 [n], NaN where missing
    rows: np.ndarray  # int64 [n_kept], which of the rows that were sent stand on the grid
    places: np.ndarray  # int64 [n_kept], and where
    own: Grid
    first: int  # number of the first stamp

    def seconds(self, n_rows: int) -> np.ndarray:
        """Since 1970, of the stamps from the first one."""
        return self.own.stamps(self.first + np.arange(n_rows)).astype("datetime64[s]").astype(np.int64)


def _regular(name: str, rows: pd.DataFrame, stamps: np.ndarray, own: Grid, about: dict[str, Any]) -> _Regular:
    """The rows of a series on its grid, as where the model learnt: gaps are filled, repeats and hours that come twice
    become one, a few rows off the grid are left out. Raises MlflowException for what would be a guess."""
    order = np.argsort(stamps, kind="stable")
    order = order[~np.isnat(stamps[order])]
    y = _numbers(rows[about["target"]])[order]
    order, y = _on_grid(name, order, stamps, y, own, about)
    numbers = own.numbers(stamps[order])
    starts = np.flatnonzero(np.r_[True, np.diff(numbers) > 0])
    ends = np.r_[starts[1:], len(numbers)] - 1
    least, most = np.fmin.reduceat(y, starts), np.fmax.reduceat(y, starts)
    differs = least < most
    is_hour = differs & _are_clock_hours(own.stamps(numbers[starts])) & (about["timezone"] is None)
    if (differs & ~is_hour).any():
        twice = pd.DatetimeIndex(stamps[order][starts[differs & ~is_hour]])
        raise _refused(f"series {name!r}: two rows of {_listed(twice)} with different values; send one")
    means = np.add.reduceat(np.nan_to_num(y), starts) / np.maximum(1, np.add.reduceat(~np.isnan(y), starts))
    places = numbers[starts] - numbers[0]
    if places[-1] >= MOST_STAMPS:
        ends_at = _listed(pd.Series(stamps[order][[0, -1]]).astype(str))
        raise _refused(
            f"series {name!r}: {places[-1]} steps of {about['frequency']!r} lie between its first and last row "
            f"({ends_at}); at most {MOST_STAMPS} can be read"
        )
    whole = np.full(places[-1] + 1, np.nan)
    whole[places] = np.where(is_hour, means, most)
    before = np.maximum.accumulate(np.bincount(places, np.arange(len(places)), len(whole)).astype(np.int64))
    return _Regular(rows.iloc[order[ends][before]], whole, order[ends], places, own, int(numbers[0]))


def _on_grid(
    name: str, order: np.ndarray, stamps: np.ndarray, y: np.ndarray, own: Grid, about: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that stand on the grid. Stamps inside of months are taken for those of their period."""
    is_off = ~own.holds(stamps[order])
    if own.kind == "months" or not is_off.any():
        return order, y
    n_history = np.flatnonzero(~np.isnan(y))[-1] + 1
    if is_off[n_history:].any() or is_off.mean() > MOST_OFF_GRID:
        origin = own.stamps(own.numbers(np.array([about["last"]], "datetime64[s]")))
        raise _refused(
            f"series {name!r}: {_listed(pd.DatetimeIndex(stamps[order][is_off]))} is off the grid of {about['frequency']!r}, "
            f"which holds {_listed(pd.DatetimeIndex(origin))}"
        )
    return order[~is_off], y[~is_off]


def _are_clock_hours(stamps: np.ndarray) -> np.ndarray:
    """Whether stamps lie in an hour that comes twice when clocks are put back: a Sunday's early morning."""
    moments = pd.DatetimeIndex(stamps)
    is_night = (moments.hour <= LAST_NIGHT_HOUR) & (moments != moments.normalize())
    return np.asarray(is_night & (moments.dayofweek == SUNDAY) & moments.month.isin([3, 4, 9, 10, 11]))


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
        raise _refused(
            f'column "{column.name}": {_cut(repr(lost.iloc[0]))} is no number; send a number, true, false or null'
        )
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
    every = [_cut(str(value).removesuffix(" 00:00:00")) for value in values]
    shown = ", ".join(every[:SHOWN])
    return f"{shown} and {len(every) - SHOWN} more" if len(every) > SHOWN else shown


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
