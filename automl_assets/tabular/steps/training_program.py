"""training_program: how raw columns of a table become what its models learn from, in a program that stands alone."""

from automl_assets.features.featurizer import densify, encode
from automl_assets.records import Dataset, Ensemble, Split
from automl_assets.steps.training_program import Recipe, fit_members, metrics_of
from automl_assets.tabular.steps.fit import context_of
from automl_assets.tabular.steps.predict import answer


def train_model(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> Ensemble:
    """The ensemble with every member fitted on its folds, or on all training rows."""
    codes = encode(ensemble.featurizer, dataset.table)
    views = {"codes": codes, "dense": densify(ensemble.featurizer, codes)}
    context = context_of(ensemble.featurizer, recipe.problem, recipe.settings.seed)
    return fit_members(ensemble, lambda view: views[view], context, dataset, split, recipe)


def calculate_metrics(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, float]:
    """Metrics on the test rows; where there are none, on the rows that were learnt, which flatters."""
    return metrics_of(answer(ensemble, dataset.table.filter(split.is_shown)), dataset, split, recipe)
