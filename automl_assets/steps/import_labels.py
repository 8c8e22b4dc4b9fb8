"""import_labels: labels that people gave, as rows of the source: joined with what was scored, checked, those known left out.

Not here: formats of labels (`labels`), how a source keeps rows (`sources`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import fsspec
import polars as pl

from automl_assets import registry
from automl_assets.data import bounds, files
from automl_assets.data.column_schema import DECIMAL_COMMA, ColumnSchema
from automl_assets.data.dates import ISO, ISO_ZONED
from automl_assets.data.label_sets import EMPTY
from automl_assets.data.row_ids import identities
from automl_assets.data.schema import NO_SCHEMA, Schema
from automl_assets.errors import DataError, SettingError, SourceError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.masking import without_secrets
from automl_assets.parts import one_label
from automl_assets.steps.find_label_errors import GIVEN
from automl_assets.steps.read_rows import check_fit
from automl_assets.steps.read_source import learn, like, source_like, written

SEPARATOR = "\x1f"  # of the values of a key
SHOWN = 5  # values that a message lists


@dataclass(frozen=True)
class ScoredRows:
    """The same rows twice: `written`, where a cell of a text format is a text (1.50), and `typed`, as it is meant (1.5)."""

    written: pl.DataFrame
    typed: pl.DataFrame
    schema: Schema = NO_SCHEMA  # by which they are typed

    def of(self, chosen: pl.Series) -> "ScoredRows":
        """The chosen rows alone, by mask [n_rows]."""
        return ScoredRows(self.written.filter(chosen), self.typed.filter(chosen), self.schema)


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


def import_labels(
    experiment: Experiment, location: str, rows: str | None, key: Sequence[str], is_new: bool
) -> Labelled:
    """Adds the labels of a file to the experiment's source, and tells what became of each.

    Labels that lack columns of the source belong to the rows of `rows`, by default to those of `predict_source`; `is_new`
    says that classes which the source has never had are meant. Raises AutomlError where nothing was added.
    """
    with experiment.source.part.alone(experiment.source.options):
        rows_of_source = written(experiment.source)
        schema = learn(experiment.source, rows_of_source, experiment)
        known, labels = (
            typed_rows(rows_of_source, schema),
            read_labels(location, experiment.target, schema, rows_of_source),
        )
        _check_new(labels, known)
        labels = as_the_source(labels, known, experiment)
        is_whole = set(known.typed.columns) <= {*labels.typed.columns, *experiment.drop_columns}
        source = source_like(rows, schema) if rows else None if is_whole else experiment.predict_source
        scored = typed_rows(written(like(source, schema)), schema) if source else None
        found = label(labels, known, experiment, scored, key)
        if not is_new:
            check_classes(found.rows, known.typed, experiment)
        return replace(found, where=_add(experiment, found.rows)) if found.rows.height else found


def _check_new(labels: ScoredRows, known: ScoredRows) -> None:
    """Raises SettingError for a review of rows that the source has: beside the wrong label there would be the right one."""
    if {GIVEN, "row"} <= {*labels.written.columns} and GIVEN not in known.written.columns:
        raise SettingError(
            "these labels correct rows that the source has, as `write_label_errors` gave them for review; take them back by "
            "automl correct NAME FILE"
        )


def typed_rows(rows: pl.DataFrame, schema: Schema) -> ScoredRows:
    """Rows as the source has them. Raises DataError for cells that are not as the source's."""
    found = schema.read(rows)
    check_fit(found.misfits, "labels and their rows", "Write these cells like those of the source; nothing was added")
    return ScoredRows(rows, found.table, schema)


def as_the_source(rows: ScoredRows, known: ScoredRows, experiment: Experiment) -> ScoredRows:
    """Rows written as those of the source, of which there may be several ways."""
    own = known.written.drop(experiment.drop_columns, strict=False)
    found = experiment.task_part.labels_like(rows.written, own, experiment.target)
    return rows if found is rows.written else typed_rows(_shaped(found, known.written), known.schema)


def _check_shapes(rows: pl.DataFrame, known: pl.DataFrame) -> None:
    """Raises DataError where the source has lists or objects, and the labels texts."""
    for name in rows.columns:
        if name in known.columns and known[name].dtype.is_nested() and rows[name].dtype == pl.String:
            example = json.dumps(known[name].drop_nulls().head(1).to_list(), ensure_ascii=False)[1:-1]
            raise DataError(
                f"column {name!r}: the source has lists or objects there, such as {example}, and the labels have texts; write them "
                "as the source does, in JSON lines"
            )


