"""The best trial stands first, whichever way its metric points; failed ones stand last, with their reason."""

from automl_assets.records import Candidate, Trial
from automl_assets.steps.rank import rank


def _trial(name: str, score: float | None, seconds: float = 1.0) -> Trial:
    status = "finished" if score is not None else "failed"
    return Trial(
        name, name[0], {"depth": 3}, status, "out of time" if score is None else "", score, fit_seconds=seconds
    )


CANDIDATES = (
    Candidate("a", (_trial("a1", 0.5), _trial("a2", None)), 2.0),
    Candidate("b", (_trial("b1", 0.7), _trial("b2", 0.5, seconds=0.5)), 2.0),
    Candidate("c", (), 0.0),
)


def test_greater_is_better() -> None:
    board = rank(CANDIDATES, "accuracy", "classification")
    assert [(s.rank, s.trial) for s in board.standings] == [(1, "b1"), (2, "b2"), (3, "a1"), (None, "a2")]
    assert (board.metric, board.greater_is_better) == ("accuracy", True)
    assert [s.trial for s in board.finished] == ["b1", "b2", "a1"]


def test_less_is_better() -> None:
    board = rank(CANDIDATES, "log_loss", "classification")
    assert [s.trial for s in board.standings] == ["b2", "a1", "b1", "a2"]
    assert not board.greater_is_better


def test_a_failed_trial_keeps_its_reason() -> None:
    last = rank(CANDIDATES, "accuracy", "classification").standings[-1]
    assert (last.reason, last.score, last.config) == ("out of time", None, {"depth": 3})
