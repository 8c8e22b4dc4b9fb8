"""What a YAML may say under `retrain`: when an experiment is answered again by itself. Where nothing is said, never.

Each way stands on its own: new rows in the source, a point in time, rows to be predicted that no longer look like those
that were learnt, or Dagster's declarative automation. Reads no data.
"""

import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, field_validator, model_validator

from automl_assets.errors import listed, nearest
from automl_assets.frozen import Frozen, shorthand

MACROS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELDS: dict[
    str, tuple[int, int, tuple[str, ...]]
] = {  # of a cron expression: least and greatest number, and names that stand for numbers from the least on
    "minute": (0, 59, ()),
    "hour": (0, 23, ()),
    "day": (1, 31, ()),
    "month": (1, 12, MONTHS),
    "weekday": (0, 7, WEEKDAYS),
}
ITEM = re.compile(r"^(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9]\d?))?$")
IMPOSSIBLE_DAYS = {(30, 2), (31, 2), (31, 4), (31, 6), (31, 9), (31, 11)}  # days and months that no calendar has


def _cron(value: Any) -> Any:
    """A cron expression as it is written, once it is known that it comes due."""
    if value in (None, "none"):
        return None
    fields = value.split() if isinstance(value, str) else []
    if value in MACROS:
        return value
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"got {value!r}; it has five fields ({listed(FIELDS)}), as '0 3 * * mon' for Mondays at three, or is one of "
            f"{listed(MACROS)}"
        )
    for name, text in zip(FIELDS, fields, strict=True):
        _check_field(name, text)
    if (_number(fields[2], "day"), _number(fields[3], "month")) in IMPOSSIBLE_DAYS:
        raise ValueError(f"got {value!r}; no year has day {fields[2]} of month {fields[3]}")
    return " ".join(fields)


def _check_field(name: str, text: str) -> None:
    least, most, names = FIELDS[name]
    for item in text.split(","):
        found = ITEM.match(item)
        ends = [_number(end, name) for end in found.group("first", "last") if end] if found else [-1]
        if not all(least <= end <= most for end in ends) or ends != sorted(ends):
            also = f", or {listed(names)}" if names else ""
            raise ValueError(
                f"{name}: got {item!r}; it is * or a number from {least} to {most}{also}; also 1-5, 1,3 and */15"
            )


def _number(text: str, field: str) -> int:
    """The number that a text stands for in a field; -1 for none, which no field has."""
    least, _, names = FIELDS[field]
    if text.isascii() and text.isdigit():
        return int(text)
    return least + names.index(text.lower()) if text.lower() in names else -1


class Drift(Frozen):
    """What happens when the rows of `predict_source` have moved away from those that were learnt, and how far is far.

    Distances count beyond what chance explains for so many rows.
    """

    action: Literal["none", "tell", "retrain"] = "none"
    wasserstein: float = Field(0.1, gt=0)  # of numbers, in standard deviations of the rows learnt from
    jensen_shannon: float = Field(0.1, gt=0, lt=1)  # of categories, a distance between 0 and 1
    missing: float = Field(0.1, gt=0, lt=1)  # of gaps, as a share of rows
    least_columns: int = Field(1, ge=1)  # that must have moved


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
