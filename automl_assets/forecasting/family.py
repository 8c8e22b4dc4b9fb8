"""Series: rows that follow each other in time, made group by group."""

from typing import Any

from automl_assets.families import Family
from automl_assets.forecasting.settings import check_settings
from automl_assets.forecasting.steps.build_groups import group_keys
from automl_assets.forecasting.steps.draft import draft
from automl_assets.forecasting.steps.load_series import load_series, time_formats


def _graph(experiment: Any) -> list[Any]:
    from automl_assets.forecasting.assets.graph import graph

    return graph(experiment)


def _triggers(experiment: Any) -> list[Any]:
    from automl_assets.forecasting.sensors.errors_since import errors_since
    from automl_assets.forecasting.sensors.known_drift import known_drift

    if experiment.retrain.drift.action == "none":
        return []
    ahead = experiment.predict_source
    return [errors_since(experiment), *([known_drift(experiment, ahead)] if ahead else [])]


def _result() -> type[Any]:
    from automl_assets.forecasting.result import ForecastResult

    return ForecastResult


FAMILY = Family(
    name="forecasting",
    check=check_settings,
    load=load_series,
    graph=_graph,
    triggers=_triggers,
    result=_result,
    least_rows=3,  # stamps: what is too short is found out series by series
    group_keys=group_keys,
    is_target_imputed=True,
    time_formats=time_formats,
    draft=draft,
    preload=("automl_assets.forecasting.preload",),
)
