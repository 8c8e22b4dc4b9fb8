"""Configurations of an algorithm where an experiment gives values of its own: one that holds for every trial, or several
that are swept. Not here: which is tried next."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automl_assets.errors import listed, nearest
from automl_assets.parts import Algorithm, Config
from automl_assets.records import Problem

Value = float | int | bool | str
Given = Mapping[str, Value | Sequence[Value]]  # key of a configuration -> its value, or several


def configured(algorithm: Algorithm, given: Given) -> Algorithm:
    """The algorithm with the values that are given: the default with each combination of them, then its other
    configurations, and what is searched after."""
    if not given:
        return algorithm
    several = {key: _several(values) for key, values in given.items()}
    combinations = [dict(zip(several, chosen, strict=True)) for chosen in itertools.product(*several.values())]

    def portfolio(problem: Problem) -> list[Config]:
        first, *others = algorithm.portfolio(problem)
        every = [*({**first, **chosen} for chosen in combinations), *({**one, **combinations[0]} for one in others)]
        return [config for i, config in enumerate(every) if config not in every[:i]]

    def space(trial: Any, problem: Problem) -> Config:
        assert algorithm.space
        found = algorithm.space(_Given(trial, several), problem)
        return found | {key: _choice(trial, key, values) for key, values in several.items()}

    return replace(algorithm, portfolio=portfolio, space=space if algorithm.space else None)


def fault_of(algorithm: Algorithm, given: Given, problem: Problem) -> str:
    """What is wrong with given values, and what is possible; empty where nothing is."""
    possible = _possible(algorithm, problem)
    for key, values in given.items():
        if key not in possible:
            return (
                f"{algorithm.name} has no {key!r}; possible: {listed(possible) or 'nothing'}.{nearest(key, possible)}"
            )
        wrong = [value for value in _several(values) if not _suits(value, possible[key])]
        if wrong or not _several(values):
            return f"{algorithm.name}.{key}: got {wrong[0] if wrong else []!r}; it is {_told(possible[key])}"
    return ""


def _possible(algorithm: Algorithm, problem: Problem) -> dict[str, tuple[Value, ...] | type]:
    """What each key of a configuration may be: one of some values, or any of a type."""
    asked = _Asked()
    for config in algorithm.portfolio(problem):
        asked.found |= {key: float if isinstance(value, float) else type(value) for key, value in config.items()}
    if algorithm.space:
        algorithm.space(asked, problem)
    return asked.found


def _suits(value: Value, possible: tuple[Value, ...] | type) -> bool:
    if isinstance(possible, tuple):
        known = [one for one in possible if isinstance(value, type(one))]  # 1 is no True
        return value in known or (_is_count(possible) and _is_count((value,)) and float(value) > 0)
    if possible is float:
        return _is_number(value) and 0 <= float(value) < math.inf
    return _is_count((value,)) and float(value) >= 0 if possible is int else isinstance(value, possible)


def _is_count(values: tuple[Any, ...]) -> bool:
    """Whether they are whole numbers, of which others than those that are searched do as well."""
    return all(isinstance(value, int) and not isinstance(value, bool) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _told(possible: tuple[Value, ...] | type) -> str:
    if isinstance(possible, tuple):
        return "a positive whole number, without a point" if _is_count(possible) else f"one of {listed(possible)}"
    return {float: "a number from 0 up", int: "a whole number from 0 up, without a point"}.get(
        possible, possible.__name__
    )


def _several(values: Value | Sequence[Value]) -> tuple[Value, ...]:
    return tuple(values) if isinstance(values, list | tuple) else (values,)  # type: ignore[return-value,arg-type]


def _choice(trial: Any, key: str, values: tuple[Value, ...]) -> Any:
    return values[0] if len(values) == 1 else trial.suggest_categorical(key, values)


@dataclass(frozen=True)
class _Given:
    """A trial of Optuna's that is asked only for what is not given."""

    trial: Any
    several: Mapping[str, tuple[Value, ...]]

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> Any:
        if name in self.several:
            return _choice(self.trial, name, self.several[name])
        return self.trial.suggest_float(name, low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> Any:
        if name in self.several:
            return _choice(self.trial, name, self.several[name])
        return self.trial.suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return _choice(self.trial, name, self.several.get(name, tuple(choices)))


@dataclass
class _Asked:
    """In place of a trial: notes what a space asks for."""

    found: dict[str, Any] = field(default_factory=dict)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.found[name] = float
        return low

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.found[name] = int
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.found[name] = tuple(choices)
        return choices[0]
