"""analyse_errors: on which texts the ensemble does worst, told by their length, language, capitals, digits, links, labels and the
columns beside them."""

import time
from functools import partial

import numpy as np
import polars as pl

from automl_assets.execution.time_shares import TimeShares
from automl_assets.features.language import language_column
from automl_assets.model_records import ErrorAnalysis
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps import analyse_errors as shared
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.label_columns import label_columns

WORD = r"[\p{L}\p{N}]+"
LINK = r"https?:|www\."
TOLD = 3  # decimals of a share


def analyse_errors(
    dataset: Dataset, features: Features, ensemble: Ensemble, seed: int, seconds: float = float("inf")
) -> ErrorAnalysis:
    """Cohorts and heat table, as of tables, over what can be said of texts in words."""
    readable = partial(told_columns, texts=ensemble.featurizer.texts, problem=ensemble.problem)
    return shared.analyse_errors(dataset, features, ensemble, seed, seconds, shared.RowView(readable))


def told_columns(
    table: pl.DataFrame, answers: Answers, pace: TimeShares, texts: tuple[str, ...], problem: Problem
) -> pl.DataFrame:
    """What cohorts of texts are told by: of each text column its measures, the labels, and the other columns as they are. What
    there is no time for is left out, and told."""
    cells = {name: table[name].cast(pl.String).fill_null("") for name in texts}
    measures = [column for name in texts for column in _measures(cells[name], name, pace)]
    measures += [column for name in texts for column in language_column(cells[name], name, pace)]
    measures += label_columns(answers.truth, problem)
    taken = {column.name for column in measures}
    others = [name for name in table.columns if name not in texts and name not in taken]
    return pl.DataFrame([*measures, *table.select(others)])


def _measures(texts: pl.Series, name: str, pace: TimeShares) -> list[pl.Series]:
    """Numbers of words first; each of the others takes about as long."""
    started = time.monotonic()
    found = [texts.str.count_matches(WORD).cast(pl.Int64).alias(f"words in {name}")]
    needed = time.monotonic() - started
    n_characters = texts.str.len_chars().cast(pl.Float64).clip(1.0)
    for what, pattern in (("capitals", r"\p{Lu}"), ("digits", r"\d")):
        if pace.allows("columns", needed, f"share of {what} in {name}"):
            share = (texts.str.count_matches(pattern) / n_characters).round(TOLD)
            found.append(share.alias(f"share of {what} in {name}"))
    if pace.allows("columns", needed, f"links in {name}"):
        found.append(pl.Series(f"links in {name}", np.where(texts.str.contains(LINK).to_numpy(), "yes", "no")))
    return found
