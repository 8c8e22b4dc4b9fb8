"""Which settings of an experiment fit together when it is about images."""

from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_of_images, check_rows


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about images."""
    check_rows(experiment)
    check_of_images(experiment)


def text_columns(experiment: Experiment) -> frozenset[str]:
    """Columns that stay as they are written: labels, whatever they look like."""
    return frozenset({experiment.target})
