"""The asset `profile`: every column described, and the guardrails as asset checks."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import check, described, input_of, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import ColumnProfile, Dataset, Profile

BARS = "▁▂▃▄▅▆▇█"


def profile(experiment: Experiment) -> dg.AssetsDefinition:
    key, steps = dg.AssetKey([experiment.name, "profile"]), experiment.family.steps

    @dg.asset(
        **described(
            experiment,
            "profile",
            Profile,
            {"polars"},
            "What is in each column, how it is used, and what to know first.",
        ),
        ins={"dataset": input_of(experiment, "dataset")},
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in steps.guardrails.items()],
    )
    def asset(context: dg.AssetExecutionContext, dataset: Dataset) -> dg.MaterializeResult:
        with step(context):
            found = steps.describe(dataset, experiment)
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
