"""What a YAML may say under `forecasting`: series, grid, horizon, look-back, covariates, hierarchy. Reads no data.

A column that is neither target, time nor id is a covariate. It is *static* where it never changes within a series,
*known* where the test file or `predict_source` brings it too (so it will be known ahead), and else *past*. Naming a
column under `known_covariates`, `past_covariates` or `static_covariates` decides it; Azure takes every column as known.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, field_validator, model_validator

from automl_assets.data.time_grid import grid
from automl_assets.errors import listed, nearest
from automl_assets.experiment.base import Frozen, one_or_many
from automl_assets.experiment.lag_settings import LagSettings

COUNTRY = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
MOST_STAMPS = 10_000

Names = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Reconciliation = Literal[
    "none", "bottom_up", "top_down_average_proportions", "top_down_proportions_of_averages", "min_trace"
]


def _none(value: Any) -> Any:
    return None if value == "none" else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_STAMPS


def _count(value: Any) -> Any:
    if value is None or value == "auto" or _is_count(value):
        return value
    raise ValueError(f"got {value!r}; it is auto, or a whole number from 1 to {MOST_STAMPS}")


def _counts(value: Any) -> Any:
    """Auto, or whole numbers in their order; a single one is a list of one."""
    several = value if value == "auto" else one_or_many(value)
    if several == "auto" or (isinstance(several, list | tuple) and all(map(_is_count, several))):
        return several if several == "auto" else tuple(sorted(set(several)))
    raise ValueError(f"got {value!r}; it is auto, none, a whole number from 1 to {MOST_STAMPS}, or a list of such")


Count = Annotated[Literal["auto"] | int, BeforeValidator(_count)]
Lags = Annotated[Literal["auto"] | tuple[int, ...], BeforeValidator(_counts)]


class ForecastSettings(Frozen):
    """How rows become series, and what is asked of them."""

    series_id_columns: Names = ()
    partition_by: Names = ()  # one group, and so one partition, for each of their values; none: one group of all
    partition_limit: int = Field(500, ge=1, le=100_000)  # more groups than that share partitions
    scope: Literal["group", "global"] = "group"  # what models over several series learn from

    horizon: Count = "auto"
    frequency: str = "auto"
    timezone: str | None = None  # of stamps that do not say theirs
    seasonality: Lags = "auto"
    aggregate: Annotated[Literal["sum", "max", "min", "mean"] | None, BeforeValidator(_none)] = None
    short_series: Literal["auto", "pad", "drop", "keep"] = "auto"

    target_lags: Lags | None = None  # nothing said: each configuration of a regression looks back as it likes
    feature_lags: Lags | None = None
    rolling_window: Annotated[Count | None, BeforeValidator(_none)] = None
    use_stl: Annotated[Literal["season", "season_trend"] | None, BeforeValidator(_none)] = None
    holidays: Annotated[str | None, BeforeValidator(_none)] = None
    known_covariates: Names | None = None
    past_covariates: Names | None = None
    static_covariates: Names | None = None

    n_windows: Count = "auto"
    cv_step: Count = "auto"
    quantiles: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()

    hierarchy: Names = ()  # columns from the top to the leaves
    reconciliation: Annotated[Reconciliation, BeforeValidator(lambda value: value or "none")] = "none"

    @field_validator("frequency")
    @classmethod
    def _is_offset(cls, value: str) -> str:
        return value if value == "auto" else grid(value).alias

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(
                f"got {value!r}; it is a name such as Europe/Berlin.{nearest(value, available_timezones())}"
            )
        return value

    @field_validator("holidays")
    @classmethod
    def _is_country(cls, value: str | None) -> str | None:
        if value is not None and not COUNTRY.match(value):
            raise ValueError(f"got {value!r}; it is a country (ISO 3166-1: US, DE) or a part of one (US-CA, DE-BY)")
        return value

    @field_validator("quantiles")
    @classmethod
    def _with_median(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted({*values, 0.5})) if values else ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.aggregate and self.frequency == "auto":
            raise ValueError("aggregate: needs a frequency to sum up to; say `frequency: D`, or remove it")
        if self.reconciliation != "none" and len(self.hierarchy) < 2:
            raise ValueError("reconciliation: needs `hierarchy`, two columns or more from the top to the leaves")
        for column in self.hierarchy:
            if column not in self.series_id_columns:
                raise ValueError(
                    f"hierarchy: {column!r} is no id of a series; possible: {listed(self.series_id_columns)}."
                    f"{nearest(column, self.series_id_columns)}"
                )
        if self.hierarchy and self.partition_by != self.hierarchy[: len(self.partition_by)]:
            raise ValueError(
                f"partition_by: got {listed(self.partition_by)}; with a hierarchy a group holds whole branches: none, or "
                f"the first columns of {listed(self.hierarchy)}"
            )
        return self

    @property
    def look_back(self) -> LagSettings:
        """The same for regressions over lags."""
        return LagSettings(self.target_lags, self.feature_lags, self.rolling_window, self.use_stl, self.holidays)

    @property
    def roles(self) -> Iterator[tuple[str, str]]:
        """Every column that is named, with the key that names it."""
        for key in ("series_id_columns", "partition_by", "known_covariates", "past_covariates", "static_covariates"):
            yield from ((key, column) for column in getattr(self, key) or ())


def levels(coverage: tuple[float, ...]) -> tuple[float, ...]:
    """The quantiles that bound central intervals of so much coverage, and the median.

    >>> levels((0.8, 0.95))
    (0.025, 0.1, 0.5, 0.9, 0.975)
    """
    sides = {round(side, 6) for share in coverage for side in ((1 - share) / 2, (1 + share) / 2)}
    return tuple(sorted(sides | {0.5}))
