"""draft: the YAML for a question about entities, where a person says that it is one, or the target is tags."""

import polars as pl

from automl_assets import registry
from automl_assets.entities.features.spans import spans_of, written_tags
from automl_assets.entities.features.tokens import TEXTS, token_places
from automl_assets.errors import SettingError, listed
from automl_assets.steps.draft import DraftRequest, algorithm_names, as_yaml
from automl_assets.tagging import BEGIN, OUTSIDE, joined_tokens

TASK = "text_ner"
LOOKED_AT = 100  # rows


def draft(asked: DraftRequest) -> str | None:
    """None where no task is named and the target is no tags of words. Raises SettingError where a task is named and no
    column holds texts, or the target neither tags nor places."""
    texts = [column.name for column in asked.table if column.dtype == pl.String and column.name != asked.target]
    text = next((name for name in TEXTS if name in texts), texts[0] if texts else None)
    if asked.task is None:
        return _text(asked, text, texts) if text and _is_tagged(asked.table.select(text, asked.target)) else None
    if text is None:
        raise SettingError(
            f"--task {asked.task}: no column of {asked.data} holds texts; it has {listed(asked.table.columns)}"
        )
    _check_target(asked)
    return _text(asked, text, texts)


def _is_tagged(rows: pl.DataFrame) -> bool:
    """Whether the first rows have a tag for each word, and any names an entity."""
    found = set[str]()
    for text, cell in rows.drop_nulls().head(LOOKED_AT).iter_rows():
        try:
            tags = written_tags(cell) if isinstance(cell, str) else None
        except ValueError:
            return False
        if tags is None or len(tags) != len(token_places(joined_tokens(text) or text, True)):
            return False
        found |= {*tags} - {OUTSIDE}
    return bool(found)


def _check_target(asked: DraftRequest) -> None:
    for cell in asked.table[asked.target].drop_nulls().head(LOOKED_AT):
        try:
            if written_tags(cell) is None:
                spans_of(cell)
        except ValueError as error:
            raise SettingError(
                f"--target {asked.target}: {error}. It holds tags of words, such as {BEGIN}person O, or places, such as "
                '[{"start": 0, "end": 4, "label": "place"}]'
            ) from None


def _text(asked: DraftRequest, text: str, texts: list[str]) -> str:
    n_missing = asked.table[asked.target].null_count()
    missing = f"    # {n_missing} rows without one take no part" if n_missing else ""
    others = [] if text in TEXTS else [name for name in texts if name != text]
    dropped = f"drop_columns: {as_yaml(others)}    # other texts: entities are looked for in one\n" if others else ""
    unsaid = "" if dropped else "# drop_columns: []    # other columns of texts\n"
    return f"""\
# {asked.table.height} rows, {asked.table.width} columns; entities are looked for in {as_yaml(text)}.
task: {TASK}
source: {asked.source}
target: {as_yaml(asked.target)}{missing}
metric: {registry.tasks()[TASK].default_metric}    # what the search makes as good as it can
test: 0.2    # share of texts kept away until the end; or a file
{dropped}limits:
  timeout_minutes: 10    # for the whole run, to the last file

# More that can be said (shown with its default):
{unsaid}# group_column: null    # texts of one group, such as a document, stay on one side of every split
# time_column: null    # later texts validate and test earlier ones
# validation: auto    # or {{folds: 5}}, {{fraction: 0.2}}, a file, {{fold_columns: [...]}}
# algorithms: {{blocked: []}}    # possible: {algorithm_names(TASK)}
# ensemble: true
# onnx: true
# predict_source: null    # texts without a target, to be predicted
# retrain: false    # true: again by itself when new rows come; or {{cron: 0 3 * * mon}}, {{drift: retrain}}
# seed: 0
"""
