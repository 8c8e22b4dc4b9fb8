"""The asset `profile`: every column described, and the guardrails as asset checks."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import check, described, input_of, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import ColumnProfile, Dataset, Profile
from automl_assets.tabular.steps.describe import describe

GUARDRAILS = {
    "missing_values": "Gaps in the features are imputed and marked.",
    "missing_target": "Rows without a target take no part.",
    "high_cardinality": "Columns with very many categories.",
    "ignored_columns": "Columns that cannot help, and why.",
    "class_balance": "Whether a class is so rare that accuracy hides it.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
    "near_constant_columns": "Columns that hold one value nearly everywhere.",
    "target_leakage": "Whether a column, or its gaps, give the target away.",
    "time_leakage": "Whether the target changes with time while rows are divided by chance.",
    "memory": "What the features will take, against what is free.",
    "duplicate_rows": "Whether rows repeat each other.",
}
BARS = "▁▂▃▄▅▆▇█"


def profile(experiment: Experiment) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "profile"])

    @dg.asset(
        **described(
            experiment,
            "profile",
            Profile,
            {"polars"},
            "What is in each column, how it is used, and what to know first.",
        ),
        ins={"dataset": input_of(experiment, "dataset")},
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in GUARDRAILS.items()],
    )
    def asset(context: dg.AssetExecutionContext, dataset: Dataset) -> dg.MaterializeResult:
        with step(context):
            found = describe(dataset, experiment)
        return dg.MaterializeResult(
            value=found, metadata=_metadata(found), check_results=[check(guardrail) for guardrail in found.guardrails]
        )

    return asset


def _metadata(found: Profile) -> dict[str, Any]:
    return {
        "columns": table([_row(column) for column in found.columns]),
        "n_rows": found.n_rows,
        "n_features": sum(column.kind != "ignored" for column in found.columns),
        "classes": ", ".join(map(str, found.problem.classes)) or "none (regression)",
    }


def _row(column: ColumnProfile) -> dict[str, Any]:
    return {
        "column": column.name,
        "kind": column.kind,
        "missing": column.n_missing,
        "unique": column.n_unique,
        "mean": column.mean,
        "minimum": column.minimum,
        "maximum": column.maximum,
        "values": _bars(column.histogram) or ", ".join(f"{value} ({count})" for value, count in column.top[:3]),
        "note": column.reason if column.kind == "ignored" else "",
    }


def _bars(counts: tuple[int, ...]) -> str:
    """A histogram in a line of text.

    >>> _bars((0, 4, 8))
    '▁▅█'
    """
    most = max(counts, default=0)
    return "".join(BARS[round(count / most * (len(BARS) - 1))] for count in counts) if most else ""
