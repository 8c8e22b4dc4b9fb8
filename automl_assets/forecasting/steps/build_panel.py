"""build_panel: puts rows into series, one below the other, sorted by time. Covariates become numbers; nothing else changes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from automl_assets.data.series_names import series_name
from automl_assets.data.timestamps import in_utc
from automl_assets.data.typing import seconds_since_1970
from automl_assets.errors import DataError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import Covariate
from automl_assets.records import SOURCE, Dataset

MISSING = ""  # the category of what has none, and of categories that nobody has learnt
ONE, SERIES, ROW, PART = "/one", "/series", "/row", "/part"  # our own columns beside those of the data


@dataclass(frozen=True)
class SeriesRows:
    """Rows of series as they were written, sorted by series and time."""

    names: tuple[str, ...]  # [n_series]
    groups: tuple[tuple[str, ...], ...]  # values of the `partition_by` columns [n_series]
    series: np.ndarray  # int64 [n_rows], number of the series
    stamps: np.ndarray  # datetime64[us] [n_rows], NaT where missing
    y: np.ndarray  # float64 [n_rows], NaN where missing
    is_ahead: np.ndarray  # bool [n_rows], whether of the test file
    covariates: np.ndarray  # float32 [n_rows, n_covariates], NaN where missing
    statics: np.ndarray  # float32 [n_series, n_statics], likewise
    place: np.ndarray  # int64 [n_rows], where each row stood among those that came
    zone: str | None  # in which hours count; the stamps are in UTC then

    def of(self, chosen: np.ndarray) -> "SeriesRows":
        """Those of the chosen series, by ascending number; they are counted from 0 again."""
        starts, ends = np.searchsorted(self.series, chosen), np.searchsorted(self.series, chosen, "right")
        is_one_block = len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1
        rows = (
            slice(starts[0], ends[-1])
            if is_one_block
            else np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [np.arange(0)])
        )
        return SeriesRows(
            names=tuple(self.names[number] for number in chosen),
            groups=tuple(self.groups[number] for number in chosen),
            series=np.repeat(np.arange(len(chosen)), ends - starts),
            stamps=self.stamps[rows],
            y=self.y[rows],
            is_ahead=self.is_ahead[rows],
            covariates=self.covariates[rows],
            statics=self.statics[chosen],
            place=self.place[rows],
            zone=self.zone,
        )

    def where(self, is_kept: np.ndarray) -> "SeriesRows":
        """Those that are kept, bool [n_rows]; the series stay all."""
        if is_kept.all():
            return self
        names = ("series", "stamps", "y", "is_ahead", "covariates", "place")
        return replace(self, **{name: getattr(self, name)[is_kept] for name in names})


def series_of(dataset: Dataset, experiment: Experiment) -> pl.DataFrame:
    """One row per series of the source, sorted by group and id: ids and groups as texts, and what never changes in it."""
    ids, groups = list(dataset.roles.series) or [ONE], experiment.forecasting.partition_by
    source = _with_texts(dataset, experiment).filter(pl.col(PART) == SOURCE)
    further = [name for name in (*groups, *dataset.roles.static) if name not in ids]
    found = source.group_by(ids).agg(
        *[pl.col(name).drop_nulls().first() for name in further],
        *[pl.col(name).n_unique().alias(f"/n {name}") for name in groups if name in further],
    )
    for name in groups:
        torn = found.filter(pl.col(f"/n {name}") > 1) if name in further else found.head(0)
        if torn.height:
            raise DataError(
                f'partition_by: "{name}" changes within the series {listed(sorted(_names(torn.select(ids))), 3)}; a series lies in '
                "one group. Add the column to forecasting.series_id_columns, or choose another."
            )
    return found.sort(*groups, *ids).with_row_index(SERIES).with_columns(pl.col(SERIES).cast(pl.Int64))


def build_panel(
    dataset: Dataset, experiment: Experiment, covariates: Iterable[Covariate], statics: Iterable[Covariate]
) -> SeriesRows:
    """All rows of the series of the source; those of a test file that belong to no such series are left out."""
    ids, time = list(dataset.roles.series) or [ONE], experiment.time_column or ""
    series = series_of(dataset, experiment)
    table = _with_texts(dataset, experiment).join(series.select(*ids, SERIES), on=ids).sort(SERIES, time, ROW)
    number = table[SERIES].to_numpy()
    stamps, zone = in_utc(table[time], experiment.forecasting.timezone, _comes_again(table[time], number))
    if zone:  # half hours of an hour that comes twice are in order only now
        order = np.lexsort((stamps, number))
        table, stamps = table[order], stamps[order]
    y = table[experiment.target].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    groups = series.select(experiment.forecasting.partition_by)
    return SeriesRows(
        names=tuple(_names(series.select(dataset.roles.series))) if dataset.roles.series else (series_name([]),),
        groups=tuple(groups.iter_rows()) if groups.width else ((),) * series.height,
        series=number,
        stamps=stamps,
        y=np.where(np.isfinite(y), y, np.nan),
        is_ahead=table[PART].to_numpy() != SOURCE,
        covariates=numbers(table, covariates),
        statics=numbers(series, statics),
        place=table[ROW].cast(pl.Int64).to_numpy(),
        zone=zone,
    )


def _comes_again(moments: pl.Series, series: np.ndarray) -> np.ndarray:
    """Whether a row bears the same moment as the one before it in its series, bool [n_rows]."""
    return (pl.Series(series).diff().fill_null(1) == 0).to_numpy() & (moments == moments.shift()).fill_null(
        False
    ).to_numpy()


def _with_texts(dataset: Dataset, experiment: Experiment) -> pl.DataFrame:
    columns = {*dataset.roles.series, *experiment.forecasting.partition_by}
    names = [pl.col(name).cast(pl.String).fill_null("") for name in columns]
    table = dataset.table.with_columns(*names, pl.lit("").alias(ONE), pl.Series(PART, dataset.part))
    return table.with_row_index(ROW)


def _names(ids: pl.DataFrame) -> list[str]:
    return [series_name(values) for values in ids.iter_rows()]


def numbers(table: pl.DataFrame, columns: Iterable[Covariate]) -> np.ndarray:
    """Numbers and codes of categories, float32 [n_rows, n_columns]; NaN where missing."""
    found = [
        _codes(table[one.column], one.categories) if one.categories else number_of(table[one.column]) for one in columns
    ]
    return np.column_stack(found).astype(np.float32) if found else np.zeros((table.height, 0), np.float32)


def number_of(column: pl.Series) -> np.ndarray:
    """A number, a truth or the day of a date as float64 [n_rows]; NaN where missing."""
    if column.dtype.is_temporal():
        return seconds_since_1970(column) / 86_400
    values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _codes(column: pl.Series, categories: tuple[str, ...]) -> np.ndarray:
    """A category that nobody has learnt is the last one."""
    codes = range(len(categories))
    found = column.cast(pl.String).replace_strict(categories, codes, default=codes[-1], return_dtype=pl.Float64)
    return found.set(column.is_null(), None).fill_null(float("nan")).to_numpy()
