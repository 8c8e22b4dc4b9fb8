"""read_source: rows of a source as they are written, or typed by a schema, and whether they are others than before."""

import hashlib
from collections.abc import Iterable, Iterator

import polars as pl

from automl_assets.data import tables
from automl_assets.data.schema import ReadRows, Schema, learn_schema
from automl_assets.experiment.experiment import Experiment, SourceSetting, source_of
from automl_assets.records import SOURCE, TEST_FILE, VALIDATION_FILE


def written(setting: SourceSetting) -> pl.DataFrame:
    """All rows of a source as it brings them; cells of text formats are texts."""
    part, options = setting.part, setting.options
    rows = part.read(options)
    tables.check_names(rows.columns, part.describe(options))
    return rows


def written_marked(setting: SourceSetting, known: str = "") -> tuple[pl.DataFrame, str]:
    """The same, and their fingerprint, which may be `known`: of just these rows where the source can tell, else of what it
    holds by now."""
    part, options = setting.part, setting.options
    if known or part.read_marked is None:
        return written(setting), known or part.fingerprint(options)
    rows, mark = part.read_marked(options)
    tables.check_names(rows.columns, part.describe(options))
    return rows, mark


def written_batches(setting: SourceSetting, most_rows: int) -> Iterator[pl.DataFrame]:
    """The same rows a batch at a time, for rows that need not fit into memory."""
    part, options = setting.part, setting.options
    return part.batches(options, most_rows) if part.batches else written(setting).iter_slices(most_rows)


def like(setting: SourceSetting, schema: Schema) -> SourceSetting:
    """The source, its texts written as those that a schema was learnt from, as far as its own options do not say."""
    if not schema.columns:
        return setting
    dialect = schema.source if setting.kind == schema.kind else {"null_values": schema.null_values}
    options = setting.options
    known = {
        name: value
        for name, value in dialect.items()
        if name in type(options).model_fields and name not in options.model_fields_set
    }
    return setting.model_copy(update={"options": setting.part.like(options, known)})


def source_like(text: str, schema: Schema) -> SourceSetting:
    """The same of the source that a path or URL names. Raises SettingError when no kind of source knows it."""
    return like(source_of(text), schema)


def read_by(schema: Schema, setting: SourceSetting) -> ReadRows:
    """All rows of a source by a schema that was learnt from another."""
    return schema.read(written(like(setting, schema)))


def learn(setting: SourceSetting, rows: pl.DataFrame, experiment: Experiment | None = None) -> Schema:
    """The schema of the written rows of a source, with what an experiment says of them."""
    dialect = setting.part.dialect(setting.options)
    if experiment is None:
        return learn_schema(rows, setting.kind, dialect)
    family = experiment.family
    times, texts = family.time_formats(experiment, rows), family.text_columns(experiment)
    return learn_schema(rows, setting.kind, dialect, experiment.date_formats, times, texts)


def read(setting: SourceSetting) -> pl.DataFrame:
    """All rows of a source that no model has learnt from, typed by what they look like."""
    rows = written(setting)
    return learn(setting, rows).read(rows).table


def fingerprint(experiment: Experiment) -> str:
    """Changes when and only when the content of a source does, 16 hexadecimal digits."""
    return joined_fingerprint(setting.part.fingerprint(setting.options) for setting in settings_of(experiment).values())


def joined_fingerprint(fingerprints: Iterable[str]) -> str:
    """One for all sources of an experiment, in the order of `settings_of`."""
    parts = list(fingerprints)
    return parts[0] if len(parts) == 1 else hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def state_of_files(experiment: Experiment) -> dict[int, tuple[str, str]]:
    """Stamp and fingerprint of each source that may be seen half-written, by the marks of `Dataset.part`."""
    return {
        mark: (setting.part.stamp(setting.options), setting.part.fingerprint(setting.options))
        for mark, setting in settings_of(experiment).items()
        if setting.part.stamp
    }


def write_stamp(experiment: Experiment) -> str:
    """Changes with every write to a source where that shows without reading it, and else with its content."""
    parts = [
        (setting.part.stamp or setting.part.fingerprint)(setting.options)
        for setting in settings_of(experiment).values()
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]


def may_be_half_written(experiment: Experiment) -> bool:
    """Whether a source may be seen while somebody writes it, as files are; a database answers before or after."""
    return any(setting.part.stamp for setting in settings_of(experiment).values())


def settings_of(experiment: Experiment) -> dict[int, SourceSetting]:
    """The sources of an experiment by the marks of `Dataset.part`."""
    settings = {
        SOURCE: experiment.source,
        VALIDATION_FILE: experiment.validation.source,
        TEST_FILE: experiment.test.source,
    }
    return {part: setting for part, setting in settings.items() if setting is not None}
