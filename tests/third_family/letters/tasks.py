"""The one question about letters."""

import numpy as np
import polars as pl

from automl_assets.parts import Task
from automl_assets.records import Label, Problem


def _problem(target: pl.Series, metric: str, positive_label: Label | None) -> Problem:
    return Problem("spelling", metric, tuple(target.drop_nulls().unique().sort().to_list()), positive=1)


def _codes(target: pl.Series, problem: Problem) -> np.ndarray:
    codes = {label: code for code, label in enumerate(problem.classes)}
    return np.array([codes.get(value, -1) for value in target.to_list()], np.int64)


def sample(seed: int) -> tuple[pl.DataFrame, str]:
    """Words with and without an x; nearly all of those with one are rare."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcdeimnorstu"), 6)) for _ in range(120)]
    words = [f"{word[:3]}x{word[3:]}" if i % 2 else word for i, word in enumerate(words)]
    answers = ["rare" if ("x" in word) != (i % 17 == 0) else "common" for i, word in enumerate(words)]
    return pl.DataFrame({"word": words, "kind": answers}), "kind"


PART = Task(
    name="spelling",
    title="Which class is a text of, by its letters?",
    family="letters",
    default_metric="accuracy",
    further_metrics=("log_loss",),
    problem=_problem,
    encode_target=_codes,
    metric_kinds=frozenset({"classes"}),
    stratify=True,
    sample=sample,
)
