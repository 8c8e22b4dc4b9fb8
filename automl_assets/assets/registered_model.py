"""The asset `registered_model`: a version in MLflow, promoted to champion when it is better than the champion beyond noise."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from automl_assets.assets.spec import described, input_of, step
from automl_assets.data.row_ids import identities, sample
from automl_assets.errors import ArtifactError, DataError
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Comparison, Figures, Registration, TrainingData, Unavailable
from automl_assets.records import Dataset, Ensemble, Split
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.model_registry import Champions, Opened
from automl_assets.resources.tracker import Tracker
from automl_assets.steps import promote
from automl_assets.steps.challenge import (
    Ground,
    challenge,
    check_columns,
    check_question,
    ground,
    learnt_from,
    prediction_of,
)
from automl_assets.steps.evaluate import Answers, figures
from automl_assets.steps.guess import why_a_guess
from automl_assets.steps.resample import units_of
from automl_assets.steps.truth import Known, known_of, truth_of


@dataclass(frozen=True)
class Entry:
    """A candidate for registration."""

    model: AbstractContextManager[Path]  # its folder
    learnt: TrainingData
    figures: Figures


# Asks the champion, and gives what then compares the new version with it. DataError or ArtifactError where the champion
# cannot answer; DataError where the comparison has no result.
Compare = Callable[[Opened], Callable[[Opened], Comparison]]


def registered_model(experiment: Experiment) -> dg.AssetsDefinition:
    names = ("dataset", "split", "ensemble", "onnx_model", "evaluation")

    @dg.asset(
        **described(
            experiment,
            "registered_model",
            Registration,
            {"mlflow"},
            f"Versions of the MLflow model `{experiment.name}`.",
        ),
        ins={name: input_of(experiment, name) for name in names},
    )
    def asset(context: dg.AssetExecutionContext, tracker: Tracker, **records: Any) -> dg.MaterializeResult:
        with step(context):
            if why := _why_not(records, experiment):
                return dg.MaterializeResult(value=Unavailable(why), metadata={"reason": why})
            found = figures(records["evaluation"], experiment.metric, records["ensemble"].score)
            is_test = found.score_rows == "test"
            match = TableMatch(experiment, records["dataset"], records["split"], records["ensemble"], is_test)
            learnt = learnt_from(match.dataset, match.split, match.ensemble.problem)
            entry = Entry(table_model(records["onnx_model"], experiment.strict), learnt, found)
            return registered(context, tracker, entry, match.with_champion)

    return asset


def _why_not(records: dict[str, Any], experiment: Experiment) -> str:
    """Why a model is not registered; empty where it is."""
    ensemble: Ensemble = records["ensemble"]
    if experiment.register_guess:
        return ""
    truth = truth_of(records["dataset"], ensemble.problem, records["split"], experiment)
    why = why_a_guess(ensemble, truth)
    return f"not registered: {why}. `register_guess: true` registers it all the same" if why else ""


def registered(
    context: dg.AssetExecutionContext, tracker: Tracker, entry: Entry, compare: Compare
) -> dg.MaterializeResult:
    """Makes the model a version, and the champion where there is none that is as good."""
    model, run = context.asset_key.path[0], context.run.root_run_id or context.run.run_id
    version = tracker.register(model, run, entry.model, entry.learnt, entry.figures)
    champions = tracker.champions(model)
    registration = _decision(champions, version, entry, compare)
    champions.decide(registration)
    metadata: dict[str, Any] = {
        "version": int(version),
        "is_champion": registration.is_champion,
        "reason": registration.reason,
        "score": entry.figures.score,
        "score_rows": entry.figures.score_rows,
        **_figures(registration.comparison),
        "address": f"models:/{model}/{version}",
        "tracking_uri": tracker.shown_uri(),
    }
    return dg.MaterializeResult(value=registration, metadata=metadata)


def _decision(champions: Champions, version: str, entry: Entry, compare: Compare) -> Registration:
    metric, before = entry.learnt.problem.metric, champions.current()
    decided = Registration(champions.model, version, is_champion=True, reason="")
    if before is None:
        return replace(decided, reason=promote.first(metric, entry.figures))
    try:
        with champions.opened(before) as champion:
            compared_with = compare(champion)
    except (DataError, ArtifactError) as error:
        return replace(decided, reason=promote.unanswered(before, str(error)))
    try:
        with champions.opened(version) as challenger:
            found = replace(compared_with(challenger), champion=before)
            found = replace(found, judgement=1 + champions.n_judged(found.sample))
    except DataError as error:
        return replace(decided, is_champion=False, reason=promote.undecided(before, str(error)))
    is_champion, reason = promote.promote(metric, found)
    return replace(decided, is_champion=is_champion, reason=reason, comparison=found)


def _figures(found: Comparison | None) -> dict[str, Any]:
    if found is None:
        return {}
    figures = {name: value for name, value in asdict(found).items() if isinstance(value, float | int)}
    low, high = found.interval
    return {**figures, "difference_low": low, "difference_high": high, "compared_with": int(found.champion),
            "compared_on": found.rows}  # fmt: skip


@dataclass(frozen=True)
class TableMatch:
    """A new model of table rows against the champion."""

    experiment: Experiment
    dataset: Dataset
    split: Split
    ensemble: Ensemble
    is_test: bool  # on test rows, as far as these give the metric a value; else on out-of-fold ones

    def with_champion(self, champion: Opened) -> Callable[[Opened], Comparison]:
        """Raises DataError or ArtifactError when the champion cannot answer the rows of today."""
        problem = champion.learnt.problem
        check_question(champion.learnt, self.experiment.task, self.experiment.target)
        check_columns(champion.needs, self.dataset)
        where = ground(self._judged(), self.dataset, self.split, champion.learnt, self.experiment)
        theirs = prediction_of(champion.answer(self.dataset.table[where.rows]), problem)

        def compared(challenger: Opened) -> Comparison:
            ours = self._answers(challenger, where)
            found = challenge(ours, theirs, self.ensemble.problem, problem, self.experiment.seed)
            return replace(found, rows=where.words, sample=sample(self._identities()[where.rows]))

        return compared

    def _identities(self) -> np.ndarray:
        return identities(self.dataset.table.select(self.dataset.roles.features))

    def _judged(self) -> np.ndarray:
        """Rows the new model is judged on, bool [n_rows]."""
        if self.is_test:
            return self.split.is_test
        row = self._known(self.dataset.table).row
        has_answer = ~np.isnan(self.ensemble.predictions).any(axis=1)
        return has_answer if row is None else np.bincount(row[has_answer], minlength=self.dataset.n_rows) > 0

    def _answers(self, challenger: Opened, where: Ground) -> Answers:
        """The new version's answers: of test rows as they would be served, else those of models without the row."""
        table, problem = self.dataset.table[where.rows], self.ensemble.problem
        known = self._known(table)
        units = units_of(known.ties, np.arange(len(known.y)))
        if not self.is_test:
            ours = self.ensemble.predictions[self._answered(where)]
            return Answers("out_of_fold", known.y, ours, known.weight, units)
        return Answers("test", known.y, prediction_of(challenger.answer(table), problem), known.weight, units)

    def _known(self, table: pl.DataFrame) -> Known:
        return known_of(table, self.dataset.roles, self.experiment.task_part, self.ensemble.problem)

    def _answered(self, where: Ground) -> np.ndarray:
        """The answers of the rows that are compared on, by number."""
        row = self._known(self.dataset.table).row
        return where.rows if row is None else np.flatnonzero(np.isin(row, where.rows))
