"""The asset `evaluation` of forecasting: each group's ensemble on stamps nobody has seen; the backtest without a test."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.evaluation import BEATS
from automl_assets.assets.spec import pictures, table
from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import MOST_TOLD, group_step, partitioned
from automl_assets.forecasting.records import ForecastEvaluation
from automl_assets.forecasting.steps.evaluate import evaluate
from automl_assets.forecasting.steps.map_groups import draw_groups
from automl_assets.metrics import oriented
from automl_assets.resources.store import RecordStore


def evaluation(experiment: Experiment) -> dg.AssetsDefinition:
    text = "Metrics, coverage of the intervals, and error by horizon on stamps nobody has seen."
    key = dg.AssetKey([experiment.name, "evaluation"])
    beats = dg.AssetCheckSpec(BEATS, asset=key, description="No group is worse than the seasonal naive forecast.")

    @dg.asset(**partitioned(experiment, "evaluation", {"matplotlib"}, text, ("features", "ensemble"), (beats,)))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> Iterator[Any]:
        worse, unknown = list[str](), list[str]()

        def told(key: str, found: ForecastEvaluation) -> dict[str, Any]:
            worse.extend([key] if _is_worse(found, experiment.metric) else [])
            unknown.extend([key] if experiment.metric not in found.metrics else [])
            return _metadata(found)

        with group_step(context, experiment, records) as step:
            keys, ensembles = step.keys("features", "ensemble"), step.shelf_of("ensemble")
            made = draw_groups(
                keys, evaluate, lambda key: (step.features.read(key), ensembles.read(key)), experiment.limits.n_cores
            )
            yield from step.keep(made, len(keys), told)
            yield _beats(worse, unknown, experiment.metric)

    return asset


def _metadata(found: ForecastEvaluation) -> dict[str, Any]:
    rows = [
        {"metric": name, "value": value, "seasonal naive": found.baseline.get(name)}
        for name, value in found.metrics.items()
    ]
    return {
        "rows": found.rows,
        "n_rows": found.n_rows,
        "metrics": table(rows),
        **{f"{found.rows}_{name}": value for name, value in found.metrics.items()},
        **found.coverage,
        **(pictures(found.pictures) or _errors(found)),
    }


def _errors(found: ForecastEvaluation) -> dict[str, Any]:
    """What a picture would show."""
    errors = enumerate(found.by_horizon.tolist(), 1)
    return {"error_by_horizon": table([{"stamps ahead": ahead, "mean_absolute_error": one} for ahead, one in errors])}


def _is_worse(found: ForecastEvaluation, metric: str) -> bool:
    value, guess = found.metrics.get(metric), found.baseline.get(metric)
    return value is not None and guess is not None and oriented(metric, value) < oriented(metric, guess)


def _beats(worse: list[str], unknown: list[str], metric: str) -> dg.AssetCheckResult:
    none = f"{metric} has no value on the judged rows of {listed(unknown, MOST_TOLD)}: only the backtest says how good they are"
    told = [f"worse than the seasonal naive forecast: {listed(worse, MOST_TOLD)}"] if worse else []
    return dg.AssetCheckResult(
        check_name=BEATS,
        passed=not worse and not unknown,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join([*told, *([none] if unknown else [])]),
        metadata={"n_worse": len(worse), "n_without_value": len(unknown)},
    )
