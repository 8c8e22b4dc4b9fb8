"""An ensemble is judged on test rows; without any, on rows its members validated on."""

import time
from dataclasses import replace

import numpy as np
import pytest

from automl_assets import registry
from automl_assets.records import Split
from automl_assets.steps.holdout_predictions import (
    CHUNK,
    FIRST_ROWS,
    holdout_predictions,
    holdout_predictions_until,
)
from automl_assets.tabular.steps.predict import answer, answer_inputs
from tests.learned import with_truth


def test_test_rows_are_answered_anew(learned) -> None:
    case = learned("texts")
    found = holdout_predictions(case.features, case.ensemble)
    assert (found.rows, found.n_rows) == ("test", case.split.is_test.sum())
    np.testing.assert_array_equal(found.truth, case.features.truth.y[case.split.is_test])
    np.testing.assert_array_equal(found.prediction, answer(case.ensemble, case.dataset.table)[case.split.is_test])


def test_without_test_rows_out_of_fold_answers_count(learned) -> None:
    case = learned("texts")
    split = Split(np.zeros_like(case.split.is_test), case.split.assignment, "no test rows")
    features = with_truth(case.features, split=split, weight=np.arange(len(case.features.truth.y), dtype=float))
    found = holdout_predictions(features, case.ensemble)
    known = case.split.is_training
    assert (found.rows, found.n_rows) == ("out_of_fold", known.sum())
    np.testing.assert_array_equal(found.prediction, case.ensemble.predictions[known])
    np.testing.assert_array_equal(found.weight, np.flatnonzero(known))


def test_an_end_bounds_how_many_rows_are_answered(learned) -> None:
    """The first rows that are asked for, in the order of the table."""
    case = learned("texts")
    split = replace(case.split, is_test=np.ones(case.dataset.n_rows, bool))
    features = with_truth(case.features, split=split)
    rows = np.tile(np.arange(case.dataset.n_rows)[::-1], 10)
    answers, judged = holdout_predictions_until(features, case.ensemble, rows, end=0.0)
    assert answers.n_rows == len(judged) == CHUNK
    assert (np.diff(judged) >= 0).all()
    whole = holdout_predictions(features, case.ensemble)
    np.testing.assert_array_equal(answers.prediction, whole.prediction[judged])
    assert holdout_predictions_until(features, case.ensemble, rows, end=float("inf"))[0].n_rows == len(rows)


def test_in_no_time_a_slow_model_answers_few_rows(learned, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder of texts takes so long for a thousand rows that the run would end a minute late."""
    case = learned("texts")
    hand = {"seconds": 0.0, "rows": 0}

    def slow(ensemble, inputs) -> np.ndarray:
        hand["seconds"] += 0.075 * len(inputs.codes)
        hand["rows"] += len(inputs.codes)
        return answer_inputs(ensemble, inputs)

    steps = replace(registry.family_of("classification").steps, answer_inputs=slow)
    family = replace(registry.family_of("classification"), row_steps=steps)
    monkeypatch.setattr(registry, "family_of", lambda task: family)
    monkeypatch.setattr(time, "process_time", lambda: hand["seconds"])
    features = with_truth(case.features, split=replace(case.split, is_test=np.ones(case.dataset.n_rows, bool)))
    rows = np.tile(np.arange(case.dataset.n_rows), 10)
    answers, _ = holdout_predictions_until(features, case.ensemble, rows, end=0.0)
    assert answers.n_rows == hand["rows"] == FIRST_ROWS
