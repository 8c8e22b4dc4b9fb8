"""Tables: rows that stand for themselves, each described by the values of its columns."""

from typing import Any

from automl_assets.families import Family
from automl_assets.tabular.settings import check_settings
from automl_assets.tabular.steps.load_table import load_table


def _graph(experiment: Any) -> list[Any]:
    from automl_assets.assets.graph import graph

    return graph(experiment)


def _triggers(experiment: Any) -> list[Any]:
    from automl_assets.sensors.drift import prediction_drift

    return [prediction_drift(experiment, experiment.predict_source)] if experiment.predict_source else []


def _result() -> type[Any]:
    from automl_assets.api.table_result import Result

    return Result


FAMILY = Family(
    name="tabular",
    check=check_settings,
    load=load_table,
    graph=_graph,
    triggers=_triggers,
    result=_result,
    least_rows=20,
)
