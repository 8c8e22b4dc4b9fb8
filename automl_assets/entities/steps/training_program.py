"""training_program: how texts become tokens and their tags, in a program that stands alone."""

from dataclasses import replace

import numpy as np
import polars as pl

from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.featurize import tokenized
from automl_assets.entities.steps.load_texts import tags_of_rows, with_texts
from automl_assets.entities.steps.predict import answer
from automl_assets.parts import FitContext
from automl_assets.records import Dataset, Ensemble, Split
from automl_assets.steps import training_program as shared
from automl_assets.steps.training_program import Recipe, fit_members, metrics_of


def prepare_data(tables: dict[int, pl.DataFrame], recipe: Recipe) -> Dataset:
    """Rows of all files, read as they were learnt, in which the target is tags by blanks."""
    dataset, column = shared.prepare_data(tables, recipe), recipe.roles.features[0]
    table = with_texts(dataset.table, column)
    return replace(dataset, table=table.with_columns(tags_of_rows(table, column, recipe.roles.target, "the data")))


def train_model(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> Ensemble:
    """The ensemble with every member fitted on its folds, or on the tokens of all training texts."""
    inputs = _tokens(ensemble, dataset)
    context = FitContext(recipe.problem, seed=recipe.settings.seed, is_exported=ensemble.featurizer.is_exported)
    parts = _of_tokens(dataset, inputs.text)
    return fit_members(ensemble, lambda view: inputs, context, parts, split.take(inputs.text), recipe)


def calculate_metrics(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, float]:
    """Metrics on the test texts; where there are none, on the texts that were learnt, which flatters."""
    rows = dataset.table.filter(split.is_shown & dataset.table[dataset.roles.target].is_not_null().to_numpy())
    number = _tokens(ensemble, dataset).text
    return metrics_of(answer(ensemble, rows), _of_tokens(dataset, number), split.take(number), recipe)


def _tokens(ensemble: Ensemble, dataset: Dataset) -> TokenInputs:
    """The tokens of texts that have tags, with the numbers of their rows."""
    is_tagged = dataset.table[dataset.roles.target].is_not_null()
    inputs = tokenized(ensemble.featurizer, dataset.table.filter(is_tagged))
    return TokenInputs(inputs.tokens, np.flatnonzero(is_tagged.to_numpy())[inputs.text])


def _of_tokens(dataset: Dataset, number: np.ndarray) -> Dataset:
    """A row for each token, with its tag and what else is known of its text."""
    target = dataset.roles.target
    tags = dataset.table[target].drop_nulls().str.split(" ").explode()
    return replace(dataset, table=dataset.table[number].with_columns(tags.alias(target)))
