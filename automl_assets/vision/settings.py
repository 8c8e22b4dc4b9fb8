"""Which settings of an experiment fit together when it is about images."""

from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_rows

FOR_IMAGES = ("mode", "image_embedding")  # settings of `featurization` that images have


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about images."""
    check_rows(experiment)
    if experiment.featurization.mode == "off":
        raise ValueError("featurization: off leaves nothing to learn from; remove it")
    if experiment.featurization.column_types:
        raise ValueError("featurization.column_types: images are read as they are; name other columns in drop_columns")
    for key in experiment.featurization.model_fields_set - set(FOR_IMAGES):
        raise ValueError(f"featurization.{key}: not for images; possible: {listed(FOR_IMAGES)}")


def text_columns(experiment: Experiment) -> frozenset[str]:
    """Columns that stay as they are written: labels, whatever they look like."""
    return frozenset({experiment.target})
