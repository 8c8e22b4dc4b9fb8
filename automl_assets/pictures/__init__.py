"""Drawings for the UI: arrays and records in, PNG or SVG out, all in one hand and safe for colour-blind eyes.

Here belong everything that knows matplotlib and every choice of colour. Not here: metrics, and deciding what to show.
"""

from automl_assets.pictures.canvas import readable, short_number
from automl_assets.pictures.classification import classification_pictures
from automl_assets.pictures.errors import cohorts_picture, fairness_picture, heat_picture
from automl_assets.pictures.explanation import contributions_picture, dependence_picture, importance_picture
from automl_assets.pictures.label_sets import label_set_pictures
from automl_assets.pictures.objects import object_pictures
from automl_assets.pictures.regression import regression_pictures
from automl_assets.pictures.search import trials_picture, weights_picture

__all__ = [
    "classification_pictures",
    "cohorts_picture",
    "contributions_picture",
    "dependence_picture",
    "fairness_picture",
    "heat_picture",
    "importance_picture",
    "label_set_pictures",
    "object_pictures",
    "readable",
    "regression_pictures",
    "short_number",
    "trials_picture",
    "weights_picture",
]
