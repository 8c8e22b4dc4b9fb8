"""draft: the YAML for a question about images: a folder for each class, annotations, or a table that names images."""

import polars as pl

from automl_assets import registry
from automl_assets.data.image_column import image_column
from automl_assets.errors import SettingError
from automl_assets.steps.draft import IMAGES, DraftRequest, algorithm_names, as_yaml

CLASS, LABEL_SET = "image_classification", "image_classification_multilabel"


def draft(asked: DraftRequest) -> str | None:
    """None where rows are no images and no task is named. Raises SettingError for labels that no task answers, DataError where
    no column says where images lie."""
    if asked.kind != IMAGES and asked.task is None:
        return None
    image_column([name for name in asked.table.columns if name != asked.target])
    return _text(asked, asked.task or _task(asked.table[asked.target]))


def _task(target: pl.Series) -> str:
    """Annotations are classes, sets written as lists, or objects written as lists of records."""
    if target.str.starts_with("[{").any():
        raise SettingError(f'--target: "{target.name}" holds objects in images; possible are {CLASS} and {LABEL_SET}')
    return LABEL_SET if target.str.starts_with("[").any() else CLASS


def _text(asked: DraftRequest, task: str) -> str:
    target = asked.table[asked.target]
    named = registry.tasks()[task].labels_of(target)
    n_labels = len({label for labels in named for label in labels or ()})
    missing = f"; {target.null_count()} images without one take no part" if target.null_count() else ""
    source = f"{{kind: {IMAGES}, path: {asked.source}}}" if asked.kind == IMAGES else asked.source
    return f"""\
# {asked.table.height} images.
task: {task}    # {n_labels} different labels{missing}
source: {source}
target: {as_yaml(asked.target)}
metric: {registry.tasks()[task].default_metric}    # what the search makes as good as it can
test: 0.2    # share of images kept away until the end; or a folder
limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
# drop_columns: []    # columns beside that which says where images lie, where its name does not tell
# group_column: null    # images of one group, of one patient say, stay on one side of every split
# time_column: null    # later images validate and test earlier ones
# validation: auto    # or {{folds: 5}}, {{fraction: 0.2}}, a folder
# algorithms: {{blocked: []}}    # possible: {algorithm_names(task)}
# ensemble: true
# onnx: true
# predict_source: null    # images without a label, to be predicted
# retrain: false    # true: again by itself when new images come; or {{cron: 0 3 * * mon}}
# seed: 0
"""
