"""The asset `features`: every row as numbers, with the way back from each engineered column to its raw column."""

from collections import Counter
from typing import Any

import dagster as dg

from automl_assets.assets.spec import MAX_TOLD_COLUMNS, described, input_of, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, Features, Profile, Split


def features(experiment: Experiment) -> dg.AssetsDefinition:
    @dg.asset(
        **described(
            experiment, "features", Features, {"numpy"}, "Every row as numbers: imputed, encoded, dates taken apart."
        ),
        ins={name: input_of(experiment, name) for name in ("dataset", "profile", "split")},
    )
    def asset(
        context: dg.AssetExecutionContext, dataset: Dataset, profile: Profile, split: Split
    ) -> dg.MaterializeResult:
        with step(context):
            made = experiment.family.steps.featurize(dataset, profile, split, experiment)
        return dg.MaterializeResult(value=made, metadata=_metadata(made, profile, experiment))

    return asset


def _metadata(made: Features, profile: Profile, experiment: Experiment) -> dict[str, Any]:
    dataset = dg.AssetKey([experiment.name, "dataset"])
    told = made.columns[:MAX_TOLD_COLUMNS]
    lineage = {column.name: [dg.TableColumnDep(asset_key=dataset, column_name=column.source)] for column in told}
    return {
        "summary": table(featurization_summary(made, profile)),
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(column.name, "float32", description=column.transformation) for column in told]
        ),
        **made.inputs.sizes,
    }


def featurization_summary(made: Features, profile: Profile) -> list[dict[str, Any]]:
    """A line per raw column, as Azure's featurization summary."""
    by_source: dict[str, list[str]] = {}
    for column in made.columns:
        by_source.setdefault(column.source, []).append(column.transformation)
    return [
        {
            "raw column": column.name,
            "kind": column.kind,
            "dropped": column.kind == "ignored",
            "reason": column.reason,
            "engineered columns": len(by_source.get(column.name, [])),
            "transformations": _counted(by_source.get(column.name, [])),
        }
        for column in profile.columns
    ]


def _counted(transformations: list[str]) -> str:
    """Every transformation once, with the number of columns where it made several.

    >>> _counted(["TF-IDF", "TF-IDF", "number of words"])
    'TF-IDF (2 columns), number of words'
    """
    counts = Counter(transformations)
    return ", ".join(name if n == 1 else f"{name} ({n} columns)" for name, n in counts.items())
