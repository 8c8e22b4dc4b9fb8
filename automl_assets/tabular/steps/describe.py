"""describe: what is in each column, how it will be used, and what a person should know before learning from it."""

import polars as pl

from automl_assets.errors import DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Problem, Profile
from automl_assets.steps import column_guardrails, table_guardrails
from automl_assets.steps.column_profile import column_profile

GUARDRAILS = {
    "missing_values": "Gaps in the features are imputed and marked.",
    "missing_target": "Rows without a target take no part.",
    "high_cardinality": "Columns with very many categories.",
    "ignored_columns": "Columns that cannot help, and why.",
    "class_balance": "Whether a class is so rare that accuracy hides it.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
    "near_constant_columns": "Columns that hold one value nearly everywhere.",
    "number_precision": "Numbers so long that models would take some of them for one another.",
    "target_leakage": "Whether a column, or its gaps, give the target away.",
    "time_leakage": "Whether the target changes with time while rows are divided by chance.",
    "memory": "What the features will take, against what is free.",
    "duplicate_rows": "Whether rows repeat each other.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself; rows of validation and test files are not looked at."""
    table = dataset.table.filter(dataset.part == SOURCE)
    problem = column_guardrails.problem_of(table, experiment)
    columns = tuple(column_profile(table[name], experiment) for name in dataset.roles.features)
    if all(column.kind == "ignored" for column in columns):
        reasons = "; ".join(f"{column.name} {column.reason}" for column in columns[:10])
        raise DataError(
            f"no column is left to learn from: {reasons}. "
            "Name the kind of a column under featurization.column_types to keep it."
        )
    found = (
        *_guardrails(table, columns, problem, experiment),
        column_guardrails.unseen_classes(dataset, problem, experiment),
    )
    return Profile(table.height, columns, found, problem, dataset.schema)


def _guardrails(
    table: pl.DataFrame, columns: tuple[ColumnProfile, ...], problem: Problem, experiment: Experiment
) -> tuple[Guardrail, ...]:
    target = experiment.target
    y = experiment.task_part.encode_target(table[target], problem)
    return (
        column_guardrails.missing_values(columns, table.height),
        column_guardrails.missing_target(table[target]),
        column_guardrails.high_cardinality(columns),
        column_guardrails.ignored_columns(columns),
        column_guardrails.class_balance(table[target], problem, experiment),
        table_guardrails.near_constant(table, columns),
        table_guardrails.target_leakage(table, columns, y),
        table_guardrails.time_leakage(table, columns, y, experiment),
        table_guardrails.precision(table, columns),
        table_guardrails.memory(columns, table.height),
        column_guardrails.duplicate_rows(table),
    )
