"""Which settings of an experiment fit together when it looks for entities."""

from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_no_images, check_rows


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about entities."""
    check_rows(experiment)
    check_no_images(experiment)
    if experiment.positive_label is not None:
        raise ValueError("positive_label: only a classification has one; remove it")
    if experiment.threshold != "auto":
        raise ValueError("threshold: how probable an entity must be is chosen for the metric; remove it")
    if experiment.featurization.text_embedding_precision != "float32":
        raise ValueError("featurization.text_embedding_precision: encoders read entities as float32; remove it")
