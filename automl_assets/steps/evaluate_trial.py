"""evaluate_trial: how good one trial, or the ensemble, is on the test rows or on labelled rows that somebody brings."""

import numpy as np
import polars as pl

from automl_assets.answer_kinds import answers_of
from automl_assets.data.schema import NO_SCHEMA
from automl_assets.errors import DataError, LearningError, listed, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Evaluation
from automl_assets.records import SOURCE, Ensemble, Features, Member, Roles, Trial
from automl_assets.steps.calibrate import calibrate
from automl_assets.steps.combine import check_columns
from automl_assets.steps.conformalize import conformalize
from automl_assets.steps.evaluate import Answers, evaluate
from automl_assets.steps.holdout_predictions import holdout_predictions
from automl_assets.steps.resample import units_of
from automl_assets.steps.truth import known_of


def evaluate_trial(
    ensemble: Ensemble, features: Features, experiment: Experiment, table: pl.DataFrame | None = None
) -> Evaluation:
    """Every metric with its interval on the rows of `table`, or else on those the experiment keeps for it.

    Raises DataError when `table` lacks a column, or holds no row with a known value of the target.
    """
    answers = holdout_predictions(features, ensemble) if table is None else _answers(ensemble, experiment, table)
    truth = features.truth.y[features.truth.split.is_training]
    return evaluate(answers, ensemble.problem, truth, experiment.seed, ensemble.conformal)


def trial_as_ensemble(trial: Trial, features: Features, experiment: Experiment) -> Ensemble:
    """A trial as an ensemble of its own: its probabilities are made honest by its own out-of-fold rows, and none of them
    moves the threshold."""
    if trial.fitted is None or trial.predictions is None or trial.score is None:
        raise LearningError(f"{trial.name} has no model to test: it failed ({trial.reason})")
    ensemble = Ensemble(
        kind="single",
        members=(Member(trial.name, trial.algorithm, 1.0, trial.fitted),),
        stack=None,
        score=trial.score,
        scores_by_kind={"single": trial.score},
        predictions=trial.predictions,
        featurizer=features.featurizer,
        problem=features.truth.problem,
        schema=features.schema,
        background=features.background,
    )
    honest = calibrate(ensemble, features.truth, experiment.seed)
    return conformalize(honest, features.truth, experiment.coverage, experiment.seed)


def _answers(ensemble: Ensemble, experiment: Experiment, table: pl.DataFrame) -> Answers:
    """Rows whose target is missing, or a class that the model has never met, take no part."""
    check_columns(ensemble.featurizer.raw_columns, table)
    for name in filter(None, (experiment.target, experiment.weight_column)):
        if name not in table.columns:
            hint = nearest(name, table.columns)
            raise DataError(f'the rows to test on have no column "{name}"; they have {listed(table.columns)}.{hint}')
    found = known_of(*_whole(experiment, table), experiment.task_part, ensemble.problem)
    known = np.flatnonzero(answers_of(ensemble.problem).has_truth(found.y))
    if not len(known):
        targets = listed(table[experiment.target].unique().to_list(), 5)
        raise DataError(f'no row to test on has a known value of the target "{experiment.target}"; got {targets}')
    weight = None if found.weight is None else found.weight[known]
    asked = table[known] if found.row is None else table[np.unique(found.row)]
    answers = experiment.family.steps.answer(ensemble, asked)
    return Answers("test", found.y[known], answers, weight, units_of(found.ties, known))


def _whole(experiment: Experiment, table: pl.DataFrame) -> tuple[pl.DataFrame, Roles]:
    """Rows as their family reads them where they have parts, which the target may tell in several ways."""
    if experiment.task_part.parts is None:
        return table, _roles(experiment, table)
    read, _ = experiment.family.load(experiment, {SOURCE: table}, {SOURCE: "the rows to test on"}, NO_SCHEMA)
    return read, _roles(experiment, read)


def _roles(experiment: Experiment, table: pl.DataFrame) -> Roles:
    """The group and the time of rows that have them."""
    group, time = (
        name if name in table.columns else None for name in (experiment.group_column, experiment.time_column)
    )
    return Roles(experiment.target, (), weight=experiment.weight_column, group=group, time=time)
