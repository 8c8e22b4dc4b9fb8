"""analyse_errors: on which texts the ensemble does worst, told by their length, language, capitals, digits, links, label and the
columns beside them."""

from functools import partial

import numpy as np
import polars as pl

from automl_assets.model_records import ErrorAnalysis
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps import analyse_errors as shared
from automl_assets.steps.evaluate import Answers
from automl_assets.text.features.language import is_language_known, languages_of

WORD = r"[\p{L}\p{N}]+"
LINK = r"https?:|www\."
TOLD = 3  # decimals of a share


def analyse_errors(
    dataset: Dataset, features: Features, ensemble: Ensemble, seed: int, seconds: float = float("inf")
) -> ErrorAnalysis:
    """Cohorts and heat table, as of tables, over what can be said of texts in words."""
    readable = partial(told_columns, texts=ensemble.featurizer.texts, problem=ensemble.problem)
    return shared.analyse_errors(dataset, features, ensemble, seed, seconds, readable)


def told_columns(table: pl.DataFrame, answers: Answers, texts: tuple[str, ...], problem: Problem) -> pl.DataFrame:
    """What cohorts of texts are told by: of each text column its measures, the label, and the other columns as they are."""
    measures = [column for name in texts for column in _measures(table[name].cast(pl.String).fill_null(""), name)]
    labels = [_labels(answers.truth, problem)] if answers.truth.ndim == 1 else []
    taken = {column.name for column in (*measures, *labels)}
    others = [name for name in table.columns if name not in texts and name not in taken]
    return pl.DataFrame([*measures, *labels, *table.select(others)])


def _measures(texts: pl.Series, name: str) -> list[pl.Series]:
    n_characters = texts.str.len_chars().cast(pl.Float64)
    shares = {"capitals": r"\p{Lu}", "digits": r"\d"}
    found = [texts.str.count_matches(WORD).cast(pl.Int64).alias(f"words in {name}")]
    for what, pattern in shares.items():
        share = texts.str.count_matches(pattern) / pl.select(pl.max_horizontal(n_characters, 1.0)).to_series()
        found.append(share.round(TOLD).alias(f"share of {what} in {name}"))
    has_link = pl.Series(f"links in {name}", np.where(texts.str.contains(LINK).to_numpy(), "yes", "no"))
    language = [languages_of(texts).alias(f"language of {name}")] if is_language_known() else []
    return [*found, has_link, *language]


def _labels(truth: np.ndarray, problem: Problem) -> pl.Series:
    return pl.Series("label", [str(problem.classes[code]) for code in truth], pl.String)
