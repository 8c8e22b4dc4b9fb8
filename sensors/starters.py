"""Everything that starts a run of one experiment by itself: what it asks for is on, the rest may be switched on by hand."""

import dagster as dg

from automl_assets.experiment import Experiment
from automl_assets.sensors.automation import automation
from automl_assets.sensors.drift import drift_of
from automl_assets.sensors.forecast_drift import forecast_drift
from automl_assets.sensors.new_data import new_data
from automl_assets.sensors.new_groups import new_groups
from automl_assets.sensors.schedule import schedule


def starters(experiment: Experiment) -> dg.Definitions:
    """Sensors and schedules of one experiment."""
    asked = experiment.retrain
    sensors: list[dg.SensorDefinition] = [new_data(experiment)]
    if experiment.is_forecasting and not asked.on_new_data:  # which adds them itself
        sensors.append(new_groups(experiment))
    if experiment.is_forecasting and asked.drift.action != "none":
        sensors.append(forecast_drift(experiment))
    if experiment.predict_source and (asked.drift.action != "none" or not experiment.is_forecasting):
        sensors.append(drift_of(experiment, experiment.predict_source))
    if asked.automation == "eager":  # which goes by `cron` itself
        return dg.Definitions(sensors=[*sensors, automation(experiment)])
    return dg.Definitions(sensors=sensors, schedules=[schedule(experiment, asked.cron)] if asked.cron else [])
