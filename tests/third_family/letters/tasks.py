"""The two questions about letters."""

import numpy as np
import polars as pl

from automl_assets.data.label_sets import encode_label_sets, label_set_problem, label_sets, label_sets_like
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


def sample_sets(seed: int) -> tuple[pl.DataFrame, str]:
    """Words, and which of three sounds are in them: several, or none; every ninth answer has one too many."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(list("abcdefghijklmnop"), 5)) for _ in range(240)]
    sounds = {"vowel": "aeio", "hiss": "fhjc", "hum": "mn"}
    sets = [[name for name, letters in sounds.items() if set(word) & set(letters)] for word in words]
    sets = [sorted({*labels, "hum"}) if i % 9 == 0 else labels for i, labels in enumerate(sets)]
    return pl.DataFrame({"word": words, "sounds": sets}), "sounds"


SPELLING = Task(
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

SOUNDS = Task(
    name="sounds",
    title="Which sounds are in a text?",
    family="letters",
    default_metric="f1_score_macro",
    further_metrics=("accuracy", "log_loss"),
    problem=label_set_problem("sounds"),
    encode_target=encode_label_sets,
    metric_kinds=frozenset({"label_sets"}),
    stratify=True,
    sample=sample_sets,
    labels_of=label_sets,
    labels_like=label_sets_like,
)

PARTS = (SPELLING, SOUNDS)
