"""Which settings fit together in every question about rows that stand for themselves."""

from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment

FOR_IMAGES = ("mode", "image_embedding")  # settings of `featurization` that images have


def check_rows(experiment: Experiment) -> None:
    """Raises ValueError for what contradicts itself, or means nothing without series."""
    if "forecasting" in experiment.model_fields_set:
        raise ValueError(f"forecasting: a {experiment.task} has no series; say `task: forecasting`, or remove it")
    if experiment.time_column and experiment.group_column:
        raise ValueError("group_column and time_column: a split keeps either groups or time apart; choose one")
    if (
        experiment.time_column
        and experiment.validation.fraction is not None
        and experiment.validation.folds is not None
    ):
        raise ValueError("validation.folds: with a time_column every repeat of `fraction` is the same; leave it out")
    if experiment.retrain.drift.action != "none" and experiment.predict_source is None:
        raise ValueError("retrain.drift: needs `predict_source`, the rows that are compared with those learnt from")


def check_no_images(experiment: Experiment) -> None:
    """Raises ValueError for what says how images are read, where there are none."""
    if experiment.featurization.image_embedding is not None:
        raise ValueError(f"featurization.image_embedding: a {experiment.task} reads no images; remove it")


def check_of_images(experiment: Experiment) -> None:
    """Raises ValueError for what says how columns become numbers, where these are images."""
    if experiment.featurization.mode == "off":
        raise ValueError("featurization: off leaves nothing to learn from; remove it")
    if experiment.featurization.column_types:
        raise ValueError("featurization.column_types: images are read as they are; name other columns in drop_columns")
    for key in experiment.featurization.model_fields_set - set(FOR_IMAGES):
        raise ValueError(f"featurization.{key}: not for images; possible: {listed(FOR_IMAGES)}")
