"""What regressions over lags may look at, as an experiment asks."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LagSettings:
    """What regressions over lags may look at, as an experiment asks. None leaves it to each configuration.

    "auto" follows Azure: the last lag whose partial autocorrelation is significant before the first that is not.
    """

    target_lags: tuple[int, ...] | Literal["auto"] | None = None  # stamps before the first to be forecast, from 1
    feature_lags: tuple[int, ...] | Literal["auto"] | None = None  # of covariates
    rolling_window: int | Literal["auto"] | None = None  # stamps whose mean, minimum and maximum are looked at
    use_stl: Literal["season", "season_trend"] | None = None  # what the last values are taken apart into
    holidays: str | None = None  # country by ISO 3166-1 alpha-2, or a part of one: US, US-NY
