"""load: reads the experiment's sources into typed rows with roles, and refuses what cannot answer the question."""

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from automl_assets import tables
from automl_assets.errors import DataError, SettingError, SourceError, listed, nearest
from automl_assets.experiment import Experiment, SourceSetting
from automl_assets.featurizer import DATE_FORMATS, as_moments
from automl_assets.records import SOURCE, TEST_FILE, VALIDATION_FILE, Dataset, Roles
from automl_assets.steps.forecasting import assign, stamp

MIN_ROWS = 20
MIN_STAMPS = 3  # of a forecast: what is too short is found out series by series
UNITS_PER_SECOND: dict[str, float] = {"ms": 1e3, "us": 1e6, "ns": 1e9}


def load(experiment: Experiment) -> Dataset:
    """Every row of the source, the validation file and the test file, as one typed table."""
    settings = _settings(experiment)
    found = {part: read(setting) for part, setting in settings.items()}
    for mark, rows in found.items():
        where = settings[mark].part.describe(settings[mark].options)
        _check_columns(_wanted(experiment, is_ahead=experiment.is_forecasting and mark != SOURCE), rows, where)
        if not experiment.is_forecasting:
            _check_same_columns(found[SOURCE], rows, where)
    part = np.concatenate([np.full(rows.height, mark, np.int8) for mark, rows in found.items()])
    if experiment.is_forecasting:
        table, roles = _series(experiment, found)
    else:
        table = _stacked(list(found.values()))
        roles = _roles(experiment, table)
    _check_rows(experiment, table, part)
    return Dataset(table, part, roles, fingerprint(experiment))


def read(setting: SourceSetting) -> pl.DataFrame:
    """All rows of a source, with texts that hold only numbers or dates typed as such."""
    part, options = setting.part, setting.options
    rows = part.read(options)
    tables.check_names(rows.columns, part.describe(options))
    return typed(rows)


def batches(setting: SourceSetting, most_rows: int) -> Iterator[pl.DataFrame]:
    """The same rows a batch at a time, of the same types, for rows that need not fit into memory."""
    part, options = setting.part, setting.options
    if part.batches is None:
        return read(setting).iter_slices(most_rows)
    written = partial(part.batches, options, most_rows)
    return tables.steady(written, lambda rows: typed(part.typed(options, rows)))


