"""What a YAML may say under `retrain`: when an experiment is answered again by itself. Where nothing is said, never.

Each way stands on its own: new rows in the source, a point in time, rows to be predicted that no longer look like those
that were learnt, or Dagster's declarative automation. Reads no data.
"""

from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, field_validator, model_validator

from automl_assets.errors import nearest
from automl_assets.experiment.base import Frozen, shorthand

N_FIELDS = 5
CRON_FORM = "it has five fields (minute, hour, day, month, weekday), as '0 3 * * mon' for Mondays at three, or a word such as @daily"


def _cron(value: Any) -> Any:
    """A cron expression as it is written, once it is known that it comes due."""
    if value in (None, "none"):
        return None
    from croniter import CroniterBadDateError, CroniterError, croniter

    try:
        times = croniter(str(value), day_or=False)  # a day must come by itself, for Dagster, whatever the weekday
        times.get_next()
    except CroniterBadDateError:
        raise ValueError(f"got {value!r}, a day that never comes") from None
    except CroniterError as error:
        raise ValueError(f"got {value!r}: {error}; {CRON_FORM}") from None
    if len(times.expanded) != N_FIELDS:
        raise ValueError(f"got {value!r}, with seconds or years; {CRON_FORM}")
    return value


class Drift(Frozen):
    """What happens when the rows of `predict_source` have moved away from those that were learnt (of a forecast, in what
    is known ahead), or when forecasts that have come true were worse than in the test; and how far is far.

    Distances count beyond what chance explains for so many rows or series.
    """

    action: Literal["none", "tell", "retrain"] = "none"
    wasserstein: float = Field(0.1, gt=0)  # of numbers, in standard deviations of the rows learnt from
    jensen_shannon: float = Field(0.1, gt=0, lt=1)  # of categories, a distance between 0 and 1
    missing: float = Field(0.1, gt=0, lt=1)  # of gaps, as a share of rows
    error: float = Field(0.5, gt=0)  # of a group of a forecast, by which its errors have grown, as a share of them
    least_columns: int = Field(1, ge=1)  # that must have moved; of a forecast, groups, or covariates known ahead


class Retrain(Frozen):
    """When an experiment is answered again by itself."""

    on_new_data: bool = False
    debounce_seconds: float = Field(60, ge=0, le=86_400)  # for which nothing more may have come before data is read
    cron: Annotated[str | None, BeforeValidator(_cron)] = None
    timezone: str = "UTC"  # of `cron`
    drift: Annotated[Drift, shorthand("action", (str, bool))] = Drift()
    automation: Literal["none", "eager"] = "none"  # eager: whatever is made anew, what it feeds follows by itself

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(
                f"got {value!r}; it is a name such as Europe/Berlin.{nearest(value, available_timezones())}"
            )
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.automation == "eager" and self.on_new_data:
            raise ValueError("automation: with `on_new_data` a run makes everything already; say one of the two")
        return self