def _shaped(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Lists and objects of the types that the source has, so that 10 and 10.0 in them are the same."""
    both = [name for name in rows.columns if name in known.columns and known[name].dtype.is_nested()]
    return rows.with_columns(
        rows[name].cast(known[name].dtype, strict=False) for name in both if rows[name].dtype.is_nested()
    )


def read_labels(location: str, target: str, schema: Schema, known: pl.DataFrame) -> ScoredRows:
    """Labels in a column `target`, from a file of any format or of any kind of source. Raises SourceError, and DataError
    for cells that are not as those of the source, which are `known`."""
    formats = [one for one in registry.label_formats().values() if files.has_extension(location, one.extensions)]
    if not formats:
        return typed_rows(written(source_like(location, schema)), schema)
    name = without_secrets(location)
    with files.explained(name, location), fsspec.open(location, "rb") as file:
        content = bounds.read_all(file, name)
        for found in formats:
            if found.is_of(content):
                rows = found.read(content, name, target)
                return typed_rows(_shaped(rows, known.drop(target, strict=False)), schema)
    raise SourceError(f"{name} is none of {listed(one.title for one in formats)}; export it as one of them")


def label(
    labels: ScoredRows, known: ScoredRows, experiment: Experiment, scored: ScoredRows | None, key: Sequence[str]
) -> Labelled:
    """What of the labels is new to the source, whose rows are `known`.

    `scored` are the rows that labels belong to, found by the columns `key`; None where the labels bring the columns of
    the source themselves. Raises DataError or SettingError for labels that cannot be, or that contradict each other or
    the source.
    """
    target, n_labels = experiment.target, labels.typed.height
    _check_there((target, *key), labels.typed, "the labels have")
    given = given_labels(labels, experiment)
    once = _once(given, key, experiment) if key else given
    rows = _joined(once, scored, key, target) if scored else once
    n_found, n_given = rows.typed.height, once.typed.height
    rows = as_the_source(rows, known, experiment)
    _check_shapes(rows.written, known.written)
    rows = ScoredRows(rows.written, _as_known(rows.typed, known.typed, experiment))
    fresh = rows.of(_is_fresh(rows, known, key, experiment))
    n_twice, n_empty = given.typed.height - n_given, n_labels - given.typed.height
    return Labelled(
        _as_written(fresh, known), n_labels, n_found - fresh.typed.height, n_twice, n_empty, n_given - n_found
    )


def given_labels(labels: ScoredRows, experiment: Experiment) -> ScoredRows:
    """Rows with a label; none at all is one where answers are sets of labels, or places in a text."""
    texts = as_text(labels.typed[experiment.target]).str.strip_chars().fill_null("")
    none = ["", EMPTY] if experiment.task_part.labels_of is one_label else [""]
    return labels.of(~texts.is_in(none))


def _once(labels: ScoredRows, key: Sequence[str], experiment: Experiment) -> ScoredRows:
    """One label for each key. Raises DataError where there are two that differ."""
    names = _texts(labels.written, key)
    different = pl.DataFrame({"key": names, "label": label_texts(labels.typed, experiment)}).unique()
    torn = different.filter(different["key"].is_duplicated())["key"].unique(maintain_order=True)
    if len(torn):
        raise DataError(f"the labels contradict each other for {_of(key, torn)}; keep one of each, nothing was added")
    return labels.of(names.is_first_distinct())


def _joined(labels: ScoredRows, scored: ScoredRows, key: Sequence[str], target: str) -> ScoredRows:
    """The scored rows that have a label, with it."""
    columns = scored.typed.columns
    if not key:
        shared = [name for name in labels.typed.columns if name in columns and name != target]
        raise SettingError(f"--key: say by which columns labels belong to rows; both have {listed(shared) or 'none'}")
    _check_there(key, scored.typed, "the scored rows have")
    names, asked = _texts(scored.written, key), _texts(labels.written, key)
    doubled = names.filter(names.is_duplicated()).unique(maintain_order=True)
    wanted = doubled.filter(doubled.is_in(asked.implode()))
    if len(wanted):
        raise DataError(f"several scored rows have {_of(key, wanted)}; name further columns with --key")
    positions = asked.to_frame().with_row_index("place")
    place = names.to_frame().join(positions, on="key", how="left", maintain_order="left")["place"]
    beside, chosen = scored.of(place.is_not_null()), place.drop_nulls()
    return ScoredRows(
        beside.written.with_columns(labels.written[target].gather(chosen)),
        beside.typed.with_columns(labels.typed[target].gather(chosen)),
    )


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
    return pl.DataFrame([as_type(filled[name], known.schema[name]) for name in known.columns])


def _check_numbers(rows: pl.DataFrame, experiment: Experiment) -> None:
    labels = rows[experiment.target]
    wrong = labels.filter(labels.cast(pl.Float64, strict=False).is_null()).unique(maintain_order=True)
    if len(wrong):
        raise DataError(f"a {experiment.task} takes numbers for labels; got {listed(wrong, SHOWN)}")


def check_classes(rows: pl.DataFrame, known: pl.DataFrame, experiment: Experiment) -> None:
    """Raises DataError for classes that the source has never had."""
    if not experiment.task_part.stratify:
        return
    classes, given = (_classes(table[experiment.target], experiment) for table in (known, rows))
    unknown = [one for one in given if one not in classes]
    if unknown:
        raise DataError(
            f"unknown classes {listed(unknown, SHOWN)}; the source has {listed(classes)}.{nearest(unknown[0], classes)} "
            "Say --new-classes where they are meant"
        )


def _classes(column: pl.Series, experiment: Experiment) -> list[str]:
    """The classes or labels that a column names, sorted."""
    return sorted({label for labels in experiment.task_part.labels_of(column) for label in labels or ()})


def label_texts(table: pl.DataFrame, experiment: Experiment) -> pl.Series:
    """Of each row its label, or its set of labels whatever their order, as a text."""
    column = table[experiment.target]
    if experiment.task_part.parts:  # the same labels at other places are another answer
        return as_text(column)
    sets = experiment.task_part.labels_of(as_text(column))
    texts = [None if labels is None else ", ".join(sorted(labels)) for labels in sets]
    return pl.Series(column.name, texts, pl.String)


def as_type(column: pl.Series, wanted: pl.DataType) -> pl.Series:
    """A column that the source's schema has read; whole numbers give way to fractions."""
    return column if wanted.is_integer() and column.dtype.is_float() else column.cast(wanted)


def _is_fresh(rows: ScoredRows, known: ScoredRows, key: Sequence[str], experiment: Experiment) -> pl.Series:
    """Whether the source does not have a row: by key where it has one, else as a whole. Raises DataError where the
    source has another label for the same key."""
    if not key or any(name not in known.typed.columns for name in key):
        return ~pl.Series(_is_in(rows.typed, known.typed), dtype=pl.Boolean)
    names, labels = _texts(known.written, key), label_texts(known.typed, experiment)
    answers = pl.DataFrame({"key": names, "label": labels}).drop_nulls()
    asked = pl.DataFrame({"key": _texts(rows.written, key), "given": label_texts(rows.typed, experiment)})
    both = asked.join(answers.unique(), on="key", how="inner")
    torn = both.filter(pl.col("given") != pl.col("label"))["key"].unique(maintain_order=True)
    if len(torn):
        raise DataError(f"the source has other labels for {_of(key, torn)}; correct them there, nothing was added")
    return ~asked["key"].is_in(answers["key"].implode())


def _as_written(rows: ScoredRows, known: ScoredRows) -> pl.DataFrame:
    """The rows to be added: what is text, a list or an object in the source, and numbers that it writes so, are written
    down to the letter; dates and truth values as the source writes them."""
    columns = {one.name: one for one in known.schema.columns}
    return pl.DataFrame(
        [written_column(rows, known.written[values.name], columns.get(values.name), values) for values in rows.typed]
    )


def written_column(rows: ScoredRows, source: pl.Series, learnt: ColumnSchema | None, values: pl.Series) -> pl.Series:
    letters = rows.written[values.name] if values.name in rows.written.columns else values
    if letters.dtype == source.dtype and (source.dtype.is_nested() or _are_letters(letters, values, learnt)):
        return letters
    is_text = source.dtype == pl.String and learnt is not None
    return _rendered(values, learnt, source) if is_text and learnt else values


def _are_letters(letters: pl.Series, values: pl.Series, learnt: ColumnSchema | None) -> bool:
    """Whether a column of texts is one of the same type with these letters in it."""
    if letters.dtype != pl.String or values.dtype == pl.String:
        return letters.dtype == pl.String
    is_plain = values.dtype.is_numeric() and not (learnt and learnt.format == DECIMAL_COMMA)
    return is_plain and letters.cast(values.dtype, strict=False).null_count() == letters.null_count()


def _rendered(values: pl.Series, learnt: ColumnSchema, known: pl.Series) -> pl.Series:
    """Dates and truth values as texts of the source; the rest is written by the format of its files."""
    if values.dtype.is_temporal() and learnt.format not in ("", ISO, ISO_ZONED):
        return values.dt.strftime(learnt.format)
    if values.dtype == pl.Boolean:
        words = {word.strip().lower(): word for word in known.drop_nulls().unique()}
        texts = {truth: words.get(str(truth).lower(), str(truth).lower()) for truth in (True, False)}
        return values.replace_strict(texts, return_dtype=pl.String)
    return values


def _is_in(rows: pl.DataFrame, known: pl.DataFrame) -> list[bool]:
    """Whether the source has a row already; of several copies as many as it has."""
    there = set(identities(_flat(known)).tolist())
    return [one in there for one in identities(_flat(rows)).tolist()]


def _flat(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(as_text(column) for column in table if column.dtype.is_nested())


def as_text(column: pl.Series) -> pl.Series:
    """Lists and objects as JSON."""
    if not column.dtype.is_nested():
        return column.cast(pl.String)
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in column.to_list()]
    return pl.Series(column.name, texts, pl.String)


def _texts(table: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """The values of the key columns of each row as one text, other ones for other values."""
    values = [as_text(table[name]).fill_null("") for name in key]
    escaped = values if len(key) == 1 else [value.str.replace_all(f"([{SEPARATOR}\x1b])", "\x1b$1") for value in values]
    return table.select(pl.concat_str(escaped, separator=SEPARATOR).alias("key")).to_series()


def _of(key: Sequence[str], texts: pl.Series) -> str:
    return f"{', '.join(key)} = {listed((text.replace(SEPARATOR, ', ') for text in texts), SHOWN)}"


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
