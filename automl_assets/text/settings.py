"""Which settings of an experiment fit together when it is about texts."""

from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_no_images, check_rows


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about texts."""
    check_rows(experiment)
    check_no_images(experiment)
    if experiment.featurization.mode == "off":
        raise ValueError("featurization: off leaves no texts to learn from; remove it")


def text_columns(experiment: Experiment) -> frozenset[str]:
    """Columns that stay as they are written: labels, and what the experiment says is text."""
    wished = (name for name, kind in experiment.featurization.column_types.items() if kind == "text")
    return frozenset({experiment.target, *wished})
