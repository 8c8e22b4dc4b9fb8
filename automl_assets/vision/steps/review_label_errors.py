"""review_label_errors: likely errors of labels for Label Studio, each with a small copy of its image, which a browser shows wherever
the image lies."""

import polars as pl

from automl_assets.data.image_cells import small_copy
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.steps.find_label_errors import find_label_errors, review_tasks, with_columns_of

SHOWN = "small_copy"  # what is looked at: <Image name="small_copy" value="$small_copy"/>


def review_label_errors(dataset: Dataset, features: Features, ensemble: Ensemble) -> bytes:
    """A task for each row, whose columns come back by `automl correct`. Raises DataError for an image that is gone."""
    problem = ensemble.problem
    found = find_label_errors(features.truth.y, ensemble.predictions, problem)
    told = with_columns_of(found, dataset)
    copies = [small_copy(cell) for cell in told[ensemble.featurizer.image].to_list()]
    shown = told.insert_column(found.width, pl.Series(SHOWN, copies, pl.String))
    return review_tasks(shown, dataset.roles.target, problem.is_multilabel)
