"""Recognition of entities: what tags mean as a target, and tiny data to try them on."""

from typing import Any

import numpy as np
import polars as pl

from automl_assets.entities.features.label_rows import rows_like
from automl_assets.entities.features.spans import ADVICE, spans_of, written_tags
from automl_assets.errors import DataError, listed
from automl_assets.parts import RowParts, Task
from automl_assets.records import Label, Problem
from automl_assets.tagging import BEGIN, INSIDE, OUTSIDE, labels_of, tags_of

LEAST_LABELS = 1
MOST_LABELS = 250


def _labels(tags: str) -> set[str]:
    return {tag.removeprefix(BEGIN).removeprefix(INSIDE) for tag in tags.split(" ") if tag not in (OUTSIDE, "")}


def _problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    """The tags of all labels, B- and I- of each."""
    labels = {label for tags in target.drop_nulls().to_list() for label in _labels(tags)}
    if not LEAST_LABELS <= len(labels) <= MOST_LABELS:
        found = target.drop_nulls().head(3).to_list()
        raise DataError(
            f'target "{target.name}": {len(labels)} labels of entities; possible are {LEAST_LABELS} to {MOST_LABELS}. Got '
            f"{listed(found, 3)}. Mark entities by tags such as B-person and I-person, or by spans."
        )
    return Problem("text_ner", metric, tags_of(labels))


def _codes(target: pl.Series, problem: Problem) -> np.ndarray:
    """The code of each token's tag, text by text, int64 [n_tokens]; 0, as of O, for a label that training did not have."""
    codes = {str(tag): code for code, tag in enumerate(problem.classes)}
    return np.array(
        [codes.get(tag, 0) for tags in target.drop_nulls().to_list() for tag in tags.split(" ") if tag], int
    )


def _rows_of(target: pl.Series) -> np.ndarray:
    return np.repeat(np.arange(len(target)), [len(tags.split()) if tags else 0 for tags in target.to_list()])


def _row_codes(target: pl.Series, problem: Problem) -> np.ndarray:
    """The rarest label of each text as the code of its B-, 0 where there is none; -1 where no tags are given."""
    named = [None if tags is None else _labels(tags) for tags in target.to_list()]
    known = labels_of(problem.classes)
    counts = {label: sum(label in labels for labels in named if labels) for label in known}
    codes = {label: 1 + 2 * number for number, label in enumerate(known)}
    order = sorted(known, key=lambda label: counts[label])
    return np.array(
        [-1 if found is None else next((codes[one] for one in order if one in found), 0) for found in named], np.int64
    )


def _labels_of(target: pl.Series) -> list[tuple[str, ...] | None]:
    """Of tags, and of entities by places as a source writes them."""
    return [None if cell is None else _named(cell) for cell in target.to_list()]


def _named(cell: Any) -> tuple[str, ...]:
    try:
        tags = written_tags(cell)
        found = {label for _, _, label in spans_of(cell)} if tags is None else _labels(" ".join(tags))
    except ValueError as error:
        raise DataError(f"{error}; {ADVICE}") from None
    return tuple(sorted(found))


def _sample(seed: int) -> tuple[pl.DataFrame, str]:
    """Sentences in which people meet in places, some of which no other sentence names."""
    random = np.random.default_rng(seed)
    syllables = ["ka", "lo", "mi", "ra", "ten", "vu", "so", "ber"]
    texts, targets = list[str](), list[str]()
    for _ in range(160):
        person, place = ("".join(random.choice(syllables, 2)).capitalize() for _ in range(2))
        town = f"{place}stad"
        ways = (
            (f"Mr {person} met nobody in {town}", "O B-person O O O B-place"),
            (f"in New {town} we saw Mrs {person} Berg", "O B-place I-place O O O B-person I-person"),
            ("nobody came back today", "O O O O"),
        )
        text, tags = ways[int(random.integers(len(ways)))]
        texts.append(text)
        targets.append(tags)
    return pl.DataFrame({"text": texts, "tags": targets}), "tags"


PART = Task(
    name="text_ner",
    title="Which entities does a text name?",
    family="entities",
    default_metric="entity_f1_micro",
    further_metrics=("entity_precision_micro", "entity_recall_micro", "entity_f1_lenient", "accuracy"),
    problem=_problem,
    encode_target=_codes,
    metric_kinds=frozenset({"classes", "entity_tags"}),
    stratify=True,
    sample=_sample,
    labels_of=_labels_of,
    labels_like=rows_like,
    parts=RowParts(_rows_of, _row_codes),
)
