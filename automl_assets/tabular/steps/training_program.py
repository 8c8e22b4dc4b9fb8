"""training_program: the program that a training script consists of, from rows to a tested model.

`write_training_code` copies it, with all that it needs, into one file; so it takes what was learnt and chosen as plain values.
"""

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.typing import stacked
from automl_assets.features.featurizer import densify, encode
from automl_assets.learning import preparation
from automl_assets.learning.fitting import sampled
from automl_assets.parts import Config, Rows
from automl_assets.records import Dataset, Ensemble, Fitted, Member, Problem, Roles, Split
from automl_assets.steps.read_rows import read_rows
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.fit import context_of
from automl_assets.tabular.steps.predict import answer
from automl_assets.training_code.learner import Learner


@dataclass(frozen=True)
class Choice:
    """A member of the ensemble before it is fitted."""

    trial: str
    algorithm: str
    weight: float
    config: Config
    n_models: int  # of the first folds, where folds answer together


@dataclass(frozen=True)
class Recipe:
    """Everything that was learnt and chosen but the models themselves."""

    schema: Schema  # by which rows are read
    roles: Roles
    settings: Any  # of the split: seed, test, validation, group_column, task_part
    ensemble: Ensemble  # without members
    choices: tuple[Choice, ...]
    metrics: dict[str, Callable[..., float]]

    @property
    def problem(self) -> Problem:
        return self.ensemble.problem


LEARNERS: dict[str, Learner] = {}  # by name; filled by `build_model`


def learner_of(member: Member, problem: Problem) -> Any:
    return LEARNERS[member.algorithm]


def prepare_data(tables: dict[int, pl.DataFrame], recipe: Recipe) -> Dataset:
    """Rows of all files, one below the other, read as they were learnt."""
    names, is_strict = recipe.schema.names, recipe.settings.strict
    found = [read_rows(table, recipe.schema, names, is_strict).table.select(names) for table in tables.values()]
    part = np.concatenate([np.full(table.height, mark, np.int8) for mark, table in tables.items()])
    return Dataset(stacked(found), part, recipe.roles, fingerprint="")


def split_dataset(dataset: Dataset, recipe: Recipe) -> Split:
    """Who learns, who validates, who tests."""
    profile: Any = recipe  # of a profile, only the problem is looked at
    return split_rows(dataset, profile, recipe.settings)


def build_model(recipe: Recipe, learners: dict[str, Learner]) -> Ensemble:
    """The ensemble with members that have learnt nothing yet."""
    LEARNERS.update(learners)
    members = tuple(Member(c.trial, c.algorithm, c.weight, Fitted(())) for c in recipe.choices)
    return replace(recipe.ensemble, members=members)


def train_model(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> Ensemble:
    """The ensemble with every member fitted on its folds, or on all training rows."""
    codes = encode(ensemble.featurizer, dataset.table)
    views = {"codes": codes, "dense": densify(ensemble.featurizer, codes)}
    y, weight = _target(dataset, recipe), _weight(dataset)
    members = []
    for member, choice in zip(ensemble.members, recipe.choices, strict=True):
        learner = LEARNERS[member.algorithm]
        rows = Rows(views[learner.view], y, weight)
        if learner.is_refitted:
            models = [_fit_fold(learner, choice.config, rows, split, None, recipe)]
        elif split.leaves_out:
            models = [_fit_again(learner, choice.config, rows, split, recipe)]
        else:
            models = [_fit_fold(learner, choice.config, rows, split, i, recipe) for i in range(choice.n_models)]
        members.append(replace(member, fitted=Fitted(tuple(models))))
    return replace(ensemble, members=tuple(members))


def _fit_fold(learner: Any, config: Config, rows: Rows, split: Split, fold: int | None, recipe: Recipe) -> Any:
    seed = recipe.settings.seed
    train, valid = (np.flatnonzero(split.is_training), None) if fold is None else split.fold(fold)
    context = replace(context_of(recipe.ensemble.featurizer, recipe.problem, seed), n_threads=os.cpu_count() or 1)
    training = rows.take(sampled(train, learner.max_rows, seed))
    return preparation.fit(learner, config, training, None if valid is None else rows.take(valid), context)


def _fit_again(learner: Any, config: Config, rows: Rows, split: Split, recipe: Recipe) -> Any:
    """On all rows, as long as the last fold found best."""
    watched = _fit_fold(learner, config, rows, split, split.n_folds - 1, recipe)
    again = preparation.with_rounds_of(learner, config, watched)
    return _fit_fold(learner, again, rows, split, None, recipe)


def _target(dataset: Dataset, recipe: Recipe) -> np.ndarray:
    return recipe.settings.task_part.encode_target(dataset.table[dataset.roles.target], recipe.ensemble.problem)


def _weight(dataset: Dataset) -> np.ndarray | None:
    weight = dataset.roles.weight
    return dataset.table[weight].cast(pl.Float64).to_numpy() if weight else None


def calculate_metrics(ensemble: Ensemble, dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, float]:
    """Metrics on the test rows; where there are none, on the rows that were learnt, which flatters."""
    shown = split.is_shown
    truth, weight = _target(dataset, recipe)[shown], _weight(dataset)
    prediction = answer(ensemble, dataset.table.filter(shown))
    prediction = prediction if ensemble.problem.classes else prediction[:, 0]
    given = (truth, prediction, None if weight is None else weight[shown], ensemble.problem)
    return {name: float(metric(*given)) for name, metric in recipe.metrics.items()}


def save_model(ensemble: Ensemble, path: str) -> None:
    """To be read by `pickle.load` after this script has been imported; read none that others wrote."""
    with open(path, "wb") as file:
        pickle.dump((LEARNERS, ensemble), file)
