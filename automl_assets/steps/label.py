"""label: labels that people gave, as rows of the source: joined with what was scored, checked, those known left out.

Not here: formats of labels (`labels`), how a source keeps rows (`sources`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import fsspec
import polars as pl

from automl_assets import registry, tables
from automl_assets.errors import DataError, SettingError, SourceError, listed, nearest
from automl_assets.experiment import Experiment, SourceSetting, source_of
from automl_assets.identities import identities

SHOWN = 5  # values that a message lists


@dataclass(frozen=True)
class Labelled:
    """Rows to be added, and what became of the others."""

    rows: pl.DataFrame  # the columns of the source
    n_labels: int
    n_known: int  # the source has them already
    n_twice: int  # the same label for the same row once more
    n_empty: int  # without a label
    n_unmatched: int  # of no row that was scored
    where: str = ""  # the rows were added


def collect(experiment: Experiment, location: str, rows: str | None, key: Sequence[str], is_new: bool) -> Labelled:
    """Adds the labels of a file to the experiment's source, and tells what became of each.

    Labels that lack columns of the source belong to the rows of `rows`, by default to those of `predict_source`; `is_new`
    says that classes which the source has never had are meant. Raises AutomlError where nothing was added.
    """
    known, labels = _read(experiment.source), read_labels(location, experiment.target)
    is_whole = set(known.columns) <= {*labels.columns, *experiment.drop_columns}
    source = source_of(rows) if rows else None if is_whole else experiment.predict_source
    found = label(labels, known, experiment, _read(source) if source else None, key)
    if not is_new:
        check_classes(found.rows, known, experiment)
    return replace(found, where=_add(experiment, found.rows)) if found.rows.height else found


def _read(source: SourceSetting) -> pl.DataFrame:
    """Rows as their format has them, untouched by what models need."""
    return source.part.read(source.options)


def read_labels(location: str, target: str) -> pl.DataFrame:
    """Labels in a column `target`, from a file of any format or of any kind of source. Raises SourceError."""
    formats = [one for one in registry.label_formats().values() if tables.has_extension(location, one.extensions)]
    if not formats:
        return _read(source_of(location))
    name = tables.without_secrets(location)
    with tables.explained(name, location), fsspec.open(location, "rb") as file:
        content = file.read()
    for found in formats:
        if found.is_of(content):
            return found.read(content, name, target)
    raise SourceError(f"{name} is none of {listed(one.title for one in formats)}; export it as one of them")


def label(
    labels: pl.DataFrame, known: pl.DataFrame, experiment: Experiment, scored: pl.DataFrame | None, key: Sequence[str]
) -> Labelled:
    """What of the labels is new to the source, whose rows are `known`.

    `scored` are the rows that labels belong to, found by the columns `key`; None where the labels bring the columns of
    the source themselves. Raises DataError or SettingError for labels that cannot be, or that contradict each other or
    the source.
    """
    target, n_labels = experiment.target, labels.height
    _check_there((target, *key), labels, "the labels have")
    labels = labels.filter(pl.col(target).is_not_null() & (pl.col(target).cast(pl.String).str.strip_chars() != ""))
    n_empty = n_labels - labels.height
    labels, n_twice = _once(labels, key, target) if key else (labels, 0)
    n_given = labels.height
    rows = _joined(labels, scored, key, target) if scored is not None else labels
    rows = _as_known(rows, known, experiment)
    fresh = _fresh(rows, known, key, target)
    return Labelled(fresh, n_labels, rows.height - fresh.height, n_twice, n_empty, n_given - rows.height)


def _once(labels: pl.DataFrame, key: Sequence[str], target: str) -> tuple[pl.DataFrame, int]:
    """One label for each key. Raises DataError where there are two that differ."""
    names = _texts(labels, key)
    different = labels.select(names, pl.col(target).cast(pl.String).alias("label")).unique()
    torn = different.filter(different["key"].is_duplicated())["key"].unique(maintain_order=True)
    if len(torn):
        raise DataError(f"the labels contradict each other for {_of(key, torn)}; keep one of each, nothing was added")
    once = labels.filter(names.is_first_distinct())
    return once, labels.height - once.height


def _joined(labels: pl.DataFrame, scored: pl.DataFrame, key: Sequence[str], target: str) -> pl.DataFrame:
    """The scored rows that have a label, with it."""
    if not key:
        shared = [name for name in labels.columns if name in scored.columns and name != target]
        raise SettingError(f"--key: say by which columns labels belong to rows; both have {listed(shared) or 'none'}")
    _check_there(key, scored, "the scored rows have")
    names = _texts(scored, key)
    doubled = names.filter(names.is_duplicated()).unique(maintain_order=True)
    wanted = doubled.filter(doubled.is_in(_texts(labels, key).implode()))
    if len(wanted):
        raise DataError(f"several scored rows have {_of(key, wanted)}; name further columns with --key")
    answers = labels.select(_texts(labels, key), target)
    beside = scored.drop(target, strict=False).with_columns(names)
    return beside.join(answers, on="key", how="inner", maintain_order="left").drop("key")


def _as_known(rows: pl.DataFrame, known: pl.DataFrame, experiment: Experiment) -> pl.DataFrame:
    """The columns of the source, in its order and types. Raises DataError for what cannot be one of its rows."""
    lacking = [name for name in known.columns if name not in {*rows.columns, *experiment.drop_columns}]
    if lacking:
        raise SettingError(
            f"the labelled rows lack {listed(lacking)} of the source's columns; bring the rows that were scored with --rows"
        )
    if not experiment.task_part.stratify:
        _check_numbers(rows, experiment)
    filled = rows.with_columns(pl.lit(None).alias(name) for name in known.columns if name not in rows.columns)
    return pl.DataFrame([_as_type(filled[name], known.schema[name]) for name in known.columns])


def _check_numbers(rows: pl.DataFrame, experiment: Experiment) -> None:
    labels = rows[experiment.target]
    wrong = labels.filter(labels.cast(pl.Float64, strict=False).is_null()).unique(maintain_order=True)
    if len(wrong):
        raise DataError(f"a {experiment.task} takes numbers for labels; got {listed(wrong, SHOWN)}")


def check_classes(rows: pl.DataFrame, known: pl.DataFrame, experiment: Experiment) -> None:
    """Raises DataError for classes that the source has never had."""
    if not experiment.task_part.stratify:
        return
    classes = known[experiment.target].drop_nulls().cast(pl.String).unique().sort().to_list()
    unknown = [one for one in rows[experiment.target].cast(pl.String).unique().sort() if one not in classes]
    if unknown:
        raise DataError(
            f"unknown classes {listed(unknown, SHOWN)}; the source has {listed(classes)}.{nearest(unknown[0], classes)} "
            "Say --new-classes where they are meant"
        )


def _as_type(column: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Raises DataError for values that the source's type cannot hold."""
    try:
        made = column.cast(wanted, strict=False)
    except pl.exceptions.PolarsError as error:
        raise DataError(f'column "{column.name}" is {wanted} in the source: {error}') from None
    lost = column.filter(made.is_null() & column.is_not_null()).unique(maintain_order=True)
    if len(lost) and wanted.is_integer() and column.dtype.is_float():
        return column
    if len(lost):
        raise DataError(f'column "{column.name}" is {wanted} in the source, which cannot hold {listed(lost, SHOWN)}')
    return made


