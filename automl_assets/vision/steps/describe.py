"""describe: what the target says of images, and what a person should know before learning from them."""

from collections import Counter

from automl_assets.data.image_column import image_column
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, ColumnProfile, Dataset, Guardrail, Profile
from automl_assets.steps import column_guardrails

FEWEST_IMAGES = 15  # of a class, below which little can be learnt of it
GUARDRAILS = {
    "enough_images": "Whether each class has images enough to learn from.",
    "missing_target": "Rows without a target take no part.",
    "ignored_columns": "Columns that take no part, and why.",
    "class_balance": "Whether a class is so rare that accuracy hides it.",
    "unseen_classes": "Whether a validation or test file has classes that the source lacks.",
}


def describe(dataset: Dataset, experiment: Experiment) -> Profile:
    """Profiles the rows of the source itself."""
    table = dataset.table.filter(dataset.part == SOURCE)
    target, problem = table[experiment.target], column_guardrails.problem_of(table, experiment)
    columns = _columns(dataset, experiment)
    found = (
        _enough_images([name for names in experiment.task_part.labels_of(target) for name in names or ()]),
        column_guardrails.missing_target(target),
        column_guardrails.ignored_columns(columns),
        column_guardrails.class_balance(target, problem, experiment),
        column_guardrails.unseen_classes(dataset, problem, experiment),
    )
    return Profile(table.height, columns, found, problem, dataset.schema)


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


def _enough_images(labels: list[str]) -> Guardrail:
    counts = Counter(labels)
    few = {name: count for name, count in sorted(counts.items()) if count < FEWEST_IMAGES}
    if not few:
        return Guardrail("enough_images", "passed", f"Every class has {FEWEST_IMAGES} images or more.")
    told = ", ".join(f"{name!r} ({count})" for name, count in few.items())
    return Guardrail("enough_images", "alerted", f"Of these classes there are few images: {told}. Bring more.", few)
