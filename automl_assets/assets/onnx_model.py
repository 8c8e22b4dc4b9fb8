"""The asset `onnx_model`: featurizer and ensemble in one file over raw columns; checks of parity and latency."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import OnnxModel
from automl_assets.records import Dataset, Ensemble, Split
from automl_assets.steps.export import export

PARITY, LATENCY = "parity", "latency"
MAX_DIFFERENCE = 1e-4


def onnx_model(experiment: Experiment) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "onnx_model"])
    most_milliseconds = experiment.family.steps.most_milliseconds
    checks = {
        PARITY: f"Differs from Python by at most {MAX_DIFFERENCE} (of the target's range for a regression).",
        LATENCY: f"One row takes at most {most_milliseconds} ms at the median.",
    }

    @dg.asset(
        **described(
            experiment,
            "onnx_model",
            OnnxModel,
            {"onnx"},
            "One file that takes raw columns and needs onnxruntime alone.",
        ),
        ins={name: input_of(experiment, name) for name in ("dataset", "split", "ensemble")},
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in checks.items()],
    )
    def asset(
        context: dg.AssetExecutionContext, dataset: Dataset, split: Split, ensemble: Ensemble
    ) -> dg.MaterializeResult:
        with step(context):
            made = export(ensemble, dataset.table.filter(split.is_shown))
        results = [
            _check(PARITY, made.max_difference, MAX_DIFFERENCE),
            _check(LATENCY, made.latency_milliseconds, most_milliseconds),
        ]
        return dg.MaterializeResult(value=made, metadata=onnx_told(made), check_results=results)

    return asset


def onnx_told(made: OnnxModel) -> dict[str, Any]:
    """A model file as the UI shows it."""
    return {
        "megabytes": len(made.onnx) / 1e6,
        "max_difference": made.max_difference,
        "latency_milliseconds": made.latency_milliseconds,
        "n_checked": made.n_checked,
        **({"matrices": table(_wide(made))} if made.matrices else {}),
        "inputs": table([{"column": name, "type": kind} for name, kind in made.inputs.items()]),
    }


def _wide(made: OnnxModel) -> list[dict[str, Any]]:
    """Inputs of the second file, which takes many columns at once."""
    return [{"input": name, "columns": len(columns), "first": columns[0]} for name, columns in made.matrices.items()]


def _check(name: str, value: float, most: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=bool(value <= most),
        severity=dg.AssetCheckSeverity.ERROR if name == PARITY else dg.AssetCheckSeverity.WARN,
        metadata={"value": value, "at_most": most},
    )
