"""The asset `dataset`: typed rows, their schema, their content as data version, and dagster-pandas' constraints on key columns."""

import json
from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.spec import MAX_TOLD_COLUMNS, check, described, step, table
from automl_assets.data.column_schema import ColumnSchema
from automl_assets.data.schema import Schema, differences
from automl_assets.errors import AutomlError
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset
from automl_assets.resources.asked_rows import (
    AS_FOUND_TAG,
    ASKED_TAG,
    GAVE_WAY_TAG,
    give_way,
    learnt_meanwhile,
    rows_of,
)
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.partitions import add_groups, has_groups
from automl_assets.steps.column_types import column_types
from automl_assets.steps.load import load
from automl_assets.steps.read_source import fingerprint, may_be_half_written

PREVIEW_ROWS = 5
FURTHER_COLUMNS = "types_of_further_columns"  # of very wide tables, as the text of a JSON object
CHECKS = {
    "column_types": "Every cell is read in one way only; see `date_formats`, `decimal_comma` and `strict`.",
    "same_columns": "The columns are those of the last run, of the same types.",
}
CHANGED = "the source was written to after the sensor had looked at it; its next look starts anew"


def dataset(experiment: Experiment) -> dg.AssetsDefinition:
    kinds = {"polars", experiment.source.kind}
    source, key = experiment.source, asset_key(experiment.name, "dataset")

    @dg.asset(
        **described(
            experiment, "dataset", dataset_type(experiment), kinds, f"Rows of {source.part.describe(source.options)}."
        ),
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in CHECKS.items()],
        output_required=False,  # a run that gives way makes nothing
    )
    def asset(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with step(context) as journal:
            rows = read_or_give_way(context, experiment)
            if isinstance(rows, str):
                journal.write("gave_way", asset="dataset", reason=rows)
            else:
                add_groups(context.instance, experiment, rows)
        if isinstance(rows, str):
            yield from give_way(context, rows, list(CHECKS))
            return
        yield dg.MaterializeResult(
            value=rows,
            metadata=_metadata(rows),
            data_version=dg.DataVersion(rows.fingerprint),
            check_results=[check(column_types(rows)), _same_columns(_types_before(context.instance, key), rows.schema)],
        )

    return asset


def read_or_give_way(context: dg.AssetExecutionContext, experiment: Experiment) -> Dataset | str:
    """The rows that the run was asked for; where they are there no longer, or were learnt meanwhile, why it makes nothing.

    A database is whole at any moment: of it a run learns what there is by now, and the next look goes by that.
    """
    key, tags = asset_key(experiment.name, "dataset"), context.run.tags
    other = "" if has_groups(experiment) else learnt_meanwhile(context.instance, context.run, key)
    if other:
        return f"the run {other} has learnt the same rows meanwhile"
    if ASKED_TAG not in tags or AS_FOUND_TAG in tags or not may_be_half_written(experiment):
        return load(experiment)
    rows = _rows_of(experiment, rows_of(tags[ASKED_TAG]))
    if rows is None:
        context.instance.add_run_tags(context.run.run_id, {GAVE_WAY_TAG: CHANGED})
    return rows or CHANGED


def _rows_of(experiment: Experiment, asked: str) -> Dataset | None:
    """The rows of such a fingerprint; None where there are others. Raises AutomlError where just these cannot be used."""
    try:
        rows = load(experiment)
    except AutomlError:
        if _holds(experiment, asked):
            raise
        return None
    return rows if rows.fingerprint == asked else None


def _holds(experiment: Experiment, asked: str) -> bool:
    try:
        return fingerprint(experiment) == asked
    except AutomlError:  # gone, for now; the next look tells of it
        return False


def _metadata(rows: Dataset) -> dict[str, Any]:
    told = rows.schema.columns[:MAX_TOLD_COLUMNS]
    columns = [dg.TableColumn(one.name, one.type, one.in_words) for one in told]
    rest = {one.name: one.type for one in rows.schema.columns[MAX_TOLD_COLUMNS:]}
    return {
        "dagster/row_count": rows.n_rows,
        "dagster/column_schema": dg.TableSchema(columns),
        "schema": table([_shown(one) for one in told]),
        "preview": table(rows.table[:, :MAX_TOLD_COLUMNS].head(PREVIEW_ROWS).to_dicts()),
        **({FURTHER_COLUMNS: dg.MetadataValue.text(json.dumps(rest))} if rest else {}),
        "n_columns": rows.table.width,
        "fingerprint": rows.fingerprint,
    }


def _shown(column: ColumnSchema) -> dict[str, Any]:
    shown = {name: getattr(column, name) for name in ("name", "type", "format", "example", "least", "most", "doubt")}
    return shown | {"has_gaps": column.has_gaps}


def _types_before(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
    """Column -> type when the rows were read last; nothing where they never were."""
    event = instance.get_latest_materialization_event(key)
    told = event.asset_materialization.metadata if event and event.asset_materialization else {}
    found, rest = told.get("dagster/column_schema"), told.get(FURTHER_COLUMNS)
    if not isinstance(found, dg.TableSchemaMetadataValue):
        return {}
    types = {column.name: column.type for column in found.schema.columns}
    return types | (json.loads(rest.text or "{}") if isinstance(rest, dg.TextMetadataValue) else {})


def _same_columns(before: dict[str, str], schema: Schema) -> dg.AssetCheckResult:
    changes = differences(before, schema) if before else []
    text = "; ".join(changes) + "." if changes else "The columns are those of the last run."
    return dg.AssetCheckResult(
        check_name="same_columns", passed=not changes, severity=dg.AssetCheckSeverity.WARN, description=text
    )


def dataset_type(experiment: Experiment) -> dg.DagsterType:
    """Dagster's type of the data set. The constraints are dagster-pandas' own, on the columns that have a role."""
    constraints = _constraints(experiment)

    def type_check(context: dg.TypeCheckContext, value: Dataset) -> dg.TypeCheck:
        from dagster_pandas import create_dagster_pandas_dataframe_type

        frame_type = create_dagster_pandas_dataframe_type(
            f"{experiment.name}_frame", columns=_pandas_columns(experiment)
        )
        return frame_type.type_check(context, _plain_frame(value, list(constraints)))

    return dg.DagsterType(
        name=f"{experiment.name}_dataset",
        type_check_fn=type_check,
        description="\n".join(f"- `{column}`: {text}" for column, text in constraints.items()),
        typing_type=Dataset,
    )


def _constraints(experiment: Experiment) -> dict[str, str]:
    """What the columns with a role must be, in words."""
    words = {experiment.target: "numbers, gaps allowed" if experiment.task_part.is_numeric else "exists, gaps allowed"}
    if experiment.weight_column:
        words[experiment.weight_column] = "numbers of at least 0, without gaps"
    for column in (experiment.group_column, experiment.time_column):
        if column:
            words[column] = "exists, without gaps"
    return words


def _pandas_columns(experiment: Experiment) -> list[Any]:
    from dagster_pandas import PandasColumn

    columns = [
        PandasColumn.numeric_column(experiment.target, ignore_missing_vals=True)
        if experiment.task_part.is_numeric
        else PandasColumn.exists(experiment.target)
    ]
    if experiment.weight_column:
        columns.append(PandasColumn.float_column(experiment.weight_column, min_value=0.0, non_nullable=True))
    columns += [
        PandasColumn.exists(column, non_nullable=True)
        for column in (experiment.group_column, experiment.time_column)
        if column
    ]
    return columns


def _plain_frame(value: Dataset, columns: list[str]) -> Any:
    """The named columns as a pandas frame of plain types, the only ones dagster-pandas takes."""
    import pandas as pd

    series = {name: value.table[name] for name in columns}
    return pd.DataFrame(
        {
            name: column.cast(float).to_numpy() if column.dtype.is_numeric() else column.to_numpy()
            for name, column in series.items()
        }
    )