def _fresh(rows: pl.DataFrame, known: pl.DataFrame, key: Sequence[str], target: str) -> pl.DataFrame:
    """Rows that the source does not have: by key where it has one, else as a whole. Raises DataError where the source
    has another label for the same key."""
    if not key or any(name not in known.columns for name in key):
        return rows.filter(~pl.Series(_is_in(rows, known)))
    answers = known.select(_texts(known, key), pl.col(target).cast(pl.String).alias("label")).drop_nulls()
    asked = rows.select(_texts(rows, key), pl.col(target).cast(pl.String).alias("given"))
    both = asked.join(answers.unique(), on="key", how="inner")
    torn = both.filter(pl.col("given") != pl.col("label"))["key"].unique(maintain_order=True)
    if len(torn):
        raise DataError(f"the source has other labels for {_of(key, torn)}; correct them there, nothing was added")
    return rows.filter(~asked["key"].is_in(answers["key"].implode()))


def _is_in(rows: pl.DataFrame, known: pl.DataFrame) -> list[bool]:
    """Whether the source has a row already; of several copies as many as it has."""
    there = set(identities(known).tolist())
    return [one in there for one in identities(rows).tolist()]


def _texts(table: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The values of the key columns of each row as one text."""
    values = [table[name].cast(pl.String).fill_null("") for name in key]
    return table.select(pl.concat_str(values, separator="\x1f").alias("key")).to_series()


def _of(key: Sequence[str], texts: pl.Series) -> str:
    return f"{', '.join(key)} = {listed((text.replace(chr(31), ', ') for text in texts), SHOWN)}"


def _check_there(names: Sequence[str], table: pl.DataFrame, what: str) -> None:
    for name in names:
        if name not in table.columns:
            raise SettingError(
                f'{what} no column "{name}"; they have {listed(table.columns)}.{nearest(name, table.columns)}'
            )


def _add(experiment: Experiment, rows: pl.DataFrame) -> str:
    """Keeps the rows in the experiment's source, and says where. Raises SourceError for a source that takes none."""
    part = experiment.source.part
    if part.add is None:
        able = [one.name for one in registry.sources().values() if one.add is not None]
        raise SourceError(f"a source of kind {part.name} takes no rows; possible: {listed(able)}")
    return part.add(experiment.source.options, rows)
