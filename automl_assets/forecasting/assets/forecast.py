"""The asset `forecast`: what comes after the newest rows of each group, with quantiles."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import polars as pl

from automl_assets.assets.spec import table
from automl_assets.data.schema import Schema
from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.forecasting.assets.partitions import group_step, partitioned
from automl_assets.forecasting.assets.reconciliation import is_asked
from automl_assets.forecasting.records import Forecast, ForecastProblem, Panel
from automl_assets.forecasting.steps.fill_known_future import by_series, fill_known_future
from automl_assets.forecasting.steps.forecast import forecast as ask
from automl_assets.forecasting.steps.future_index import ahead, rows_of, whole
from automl_assets.forecasting.steps.load_series import read_time
from automl_assets.forecasting.steps.map_groups import map_groups
from automl_assets.forecasting.steps.reconcile import add_up
from automl_assets.resources.store import RecordStore
from automl_assets.steps.read_rows import check_fit
from automl_assets.steps.read_source import read_by


def forecast(experiment: Experiment) -> dg.AssetsDefinition:
    text = "Point and quantiles of every series after its newest row."
    upstream = ("features", "ensemble", *(("reconciliation",) if is_asked(experiment) else ()))

    @dg.asset(**partitioned(experiment, "forecast", {"numpy"}, text, upstream))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> Iterator[Any]:
        problems: dict[str, ForecastProblem] = {}
        informed = _informed(experiment, records)

        def beyond(key: str) -> Forecast:
            group = step.features.read(key)
            problems[key], history = group.problem, whole(group)
            found = ask(ensembles.read(key), history, informed(ahead(history, group.problem), group.problem))
            return add_up(found, step.shelf_of("reconciliation").read(key)) if is_asked(experiment) else found

        with group_step(context, experiment, records) as step:
            keys, ensembles = step.keys(*upstream), step.shelf_of("ensemble")
            made = map_groups(keys, beyond)
            yield from step.keep(made, len(keys), lambda key, found: _metadata(found, problems[key]))

    return asset


def _informed(experiment: Experiment, records: RecordStore) -> Callable[[Panel, ForecastProblem], Panel]:
    """Puts into a future what `predict_source` knows of it, which is read once for all groups."""
    known: dict[str, pl.DataFrame] = {}

    def informed(future: Panel, problem: ForecastProblem) -> Panel:
        if experiment.predict_source is None:
            return future
        if not known:
            rows = _rows_ahead(experiment, experiment.predict_source, records.load(experiment.name, "dataset").schema)
            known.update(by_series(rows, problem, experiment.forecasting.timezone))
        return fill_known_future(future, problem, known)

    return informed


def _rows_ahead(experiment: Experiment, source: SourceSetting, schema: Schema) -> pl.DataFrame:
    """The rows of `predict_source`, read as those learnt from."""
    found, time = read_by(schema, source), experiment.time_column or ""
    if experiment.strict:
        check_fit(found.misfits, "predict_source")
    return (
        read_time(found.table, time, schema, experiment.forecasting.timezone)
        if time in found.table.columns
        else found.table
    )


def _metadata(found: Forecast, problem: ForecastProblem) -> dict[str, Any]:
    return {
        "forecast": table(list(rows_of(found, problem))),
        "n_series": len(found.names),
        "from": str(found.stamps.min()),
        "to": str(found.stamps.max()),
    }
