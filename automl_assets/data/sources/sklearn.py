"""Rows of the small data sets that come with scikit-learn: for examples and tests, no network needed."""

from collections.abc import Sequence
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from automl_assets.data import files, tables
from automl_assets.errors import listed, nearest
from automl_assets.parts import Source

NAMES = ("breast_cancer", "diabetes", "digits", "iris", "wine")  # those with one target
TARGET = "target"


class SklearnOptions(BaseModel):
    """Which data set. The text may hold ${NAME} or ${NAME:-default}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description=f"One of {listed(NAMES)}.")

    @field_validator("name")
    @classmethod
    def _is_bundled(cls, value: str) -> str:
        if value not in NAMES and not files.has_variable(value):
            raise ValueError(f"got {value!r}; possible: {listed(NAMES)}.{nearest(value, NAMES)}")
        return value


def read(options: SklearnOptions) -> pl.DataFrame:
    """The features under scikit-learn's names, and the column `target`: class names, or the value to predict.

    >>> read(SklearnOptions(name="iris"))["target"].unique().sort().to_list()
    ['setosa', 'versicolor', 'virginica']
    """
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{files.expanded(options).name}")()
    features = pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names])
    return features.with_columns(_target(bunch.target, bunch.get("target_names")))


def _target(values: Any, class_names: Sequence[Any] | None) -> pl.Series:
    if class_names is None:
        return pl.Series(TARGET, values)
    return pl.Series(TARGET, [str(class_names[code]) for code in values])


def fingerprint(options: SklearnOptions) -> str:
    """Changes only when a version of scikit-learn corrects the data."""
    return tables.fingerprint_table(read(options))


def describe(options: SklearnOptions) -> str:
    """The data set's name."""
    return f"scikit-learn's data set {options.name}"


def code(options: SklearnOptions) -> str:
    """The same call of scikit-learn."""
    return f"""\
from sklearn import datasets

bunch = datasets.load_{files.expanded(options).name}()
features = pl.DataFrame(bunch.data, schema=[str(name) for name in bunch.feature_names])
names = bunch.get("target_names")
target = bunch.target if names is None else [str(names[code]) for code in bunch.target]
return features.with_columns(pl.Series({TARGET!r}, target))
"""


PART = Source(
    name="sklearn",
    title="scikit-learn's bundled data sets",
    options=SklearnOptions,
    read=read,
    fingerprint=fingerprint,
    describe=describe,
    code=code,
    text_option="name",
)
