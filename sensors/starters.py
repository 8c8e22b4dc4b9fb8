"""Everything that starts a run of one experiment by itself. What the experiment does not ask for is there, switched off."""

import dagster as dg

from automl_assets.experiment import Experiment
from automl_assets.sensors.new_data import new_data
from automl_assets.sensors.new_groups import new_groups


def starters(experiment: Experiment) -> dg.Definitions:
    """Sensors and schedules of one experiment."""
    sensors = [new_data(experiment)]
    if experiment.is_forecasting and not experiment.retrain.on_new_data:  # which adds them itself
        sensors.append(new_groups(experiment))
    return dg.Definitions(sensors=sensors)
