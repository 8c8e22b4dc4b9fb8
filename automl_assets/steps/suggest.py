"""suggest: which configuration a candidate tries next. First its portfolio, then variants of its default, then what
Optuna's TPE sampler (Bergstra et al. 2011) makes of the scores so far, from the algorithm's own space; in all as many as
the rows can tell apart."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from automl_assets import metrics, registry
from automl_assets.learning.preparation import variants
from automl_assets.parts import Algorithm, Config
from automl_assets.records import Features, Trial

NOT_ASKED = ""  # leaves a key out of a configuration
N_RANDOM = 5  # suggestions before the sampler has seen enough
# Rows -> trials of one candidate, straight lines between in logarithms: more would fit the validation rows by chance.
MOST_TRIALS = ((100, 4), (500, 8), (2_500, 15), (10_000, 40))


def most_trials(n_rows: int) -> int:
    """How many configurations of one algorithm a table of so many rows can tell apart.

    >>> most_trials(50), most_trials(500), most_trials(5_000), most_trials(1_000_000)
    (4, 8, 24, 40)
    """
    rows, trials = np.log(np.array(MOST_TRIALS, float)).T
    return round(float(np.exp(np.interp(np.log(max(1, n_rows)), rows, trials))))


class Suggestions:
    """Configurations of one candidate, one after another; learns from the trials that are told."""

    def __init__(self, algorithm: Algorithm, features: Features, seed: int):
        self.algorithm, self.problem, self.seed = algorithm, features.truth.problem, seed
        self.choices = registry.family_of(self.problem.task).steps.choices(algorithm, features)
        self.most = most_trials(int(features.truth.split.is_training.sum()))
        self._study: Any = None
        self._asked: list[tuple[Config, Any]] = []  # what Optuna was asked for, with its own trial

    def __iter__(self) -> Iterator[Config]:
        portfolio = list(self.algorithm.portfolio(self.problem))
        changed = variants(portfolio[0], self.choices)[: self.most // 2]
        listed = [*portfolio[: self.most - len(changed)], *changed]
        yield from listed
        for _ in range(self.most - len(listed) if self.algorithm.space else 0):
            yield self._ask()

    def tell(self, trial: Trial) -> None:
        """Lets the sampler learn from a trial that it suggested; others are no business of its own."""
        asked = next((own for config, own in self._asked if config is trial.config), None)
        if asked is None:
            return
        import optuna  # loaded only where the portfolio is used up: it takes half a second

        if trial.score is None:
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(asked, metrics.oriented(self.problem.metric, trial.score))

    def _ask(self) -> Config:
        if self._study is None:
            self._study = new_study(self.seed)
        asked = self._study.ask()
        config = self.algorithm.space(asked, self.problem)  # type: ignore[misc]
        wishes = {key: asked.suggest_categorical(key, (NOT_ASKED, *values)) for key, values in self.choices.items()}
        config = {**config, **{key: value for key, value in wishes.items() if value != NOT_ASKED}}
        self._asked.append((config, asked))
        return config


def new_study(seed: int) -> Any:
    """An Optuna study that asks for what may score higher."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_RANDOM, constant_liar=True)
    return optuna.create_study(direction="maximize", sampler=sampler)
