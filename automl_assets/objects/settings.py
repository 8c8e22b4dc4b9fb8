"""Which settings of an experiment fit together when it looks for objects in images."""

from automl_assets.backbones.reference import KNOWN
from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_of_images, check_rows


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about objects."""
    check_rows(experiment)
    if experiment.positive_label is not None:
        raise ValueError("positive_label: only a classification has one; remove it")
    if experiment.threshold != "auto":
        raise ValueError(
            "threshold: every box is answered with its score, from which on is chosen afterwards; remove it"
        )
    check_of_images(experiment)
    if experiment.featurization.image_embedding not in (None, *KNOWN):
        raise ValueError(
            f"featurization.image_embedding: detectors learn over {listed(KNOWN)}; got {experiment.featurization.image_embedding!r}"
        )


def text_columns(experiment: Experiment) -> frozenset[str]:
    """Columns that stay as they are written: objects are told as JSON."""
    return frozenset({experiment.target})
