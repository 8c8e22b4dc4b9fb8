"""rank: all trials of all candidates, best first; the failed ones last, with their reason."""

from collections.abc import Iterable

from automl_assets import metrics
from automl_assets.records import Candidate, Leaderboard, LeaderboardRow, Trial


def rank(candidates: Iterable[Candidate], metric: str, task: str) -> Leaderboard:
    """The leaderboard of an experiment. Equal scores are ranked by the time they took."""
    trials = [trial for candidate in candidates for trial in candidate.trials]
    finished = [trial for trial in trials if trial.score is not None]
    finished.sort(key=lambda trial: (-metrics.oriented(metric, trial.known_score), trial.fit_seconds))
    failed = [trial for trial in trials if trial.score is None]
    standings = [_standing(trial, position) for position, trial in enumerate(finished, start=1)]
    standings += [_standing(trial, None) for trial in failed]
    return Leaderboard(metric, metrics.metric(metric, task).greater_is_better, tuple(standings))


def _standing(trial: Trial, position: int | None) -> LeaderboardRow:
    return LeaderboardRow(
        rank=position,
        trial=trial.name,
        algorithm=trial.algorithm,
        score=trial.score,
        scores=trial.scores,
        fit_seconds=trial.fit_seconds,
        config=trial.config,
        reason=trial.reason,
    )
