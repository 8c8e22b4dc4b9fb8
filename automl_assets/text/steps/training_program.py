"""training_program: how texts become what their models learn from, in a program that stands alone."""

from dataclasses import replace

from automl_assets.parts import FitContext
from automl_assets.records import Dataset, Ensemble, Split
from automl_assets.steps.training_program import Recipe, fit_members, metrics_of
from automl_assets.text.features.text_featurizer import encode_texts, learnt_terms
from automl_assets.text.features.tokens import joined_texts
from automl_assets.text.steps.predict import answer


def train_model(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> Ensemble:
    """The ensemble with its terms learnt, and every member fitted on its folds, or on all training rows."""
    problem, training = recipe.problem, dataset.table.filter(split.is_training)
    words, characters = learnt_terms(joined_texts(training.select(ensemble.featurizer.texts)), problem.n_outputs)
    featurizer = replace(ensemble.featurizer, words=words, characters=characters)
    inputs = encode_texts(featurizer, dataset.table)
    context = FitContext(problem, seed=recipe.settings.seed, is_exported=featurizer.is_exported)
    return fit_members(replace(ensemble, featurizer=featurizer), inputs.view, context, dataset, split, recipe)


def calculate_metrics(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, float]:
    """Metrics on the test rows; where there are none, on the rows that were learnt, which flatters."""
    return metrics_of(answer(ensemble, dataset.table.filter(split.is_shown)), dataset, split, recipe)
