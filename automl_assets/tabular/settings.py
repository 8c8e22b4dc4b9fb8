"""Which settings of an experiment fit together when it is about tables."""

from automl_assets.encoders.reference import AUTOMATIC
from automl_assets.experiment.experiment import Experiment
from automl_assets.experiment.row_settings import check_no_images, check_rows


def check_settings(experiment: Experiment) -> None:
    """Raises ValueError for what cannot be in a question about rows that stand for themselves."""
    if experiment.featurization.text_embedding and (experiment.onnx or experiment.explain):
        raise ValueError("featurization.text_embedding: runs outside of ONNX; say `onnx: false` and `explain: false`")
    if experiment.featurization.text_embedding == AUTOMATIC:
        raise ValueError("featurization.text_embedding: auto is for texts; name a folder or a network on the hub")
    if experiment.featurization.text_embedding_precision != "float32":
        raise ValueError("featurization.text_embedding_precision: encoders read tables as float32; remove it")
    if experiment.task == "regression" and experiment.positive_label is not None:
        raise ValueError("positive_label: only a classification has one; remove it")
    if experiment.task == "regression" and experiment.threshold != "auto":
        raise ValueError("threshold: only a classification of two classes has one; remove it")
    check_rows(experiment)
    check_no_images(experiment)
