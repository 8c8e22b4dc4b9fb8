"""Rows of a public data set on openml.org, fetched through scikit-learn, which keeps what it has fetched."""

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from automl_assets.data import files, tables
from automl_assets.errors import SourceError
from automl_assets.parts import Source


class OpenmlOptions(BaseModel):
    """Which data set. The name may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="The data set's name on openml.org, such as credit-g.")
    version: int | None = Field(None, ge=1, description="The newest active one when left out.")


def read(options: OpenmlOptions) -> pl.DataFrame:
    """All rows, the target among the columns. Raises SourceError when there is no such set, or no network."""
    from sklearn.datasets import fetch_openml

    given = files.expanded(options)
    try:
        bunch = fetch_openml(given.name, version=given.version or "active", as_frame=True, parser="auto")
    except OSError as error:  # urllib's errors are of this family
        raise SourceError(
            f"{describe(given)} cannot be fetched: {error}; check the network and the proxy, or download "
            "the file once and use the source csv or parquet"
        ) from error
    except ValueError as error:
        raise SourceError(f"{describe(given)}: {error}; see https://www.openml.org for names and versions") from error
    return tables.plain(pl.from_pandas(bunch.frame))


def fingerprint(options: OpenmlOptions) -> str:
    """Changes when the content does: with another version, or with `version` left out and a new one published."""
    return tables.fingerprint_table(read(options))


def describe(options: OpenmlOptions) -> str:
    """The data set's name and version."""
    return f"OpenML data set {options.name}, version {options.version or 'active'}"


def code(options: OpenmlOptions) -> str:
    """The same call of scikit-learn."""
    return f"""\
from sklearn.datasets import fetch_openml

bunch = fetch_openml({files.text_code(options.name)}, version={options.version or "active"!r}, as_frame=True, parser="auto")
return pl.from_pandas(bunch.frame)
"""


PART = Source(
    name="openml",
    title="OpenML",
    options=OpenmlOptions,
    read=read,
    fingerprint=fingerprint,
    describe=describe,
    code=code,
    text_option="name",
)
