"""The asset `onnx_model` of forecasting: each group's ensemble in one file; checks of parity and latency."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.onnx_model import LATENCY, MAX_DIFFERENCE, PARITY, onnx_told
from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import MOST_TOLD, group_step, partitioned
from automl_assets.forecasting.steps.export import export
from automl_assets.forecasting.steps.map_groups import map_groups
from automl_assets.model_records import OnnxModel
from automl_assets.resources.store import RecordStore

MAX_MILLISECONDS = 20.0


def onnx_model(experiment: Experiment) -> dg.AssetsDefinition:
    text = "One file per group that takes the raw rows of a series, forecasts it, and needs onnxruntime alone."
    key = dg.AssetKey([experiment.name, "onnx_model"])
    checks = (
        dg.AssetCheckSpec(
            PARITY, asset=key, description=f"Differs from Python by at most {MAX_DIFFERENCE} of a series' range."
        ),
        dg.AssetCheckSpec(
            LATENCY, asset=key, description=f"A forecast takes at most {MAX_MILLISECONDS:g} ms at the median."
        ),
    )

    @dg.asset(**partitioned(experiment, "onnx_model", {"onnx"}, text, ("features", "ensemble"), checks))
    def asset(context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore]) -> Iterator[Any]:
        differences: dict[str, float] = {}
        milliseconds: dict[str, float] = {}

        def told(key: str, made: OnnxModel) -> dict[str, Any]:
            differences[key], milliseconds[key] = made.max_difference, made.latency_milliseconds
            return onnx_told(made)

        with group_step(context, experiment, records) as step:
            keys, ensembles = step.keys("features", "ensemble"), step.shelf_of("ensemble")
            made = map_groups(keys, lambda key: export(step.features.read(key), ensembles.read(key)))
            yield from step.keep(made, len(keys), told)
            yield _check(PARITY, differences, MAX_DIFFERENCE)
            yield _check(LATENCY, milliseconds, MAX_MILLISECONDS)

    return asset


def _check(name: str, values: dict[str, float], most: float) -> dg.AssetCheckResult:
    """Whether all groups are within the limit."""
    beyond = [f"{key}: {value:.3g}" for key, value in values.items() if not value <= most]
    return dg.AssetCheckResult(
        check_name=name,
        passed=not beyond,
        severity=dg.AssetCheckSeverity.ERROR if name == PARITY else dg.AssetCheckSeverity.WARN,
        description=listed(beyond, MOST_TOLD),
        metadata={"largest": max(values.values(), default=0.0), "at_most": most},
    )
