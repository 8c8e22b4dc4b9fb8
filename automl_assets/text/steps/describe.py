"""describe: which columns are texts, what is in them, and what a person should know before learning from them."""

from dataclasses import replace

import polars as pl

from automl_assets.errors import DataError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Problem, Profile
from automl_assets.steps import column_guardrails, table_guardrails
from automl_assets.steps.column_profile import column_profile
from automl_assets.text.steps import text_guardrails

TEXT_CHARACTERS = 20  # on the mean, from which different texts are taken for free text
VARIED = 0.5  # of the rows hold a text of their own

GUARDRAILS = {
    "enough_rows": "Whether there are rows enough to learn from.",
    "empty_texts": "Rows without a text.",
    "near_duplicates": "Whether texts repeat each other, also across training and test rows.",
    "languages": "In which languages the texts are.",
    "text_lengths": "How long texts are, against what models read.",
    "encoding_damage": "Whether texts were damaged on their way.",
    "missing_values": "Gaps in the other columns are imputed and marked.",
    "missing_target": "Rows without a target take no part.",
    "ignored_columns": "Columns that cannot help, and why.",
    "class_balance": "Whether a class is so rare that accuracy hides it.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
    "target_leakage": "Whether a column beside the texts, or its gaps, give the target away.",
    "time_leakage": "Whether the target changes with time while rows are divided by chance.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself; of those of validation and test files only the texts are compared."""
    table = dataset.table.filter(dataset.part == SOURCE)
    problem = column_guardrails.problem_of(table, experiment)
    columns = text_profiles(table, dataset.roles.features, experiment)
    found = (*_of_texts(dataset, columns), *_of_columns(dataset, columns, problem, experiment))
    return Profile(table.height, columns, found, problem, dataset.schema)


def text_profiles(table: pl.DataFrame, names: tuple[str, ...], experiment: Experiment) -> tuple[ColumnProfile, ...]:
    """Every column described, at least one of them as a text. Raises DataError where none can be one."""
    wishes = experiment.featurization.column_types
    columns = [column_profile(table[name], experiment) for name in names]
    columns = [one if one.name in wishes else _as_text(table[one.name], one) for one in columns]
    if not any(column.kind == "text" for column in columns):
        longest = max(
            (one for one in columns if one.name not in wishes), key=lambda one: _length(table, one), default=None
        )
        if longest is None or not _length(table, longest):
            raise DataError(
                f"no column holds texts; there are {listed(names)}. Name the one that does under "
                "featurization.column_types, as `NAME: text`."
            )
        reason = "is the column with the longest texts"
        columns = [replace(one, kind="text", reason=reason) if one is longest else one for one in columns]
    return tuple(columns)


def _as_text(column: pl.Series, found: ColumnProfile) -> ColumnProfile:
    """As a text where most rows have one of their own that is long, also where words do not show between spaces."""
    known = column.drop_nulls()
    if found.kind == "text" or column.dtype != pl.String or not len(known):
        return found
    length = float(known.str.len_chars().mean())  # type: ignore[arg-type]
    if length < TEXT_CHARACTERS or found.n_unique < max(2, VARIED * len(known)) or " " not in "".join(known.head(100)):
        return found
    reason = f"holds {found.n_unique} different texts of {length:.0f} characters"
    return replace(found, kind="text", reason=reason)


def _length(table: pl.DataFrame, column: ColumnProfile) -> float:
    """Of its texts on the mean; 0 where it has none that differ."""
    cells = table[column.name].drop_nulls()
    if cells.dtype != pl.String or column.n_unique < 2:
        return 0.0
    return float(cells.str.len_chars().mean())  # type: ignore[arg-type]


def _of_texts(dataset: Dataset, columns: tuple[ColumnProfile, ...]) -> tuple[Guardrail, ...]:
    texts = text_guardrails.texts_of(dataset, columns)
    source = texts.filter(dataset.part == SOURCE)
    labelled = source.filter(dataset.table[dataset.roles.target].filter(dataset.part == SOURCE).is_not_null())
    return (
        text_guardrails.enough_rows(len(labelled)),
        text_guardrails.empty_texts(source),
        text_guardrails.near_duplicates(texts, dataset.part),
        text_guardrails.languages(source),
        text_guardrails.text_lengths(source),
        text_guardrails.encoding_damage(source),
    )


def _of_columns(
    dataset: Dataset, columns: tuple[ColumnProfile, ...], problem: Problem, experiment: Experiment
) -> tuple[Guardrail, ...]:
    table, target = dataset.table.filter(dataset.part == SOURCE), experiment.target
    y = experiment.task_part.encode_target(table[target], problem)
    others = tuple(column for column in columns if column.kind != "text")
    return (
        column_guardrails.missing_values(others, table.height),
        column_guardrails.missing_target(table[target]),
        column_guardrails.ignored_columns(columns),
        column_guardrails.class_balance(table[target], problem, experiment),
        column_guardrails.unseen_classes(dataset, problem, experiment),
        table_guardrails.target_leakage(table, others, y),
        table_guardrails.time_leakage(table, others, y, experiment),
    )
