"""What is known of one column: its type, how it is written, what was seen in it. The types, by the first rule that holds for
every cell that is not missing:

    type      as text                                       as a value of its own
    text      a number with a leading zero (007), or beyond 64 bits
    integer   12, -3                                        whole number
    float     1.5, 1e-3; 1,5 where a source says so         number, decimal, duration or time of day (in seconds)
    boolean   true, false in any case                       true or false
    date      2024-12-31                                    date
    datetime  a format of `dates.FORMATS`                   date and time, with an offset in UTC
    text      anything else                                 anything else, nested values as JSON
    empty     nothing but gaps

and `timestamp`, the time column of series, which is read by `timestamps`.

Learning is in `learn_column`, reading in `read_column`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from automl_assets.data.dates import ISO, ISO_ZONED, MOMENT
from automl_assets.stored import stored_as

Type = Literal["integer", "float", "boolean", "date", "datetime", "timestamp", "text", "empty"]

BLANK = ("",)
MISSING = ("", "na", "n/a", "nan", "null")  # in any case, where numbers, dates or truth values stand
DTYPES: dict[str, Any] = {
    "integer": pl.Int64(),
    "float": pl.Float64(),
    "boolean": pl.Boolean(),
    "date": pl.Date(),
    "datetime": MOMENT,
    "text": pl.String(),
    "empty": pl.String(),
    "timestamp": pl.String(),
}
IN_WORDS = {
    "integer": "whole numbers",
    "float": "numbers",
    "boolean": "true or false",
    "date": "dates",
    "datetime": "dates with time",
    "timestamp": "moments",
    "text": "texts",
    "empty": "nothing",
}

DECIMAL_COMMA = "decimal comma"
FORMATS_IN_WORDS = {
    DECIMAL_COMMA: "with a decimal comma",
    ISO: "as 2024-12-31",
    ISO_ZONED: "as 2024-12-31T23:59:59+01:00",
}


@stored_as("data.ColumnSchema")
@dataclass(frozen=True)
class ColumnSchema:
    """One column as it was learnt."""

    name: str
    type: Type
    format: str = ""  # of texts that are dates, or of codes: `dates.FORMATS`, `decimal comma`, `5 digits`
    example: str = ""  # the first cell
    values: tuple[str, ...] = ()  # texts as they were written, where there are no more than MOST_VALUES
    least: str = ""  # the smallest number or date
    most: str = ""
    has_gaps: bool = False
    doubt: str = ""  # why it may be meant otherwise

    @property
    def dtype(self) -> Any:
        """The type of its values in a table."""
        return pl.Datetime("us", "UTC") if self.format == ISO_ZONED else DTYPES[self.type]

    @property
    def in_words(self) -> str:
        """What a cell may be, for a person.

        >>> ColumnSchema("day", "datetime", "%d/%m/%Y", "31/12/1999").in_words
        'dates with time as %d/%m/%Y, such as 31/12/1999'
        """
        written = FORMATS_IN_WORDS.get(self.format, f"as {self.format}" if "%" in self.format else "")
        such = f", such as {self.example}" if self.example else ""
        return f"{IN_WORDS[self.type]} {written}".rstrip() + such
