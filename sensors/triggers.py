"""Everything that starts a run of one experiment by itself: what it asks for is on, the rest may be switched on by hand."""

import dagster as dg

from automl_assets.experiment.experiment import Experiment
from automl_assets.resources.partitions import has_groups
from automl_assets.sensors.automation import automation
from automl_assets.sensors.new_data import new_data
from automl_assets.sensors.new_groups import new_groups
from automl_assets.sensors.schedule import schedule


def triggers(experiment: Experiment) -> dg.Definitions:
    """Sensors and schedules of one experiment."""
    asked = experiment.retrain
    sensors: list[dg.SensorDefinition] = [new_data(experiment)]
    if has_groups(experiment) and not asked.on_new_data:  # which adds them itself
        sensors.append(new_groups(experiment))
    sensors += experiment.family.triggers(experiment)
    if asked.automation == "eager":  # which goes by `cron` itself
        return dg.Definitions(sensors=[*sensors, automation(experiment)])
    return dg.Definitions(sensors=sensors, schedules=[schedule(experiment, asked.cron)] if asked.cron else [])
