"""What one candidate may use of time, cores, memory and trials, and when it has stalled."""

from dataclasses import dataclass, replace

from automl_assets import metrics
from automl_assets.records import Trial

PATIENCE = 10  # trials without a better score after which a candidate ends, as in Azure
SOFT_SHARE = 0.85  # of a fit's time is offered to the algorithm; the rest is for predicting and sending back


@dataclass(frozen=True)
class Budget:
    """What one candidate may use."""

    seconds: float
    first_seconds: float = 0.0  # its first trial may take more than its share: nothing comes of one that is cut short
    grace_seconds: float = 0.0  # more before its very first fit is ended, since nothing has been learnt yet
    n_cores: int = 1
    n_processes: int | None = None  # fits side by side, at most; None: as many as there are cores
    max_trials: int | None = None
    trial_seconds: float | None = None
    exit_score: float | None = None
    memory_bytes: int | None = None
    early_stopping: bool = True
    left_out: str = ""  # why nothing is to be tried
    best_score: float | None = None  # of what was tried before, where that is known: what stays far behind is given up
    overtime: float = 0.0  # seconds more, where else nothing good would come of it

    def after(self, seconds: float) -> "Budget":
        """What is left of it so many seconds later, at least half: whoever is first shall not pay alone for what all need.

        >>> [Budget(10.0, first_seconds=3.0).after(seconds).seconds for seconds in (4.0, 60.0)]
        [6.0, 5.0]
        """
        left, first = (max(one / 2, one - seconds) for one in (self.seconds, self.first_seconds))
        return replace(self, seconds=left, first_seconds=first)


def has_stalled(trials: list[Trial], metric: str) -> bool:
    """Whether the last trials brought no better score."""
    scores = [metrics.oriented(metric, trial.score) for trial in trials if trial.score is not None]
    return len(scores) > PATIENCE and max(scores[-PATIENCE:]) <= max(scores[:-PATIENCE])
