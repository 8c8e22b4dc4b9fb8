"""An ensemble is chosen from what there is time for."""

import numpy as np
import pytest

from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.steps.affordable_ensemble import affordable_ensemble
from tests.clocks import Ticking

EVERYTHING = EnsembleSetting()


@pytest.fixture(autouse=True)
def _quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A score takes a thousandth of a second, whatever else the machine does."""
    monkeypatch.setattr("automl_assets.steps.affordable_ensemble.time", Ticking(seconds_a_look=0.001))


def test_with_time_nothing_is_left_out(learned) -> None:
    case = learned("texts")
    assert affordable_ensemble(EVERYTHING, case.candidates, case.features.truth, 600.0, 1.0) == (EVERYTHING, "")


def test_without_time_the_best_trial_answers_alone(learned) -> None:
    case = learned("texts")
    found, told = affordable_ensemble(EVERYTHING, case.candidates, case.features.truth, -1.0, 1.0)
    assert (found.voting, found.stacking) == (False, False)
    assert told == "left out for want of time: the vote and the stack"


def test_a_busy_machine_affords_less(learned) -> None:
    case = learned("three_texts")
    quiet, busy = (
        affordable_ensemble(EVERYTHING, case.candidates, case.features.truth, 60.0, slow) for slow in (1.0, 1e6)
    )
    assert (quiet[0].stacking, busy[0].stacking) == (True, False)
    assert busy[1].endswith("the stack")


def test_one_trial_needs_no_time(learned) -> None:
    case = learned("regression")
    assert affordable_ensemble(EVERYTHING, case.candidates[:1], case.features.truth, -np.inf, 1.0)[1] == ""
