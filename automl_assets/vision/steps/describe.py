"""describe: what the target says of images, and what a person should know before learning from them."""

import numpy as np

from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Profile
from automl_assets.steps import column_guardrails
from automl_assets.vision.steps import image_guardrails
from automl_assets.vision.steps.image_survey import survey_images

GUARDRAILS = {
    "unreadable_images": "Images that cannot be read take no part.",
    "enough_images": "Whether each class has images enough to learn from.",
    "image_sizes": "How large images are, and whether many are smaller than what algorithms look at.",
    "near_duplicates": "Whether images nearly repeat each other, within the source or across files.",
    "missing_target": "Rows without a target take no part.",
    "ignored_columns": "Columns that take no part, and why.",
    "class_balance": "Whether a class is so rare that accuracy hides it.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself. Raises DataError where too few images can be read."""
    survey = survey_images(dataset.table[image_column(dataset.roles.features)])
    named = experiment.task_part.labels_of(dataset.table[experiment.target])
    image_guardrails.check_enough_is_left(survey, named, dataset.part, experiment.family.least_rows)
    is_source = dataset.part == SOURCE
    target = dataset.table[experiment.target].filter(is_source)
    known = dataset.table.filter(is_source & survey.is_readable)
    problem, columns = column_guardrails.problem_of(known, experiment), _columns(dataset, experiment)
    labels = experiment.task_part.labels_of(known[experiment.target])
    found = (
        image_guardrails.unreadable_images(survey),
        image_guardrails.enough_images([name for names in labels for name in names or ()]),
        image_guardrails.image_sizes(survey),
        image_guardrails.near_duplicates(survey, dataset.part),
        column_guardrails.missing_target(target),
        column_guardrails.ignored_columns(columns),
        column_guardrails.class_balance(known[experiment.target], problem, experiment),
        column_guardrails.unseen_classes(dataset, problem, experiment),
    )
    left_out = tuple(np.flatnonzero(~survey.is_readable).tolist())
    return Profile(len(target), columns, found, problem, dataset.schema, left_out)


def _columns(dataset: Dataset, experiment: Experiment) -> tuple[ColumnProfile, ...]:
    """Every column; all but that of the images are ignored."""
    table, image = dataset.table.filter(dataset.part == SOURCE), image_column(dataset.roles.features)
    return tuple(
        ColumnProfile(
            name=name,
            dtype=str(table[name].dtype),
            kind="text" if name == image else "ignored",
            n_missing=table[name].null_count(),
            n_unique=table[name].drop_nulls().n_unique(),
            reason="says where each image lies" if name == image else "stands beside images, which answer alone",
        )
        for name in dataset.roles.features
    )
