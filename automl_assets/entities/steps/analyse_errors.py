"""analyse_errors: which entities are missed, taken for others, or answered where there are none, told by their label, length and
writing, by whether training has them, and by the language of the text."""

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.find_label_errors import find_label_errors
from automl_assets.entities.steps.judged_entities import JudgedEntities, judged_entities, spelled, told_entities
from automl_assets.execution.time_shares import TimeShares
from automl_assets.features.language import language_column
from automl_assets.model_records import ErrorAnalysis
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.steps.analyse_errors import (
    ANSWERS_PER_SECOND,
    ENDS,
    MOST_ROWS,
    Judged,
    told_errors,
)
from automl_assets.steps.holdout_predictions import holdout_predictions_until, judged_rows
from automl_assets.steps.resample import permuted
from automl_assets.steps.tabulate_confusions import INVENTED, NOTHING, as_table
from automl_assets.tagging import decoded_tags, entities, labels_of

LOSS = "share of entities that are wrong"
METRIC = "entity_f1_micro"


def analyse_errors(
    dataset: Dataset, features: Features, ensemble: Ensemble, seed: int, seconds: float = float("inf")
) -> ErrorAnalysis:
    """Cohorts, heat table and groups of entities, of as many texts as time allows."""
    problem, random, pace = ensemble.problem, np.random.default_rng(seed), TimeShares(seconds, ENDS)
    rows = permuted(features.inputs.text, np.flatnonzero(judged_rows(features, ensemble)), random)[:MOST_ROWS]
    answers, drawn = holdout_predictions_until(features, ensemble, rows, pace.end_of("answers"))
    found = judged_entities(answers.truth, decoded_tags(answers.prediction, problem.threshold))
    labels, inputs = labels_of(problem.classes), features.inputs[drawn]
    table = told_entities(found, inputs, labels, _known(features, 1 + (answers.rows == "out_of_fold")))
    judged = Judged(
        answers.rows,
        _with_language(table, dataset, inputs, found, pace),
        1.0 - found.is_right,
        LOSS,
        inputs.text[found.start],
        METRIC,
        found.f1,
    )
    errors = replace(
        told_errors(judged, pace, random), confusions=as_table(found.pairs(labels), _totals(found, labels))
    )
    is_timely = pace.allows("label errors", ensemble.predictions.size / ANSWERS_PER_SECOND)
    return replace(
        errors,
        label_errors=find_label_errors(dataset, features, ensemble) if is_timely else None,
        left_out=tuple(dict.fromkeys(pace.left_out)),
    )


def _known(features: Features, least: int) -> set[str]:
    """The entities that so many texts of training have, in small letters."""
    rows = np.flatnonzero(features.truth.split.is_training)
    inputs, some = features.inputs[rows], entities(features.truth.y[rows])
    names = (name.lower() for name in spelled(some.start, some.end, inputs))
    counts = Counter(name for name, _ in {*zip(names, inputs.text[some.start].tolist(), strict=True)})
    return {name for name, n_texts in counts.items() if n_texts >= least}


def _with_language(
    table: pl.DataFrame, dataset: Dataset, inputs: TokenInputs, found: JudgedEntities, pace: TimeShares
) -> pl.DataFrame:
    """And the language of each entity's text, where it can be known in time."""
    numbers, place = np.unique(inputs.text[found.start], return_inverse=True)
    texts = dataset.table[dataset.roles.features[0]][numbers].cast(pl.String).fill_null("")
    return table.hstack([column[place] for column in language_column(texts, "the text", pace)])


def _totals(found: JudgedEntities, labels: tuple[str, ...]) -> dict[str, int]:
    """True entities of each label, and all that are answered."""
    is_true = found.kind != INVENTED
    counts = np.bincount(found.label[is_true], minlength=len(labels))
    return dict(zip(labels, counts.tolist(), strict=True)) | {NOTHING: int((found.answered >= 0).sum())}
