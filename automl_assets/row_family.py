"""What every family of rows that stand for themselves says of its graph, its sensors and its results."""

from typing import Any


def graph_of_rows(experiment: Any) -> list[Any]:
    """The assets of an experiment, from data set to report."""
    from automl_assets.assets.graph import graph

    return graph(experiment)


def drift_sensors(experiment: Any) -> list[Any]:
    """A sensor that watches what is predicted, where there is something to predict."""
    from automl_assets.sensors.drift import prediction_drift

    return [prediction_drift(experiment, experiment.predict_source)] if experiment.predict_source else []


def result_of_rows() -> type[Any]:
    """The type that holds what came of a run."""
    from automl_assets.api.table_result import Result

    return Result
