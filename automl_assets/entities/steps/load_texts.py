"""load_texts: texts with a tag for each token, whether tags were written or places in the text."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.typing import stacked
from automl_assets.entities.features.spans import refused, spans_of, tags_of_spans, written_tags
from automl_assets.entities.features.tokens import TEXTS, token_places
from automl_assets.entities.records import OUTPUTS
from automl_assets.errors import DataError, SettingError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import SOURCE, Roles
from automl_assets.steps.named_columns import check_columns, named_columns
from automl_assets.tagging import joined_tokens

TEXT = TEXTS[0]


def load_texts(
    experiment: Experiment, tables: Mapping[int, pl.DataFrame], places: Mapping[int, str], schema: Schema
) -> tuple[pl.DataFrame, Roles]:
    """The rows of all sources as one table, in which the target is tags by blanks; a row without a target has none.

    Raises SettingError for a column that the YAML names and the rows lack, DataError that names the row whose tags are
    not as many as its tokens, or whose entities lie elsewhere.
    """
    for mark, rows in tables.items():
        check_columns(named_columns(experiment), rows, places[mark])
    roles = _roles(experiment, tables[SOURCE])
    tables = {mark: with_texts(rows, roles.features[0]) for mark, rows in tables.items()}
    kept = list(dict.fromkeys([*roles.features, *filter(None, (roles.weight, roles.group, roles.time)), *roles.folds]))
    tagged = [
        rows.select(kept).with_columns(tags_of_rows(rows, roles.features[0], experiment.target, places[mark]))
        for mark, rows in tables.items()
    ]
    return stacked(tagged), roles


def with_texts(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows with texts where each one's is a list of tokens."""
    cells = rows[column].cast(pl.String).to_list()
    texts = [None if cell is None else joined_tokens(cell) for cell in cells]
    is_listed = all(text is not None for cell, text in zip(cells, texts, strict=True) if cell)
    return rows.with_columns(pl.Series(column, texts, pl.String)) if is_listed else rows


def tags_of_rows(rows: pl.DataFrame, column: str, target: str, where: str) -> pl.Series:
    """The tags of each text, by blanks; null where the target is missing or the text is empty."""
    texts, cells = rows[column].cast(pl.String).to_list(), rows[target].to_list()
    pairs = enumerate(zip(texts, cells, strict=True))
    tags = [_tags(text, cell, where, row) for row, (text, cell) in pairs]
    return pl.Series(target, tags, pl.String)


def _tags(text: str | None, cell: Any, where: str, row: int) -> str | None:
    if cell is None or not (text or "").strip():
        return None
    text = text or ""
    try:
        found = written_tags(cell)
        if found is None:
            found, _ = tags_of_spans(text, spans_of(cell), token_places(text, False))
    except ValueError as error:
        raise refused(where, row, text, str(error)) from None
    counts = {len(token_places(text, is_parted)) for is_parted in (True, False)}
    if len(found) not in counts:
        raise DataError(
            f"{where}: row {row + 1}, {text[:60]!r}: {len(found)} tags for {len(token_places(text, True))} words; write as many "
            "tags as there are words between blanks"
        )
    return " ".join(found)


def _roles(experiment: Experiment, rows: pl.DataFrame) -> Roles:
    folds, known = experiment.validation.fold_columns, (experiment.weight_column, experiment.group_column)
    spoken_for = {experiment.target, *filter(None, known), *folds, *experiment.drop_columns}
    left = [name for name in rows.columns if name not in spoken_for and rows[name].dtype == pl.String]
    if not left:
        raise SettingError(
            f"source: no column of texts beside the target; it has {listed(rows.columns)}. Entities are looked for in texts"
        )
    text = next((name for name in TEXTS if name in left), left[0])
    if len(left) > 1 and text not in TEXTS:
        raise SettingError(
            f"source: {len(left)} columns of texts ({listed(left)}), and entities are looked for in one; call it {TEXT!r}, or "
            "name the others under drop_columns"
        )
    if text in OUTPUTS:
        raise SettingError(
            f"source: the column of texts is called {text!r}, as an output of the model file is; call it {TEXT!r}"
        )
    return Roles(experiment.target, (text,), *known, experiment.time_column, folds)
