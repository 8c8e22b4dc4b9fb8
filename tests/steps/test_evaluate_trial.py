"""A trial that is tested alone goes through what the ensemble goes through."""

import numpy as np
import polars as pl
import pytest

from automl_assets import metrics
from automl_assets.errors import LearningError
from automl_assets.parts import link_scores
from automl_assets.records import Features, Fitted, Problem, Trial
from automl_assets.steps.calibrate import calibrate
from automl_assets.steps.evaluate_trial import trial_as_ensemble

PROBLEM = Problem("classification", "log_loss", classes=("no", "yes"), positive=1)
N_ROWS = 2_000


@pytest.fixture
def experiment(ask):
    return ask(pl.DataFrame({"x": range(30), "y": ["no", "yes"] * 15}))


def test_a_trial_is_made_honest_by_its_own_rows(answered, experiment) -> None:
    random = np.random.default_rng(0)
    odds = random.normal(scale=1.5, size=(N_ROWS, 1))
    y = (random.random(N_ROWS) < link_scores(odds, "logit")[:, 1]).astype(int)
    too_sure = link_scores(2.5 * odds, "logit")
    ensemble, truth = answered(PROBLEM, y, too_sure)
    features = Features(truth, None, None)
    trial = Trial("t_1", "t", {}, "finished", score=ensemble.score, predictions=too_sure, fitted=Fitted(("model",)))
    made = trial_as_ensemble(trial, features, experiment)
    assert made.calibration == calibrate(ensemble, truth, experiment.seed).calibration
    assert made.calibration.scale == pytest.approx(0.4, rel=0.15)
    assert made.score == pytest.approx(metrics.score("log_loss", y, made.predictions, None, PROBLEM))
    assert made.score < trial.score
    assert made.conformal is not None
    assert [member.trial for member in made.members] == ["t_1"] and made.problem.threshold == 0.5


def test_a_trial_that_failed_cannot_be_tested(answered, experiment) -> None:
    _, truth = answered(PROBLEM, np.array([0, 1]), np.full((2, 2), 0.5))
    features = Features(truth, None, None)
    with pytest.raises(LearningError, match=r"^t_1 has no model to test: it failed \(out of memory\)$"):
        trial_as_ensemble(Trial("t_1", "t", {}, "failed", "out of memory"), features, experiment)