def fingerprint(experiment: Experiment) -> str:
    """Changes when and only when the content of a source does, 16 hexadecimal digits."""
    parts = [setting.part.fingerprint(setting.options) for setting in _settings(experiment).values()]
    return parts[0] if len(parts) == 1 else hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def write_stamp(experiment: Experiment) -> str:
    """Changes with every write to a source where that shows without reading it, and else with its content."""
    parts = [
        (setting.part.stamp or setting.part.fingerprint)(setting.options) for setting in _settings(experiment).values()
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def may_be_half_written(experiment: Experiment) -> bool:
    """Whether a source may be seen while somebody writes it, as files are; a database answers before or after."""
    return any(setting.part.stamp for setting in _settings(experiment).values())


def typed(table: pl.DataFrame) -> pl.DataFrame:
    """Blank texts become missing; a text column in which every value is a number or a date becomes one."""
    return table.select(_typed(column) for column in table.iter_columns())


def _settings(experiment: Experiment) -> dict[int, SourceSetting]:
    settings = {
        SOURCE: experiment.source,
        VALIDATION_FILE: experiment.validation.source,
        TEST_FILE: experiment.test.source,
    }
    return {part: setting for part, setting in settings.items() if setting is not None}


def _typed(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Categorical or isinstance(column.dtype, pl.Enum):
        column = column.cast(pl.String)
    if column.dtype.is_decimal():
        return column.cast(pl.Float64)
    if column.dtype == pl.Time or isinstance(column.dtype, pl.Duration):
        return _seconds(column)
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return pl.Series(column.name, [None if value is None else str(value) for value in column.to_list()], pl.String)
    if column.dtype != pl.String:
        return column.fill_nan(None) if column.dtype.is_float() else column
    text = column.set(column.str.strip_chars() == "", None)
    return _as_number(text) if text.null_count() < len(text) else text


def _seconds(column: pl.Series) -> pl.Series:
    """A time of day as seconds since midnight, a length of time as seconds."""
    unit = column.dtype.time_unit if isinstance(column.dtype, pl.Duration) else "ns"
    return column.cast(pl.Int64) / UNITS_PER_SECOND[unit]


def _as_number(text: pl.Series) -> pl.Series:
    """A leading zero, as in a postal code, says that it is a name and not a number."""
    bare = text.str.strip_chars()
    if bare.str.contains(r"^-?0\d+$").any():
        return text
    for number in (pl.Int64, pl.Float64):
        numbers = bare.cast(number, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return _as_date(text)


def _as_date(text: pl.Series) -> pl.Series:
    probe = text.drop_nulls().head(50)
    for date_format in DATE_FORMATS:
        if probe.str.to_datetime(date_format, strict=False).null_count() == 0:
            dates = text.str.to_datetime(date_format, strict=False)
            if dates.null_count() == text.null_count():
                return dates
    return text


def _stacked(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Rows of all tables under the columns of the first."""
    return pl.DataFrame([_joined([table[name] for table in tables]) for name in tables[0].columns])


def _joined(columns: list[pl.Series]) -> pl.Series:
    """One column from several files: whole numbers give way to fractions, anything else follows the first's type."""
    first = columns[0].dtype
    is_widened = first.is_integer() and any(column.dtype.is_float() for column in columns)
    wanted = pl.Float64 if is_widened else first
    return pl.concat([as_type(column, wanted) for column in columns])


def as_type(column: pl.Series, wanted: Any) -> pl.Series:
    """A column as another type. Raises SourceError where its values cannot be."""
    if column.null_count() == len(column):
        return pl.Series(column.name, [None] * len(column), wanted)
    moments = column.dtype == pl.String and isinstance(wanted, pl.Date | pl.Datetime)
    try:
        return (as_moments(column) if moments else column).cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        raise SourceError(
            f'column "{column.name}" is {wanted} in the source and {column.dtype} in a validation or test file; '
            "write its values alike"
        ) from None


def _check_same_columns(first: pl.DataFrame, table: pl.DataFrame, where: str) -> None:
    lacking = [name for name in first.columns if name not in table.columns]
    if lacking:
        raise SourceError(
            f"{where} lacks {listed(lacking)}; a validation or test file has the columns of the source. "
            f"It has {listed(table.columns)}.{nearest(lacking[0], table.columns)}"
        )


def _wanted(experiment: Experiment, is_ahead: bool) -> list[tuple[str, str]]:
    """The columns that must be there, after the key that names each; stamps to be forecast come with few of them."""
    if is_ahead:
        ids = [("forecasting.series_id_columns", name) for name in experiment.forecasting.series_id_columns]
        return [("time_column", experiment.time_column or ""), *ids]
    wanted = [*experiment.roles, *(("drop_columns", name) for name in experiment.drop_columns)]
    wanted += [("sensitive_columns", name) for name in experiment.sensitive_columns]
    wanted += [("featurization.column_types", name) for name in experiment.featurization.column_types]
    return wanted + [("featurization.imputers", name) for name in experiment.featurization.imputers]


def _check_columns(wanted: list[tuple[str, str]], table: pl.DataFrame, where: str) -> None:
    for key, name in wanted:
        if name not in table.columns:
            hint = nearest(name, table.columns)
            raise SettingError(f'{key}: {where} has no column "{name}"; it has {listed(table.columns)}.{hint}')


def _series(experiment: Experiment, found: dict[int, pl.DataFrame]) -> tuple[pl.DataFrame, Roles]:
    """Rows of series with moments in the time column; a test file may lack columns, which are then not known ahead."""
    _check_country(experiment.forecasting.holidays)
    history, time = found[SOURCE], experiment.time_column or ""
    ahead = found.get(TEST_FILE)
    if ahead is None and experiment.predict_source:
        ahead = read(experiment.predict_source)
    roles = assign.roles(history, experiment, () if ahead is None else ahead.columns)
    tables = [_completed(rows, history).with_columns(stamp.stamps(rows[time])) for rows in found.values()]
    return _stacked(tables), roles


def _check_country(code: str | None) -> None:
    if code is None:
        return
    from holidays import list_supported_countries

    found = list_supported_countries()
    country, _, part = code.partition("-")
    if country not in found:
        raise SettingError(f"forecasting.holidays: got {country!r}; possible: {listed(found, 300)}")
    if part and part not in found[country]:
        raise SettingError(
            f"forecasting.holidays: {country} has no part {part!r}; possible: {listed(found[country], 100)}"
        )


def _completed(rows: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    lacking = [name for name in first.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, first.schema[name]).alias(name) for name in lacking)


def _check_rows(experiment: Experiment, table: pl.DataFrame, part: np.ndarray) -> None:
    n_labelled = int((table[experiment.target].is_not_null().to_numpy() & (part == SOURCE)).sum())
    least = MIN_STAMPS if experiment.is_forecasting else MIN_ROWS
    if n_labelled < least:
        n_rows = int((part == SOURCE).sum())
        raise DataError(
            f'{n_rows} {"row" if n_rows == 1 else "rows"}, {n_labelled} of them with a value of the target "{experiment.target}": '
            f"at least {least} are needed to learn, validate and test. Bring more labelled rows."
        )
    if experiment.weight_column:
        weight = table[experiment.weight_column].cast(pl.Float64, strict=False)
        if weight.null_count() or weight.is_nan().any() or (weight < 0).any() or weight.sum() == 0:
            raise DataError(
                f'weight_column "{experiment.weight_column}": weights are numbers of at least 0, not all 0, without gaps; '
                f"got {weight.null_count()} gaps and a minimum of {weight.min()!r}."
            )


def _roles(experiment: Experiment, table: pl.DataFrame) -> Roles:
    folds = experiment.validation.fold_columns
    spoken_for = {
        experiment.target,
        experiment.weight_column,
        experiment.group_column,
        *folds,
        *experiment.drop_columns,
    }
    features = tuple(name for name in table.columns if name not in spoken_for)
    if not features:
        raise SourceError(f"no column is left to learn from; the table has {listed(table.columns)}")
    return Roles(
        experiment.target, features, experiment.weight_column, experiment.group_column, experiment.time_column, folds
    )
