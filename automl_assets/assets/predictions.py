"""The asset `predictions`: scores for the unlabelled rows of `predict_source`."""

from dataclasses import asdict
from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, step, table
from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.model_records import ColumnDrift, Predictions
from automl_assets.records import Ensemble, Profile
from automl_assets.steps.drift import drift, drifted_columns, told
from automl_assets.steps.predict import predict
from automl_assets.steps.read_rows import Notes
from automl_assets.steps.read_source import like, written

PREVIEW_ROWS = 10
DRIFT = "drift"  # name of the check


def predictions(experiment: Experiment, source: SourceSetting) -> dg.AssetsDefinition:
    where = source.part.describe(source.options)

    @dg.asset(
        **described(
            experiment, "predictions", Predictions, {"polars", source.kind}, f"Predictions for the rows of {where}."
        ),
        ins={"ensemble": input_of(experiment, "ensemble"), "profile": input_of(experiment, "profile")},
        deps=[[experiment.name, "evaluation"]],
        check_specs=[
            dg.AssetCheckSpec(DRIFT, asset=_key(experiment), description="They look like the rows learnt from.")
        ],
    )
    def asset(context: dg.AssetExecutionContext, ensemble: Ensemble, profile: Profile) -> dg.MaterializeResult:
        with step(context):
            rows, noticed = written(like(source, ensemble.schema)), Notes()
            made = predict(ensemble, rows, experiment.strict, noticed)
            lines = drift(profile, ensemble.schema.read(rows).table, experiment.retrain.drift)
        metadata: dict[str, Any] = {
            "dagster/row_count": made.table.height,
            "preview": table(made.table[:, rows.width :].head(PREVIEW_ROWS).to_dicts()),
            "noticed": "\n".join(noticed.lines) or "Every cell is as those learnt from.",
        }
        found = dg.AssetCheckResult(check_name=DRIFT, severity=dg.AssetCheckSeverity.WARN, **_found(lines, experiment))
        return dg.MaterializeResult(value=made, metadata=metadata, check_results=[found])

    return asset


def drift_evaluation(lines: tuple[ColumnDrift, ...], experiment: Experiment) -> dg.AssetCheckEvaluation:
    """The same check outside of a run, of rows that came since."""
    return dg.AssetCheckEvaluation(
        asset_key=_key(experiment), check_name=DRIFT, severity=dg.AssetCheckSeverity.WARN, **_found(lines, experiment)
    )


def is_far(lines: tuple[ColumnDrift, ...], experiment: Experiment) -> bool:
    """Whether as many columns have moved as the experiment says."""
    return len(drifted_columns(lines)) >= experiment.retrain.drift.least_columns


def _found(lines: tuple[ColumnDrift, ...], experiment: Experiment) -> dict[str, Any]:
    shown = table([{**asdict(line), "is_drifted": line.is_drifted} for line in lines])
    figures = {"columns": shown, "n_drifted": len(drifted_columns(lines))}
    return {"passed": not is_far(lines, experiment), "description": told(lines), "metadata": figures}


def _key(experiment: Experiment) -> dg.AssetKey:
    return dg.AssetKey([experiment.name, "predictions"])
