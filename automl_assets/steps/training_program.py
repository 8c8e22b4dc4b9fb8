"""training_program: what the training scripts of all families share, from rows to a tested model.

`write_training_code` copies it, with all that it needs, into one file; so it takes what was learnt and chosen as plain values.
Not here: how raw columns become inputs, which each family's own program says.
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
from automl_assets.learning import preparation
from automl_assets.learning.fitting import sampled
from automl_assets.parts import Config, FitContext, Rows
from automl_assets.records import Dataset, Ensemble, Fitted, Member, Problem, Profile, Roles, Split
from automl_assets.steps.read_rows import read_rows
from automl_assets.steps.split_rows import split_rows
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
    return split_rows(dataset, Profile(dataset.n_rows, (), (), recipe.problem), recipe.settings)


def build_model(recipe: Recipe, learners: dict[str, Learner]) -> Ensemble:
    """The ensemble with members that have learnt nothing yet."""
    LEARNERS.update(learners)
    members = tuple(Member(c.trial, c.algorithm, c.weight, Fitted(())) for c in recipe.choices)
    return replace(recipe.ensemble, members=members)


def fit_members(
    ensemble: Ensemble,
    view: Callable[[Any], Any],
    context: FitContext,
    dataset: Dataset,
    split: Split,
    recipe: Recipe,
) -> Ensemble:
    """The ensemble with every member fitted on its folds, or on all training rows; `view` gives all rows as a learner takes
    them."""
    y, weight = target_of(dataset, recipe), weight_of(dataset)
    members = []
    for member, choice in zip(ensemble.members, recipe.choices, strict=True):
        learner = LEARNERS[member.algorithm]
        fit = Fit(learner, Rows(view(learner.view), y, weight), split, context)
        members.append(replace(member, fitted=Fitted(fit.answering(choice))))
    return replace(ensemble, members=tuple(members))


@dataclass(frozen=True)
class Fit:
    """A learner, and the rows that it learns from."""

    learner: Any
    rows: Rows
    split: Split
    context: FitContext

    def answering(self, choice: Choice) -> tuple[Any, ...]:
        """The models that answer for new rows."""
        if self.learner.is_refitted:
            return (self.on(choice.config, None),)
        if self.split.leaves_out:  # on all rows, as long as the last fold found best
            watched = self.on(choice.config, self.split.n_folds - 1)
            return (self.on(preparation.with_rounds_of(self.learner, choice.config, watched), None),)
        return tuple(self.on(choice.config, fold) for fold in range(choice.n_models))

    def on(self, config: Config, fold: int | None) -> Any:
        """The model of a fold, or of all training rows."""
        train, valid = (np.flatnonzero(self.split.is_training), None) if fold is None else self.split.fold(fold)
        context = replace(self.context, n_threads=os.cpu_count() or 1)
        training = self.rows.take(sampled(train, self.learner.max_rows, context.seed))
        judged = None if valid is None else self.rows.take(valid)
        return preparation.fit(self.learner, config, training, judged, context)


def target_of(dataset: Dataset, recipe: Recipe) -> np.ndarray:
    """Codes or values of all rows."""
    return recipe.settings.task_part.encode_target(dataset.table[dataset.roles.target], recipe.problem)


def weight_of(dataset: Dataset) -> np.ndarray | None:
    """What each row counts; None where all count alike."""
    weight = dataset.roles.weight
    return dataset.table[weight].cast(pl.Float64).to_numpy() if weight else None


def metrics_of(prediction: np.ndarray, dataset: Dataset, split: Split, recipe: Recipe) -> dict[str, float]:
    """Metrics of the answers to the rows that are shown."""
    shown, weight = split.is_shown, weight_of(dataset)
    prediction = prediction if recipe.problem.classes else prediction[:, 0]
    given = (target_of(dataset, recipe)[shown], prediction, None if weight is None else weight[shown], recipe.problem)
    return {name: float(metric(*given)) for name, metric in recipe.metrics.items()}


def save_model(ensemble: Ensemble, path: str) -> None:
    """To be read by `pickle.load` after this script has been imported; read none that others wrote."""
    with open(path, "wb") as file:
        pickle.dump((LEARNERS, ensemble), file)
