"""Which settings of an experiment fit together when it is about series."""

from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment

OF_TABLES = {
    "weight_column": "every stamp counts alike",
    "positive_label": "only a classification has one",
    "threshold": "only a classification has one",
    "sensitive_columns": "fairness is compared between rows of a table",
    "group_column": "name the columns that tell series apart in forecasting.series_id_columns",
    "validation": "rolling origins validate; set their number in forecasting.n_windows",
}
FOR_COVARIATES = ("column_types", "imputers")  # settings of `featurization` that a covariate has, too


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what a question about series must say and does not, or cannot say."""
    if experiment.time_column is None:
        raise ValueError("time_column: is missing; a forecast needs the column that says when")
    for key, reason in OF_TABLES.items():
        if getattr(experiment, key) != Experiment.model_fields[key].default:
            raise ValueError(f"{key}: not for a forecast: {reason}; remove it")
    imputer = experiment.featurization.imputers.get(experiment.target)
    if imputer and not isinstance(imputer.fill_value, float | int):
        raise ValueError(
            f"featurization.imputers: gaps of the target {experiment.target!r} take the last value, or a number: "
            "{strategy: constant, fill_value: 0}"
        )
    for key in experiment.featurization.model_fields_set - set(FOR_COVARIATES):
        raise ValueError(f"featurization.{key}: not for a forecast; possible: {listed(FOR_COVARIATES)}")
    if experiment.retrain.automation != "none":
        raise ValueError(
            "retrain.automation: not for a forecast: Dagster would make its groups by a backfill of several runs, or a "
            "run for each; say `on_new_data` or `cron`, by which one run makes them all"
        )
