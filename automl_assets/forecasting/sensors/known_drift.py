"""Compares the covariates known ahead that are to be forecast with with those that were learnt."""

import dagster as dg

from automl_assets.experiment.experiment import Experiment, SourceSetting
from automl_assets.forecasting.sensors.observed import observed
from automl_assets.forecasting.steps.drift import known_drift as drift
from automl_assets.model_records import ColumnDrift
from automl_assets.resources.store import RecordStore
from automl_assets.sensors.drift import Watch, drift_sensor
from automl_assets.steps.drift import told
from automl_assets.steps.read_source import read_by


def known_drift(experiment: Experiment, source: SourceSetting) -> dg.SensorDefinition:
    """The sensor of one forecasting experiment. Groups whose rows have changed are learnt again."""

    def lines(records: RecordStore) -> tuple[ColumnDrift, ...]:
        dataset = records.load(experiment.name, "dataset")
        return drift(dataset, read_by(dataset.schema, source).table, experiment)

    return drift_sensor(
        Watch(
            experiment,
            source,
            "known_drift",
            lines,
            lambda found: observed(experiment, "known_ahead", found, told(found)),
        )
    )
