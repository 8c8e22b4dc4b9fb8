"""split_guardrails: what to know about rows once they are divided."""

import numpy as np

from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import VALID, Dataset, Guardrail, Problem, Split

OVERLAP = 0.01  # of the test rows


def train_test_overlap(dataset: Dataset, split: Split) -> Guardrail:
    """Test rows whose features stand among the training rows as well."""
    n_test = int(split.is_test.sum())
    if not n_test:
        return Guardrail("train_test_overlap", "passed", "There are no test rows.")
    marks = dataset.table.select(dataset.roles.features).hash_rows().to_numpy()
    n_known = int(np.isin(marks[split.is_test], marks[split.is_training]).sum())
    figures = {"rows": n_known, "share": n_known / n_test}
    if not n_known:
        return Guardrail("train_test_overlap", "passed", "No test row stands among the training rows.", figures)
    text = (
        f"{n_known} of {n_test} test rows ({n_known / n_test:.1%}) have the features of a training row: the test may "
        "flatter. Remove copies, or name what they share as group_column."
    )
    is_many = n_known > OVERLAP * n_test
    return Guardrail("train_test_overlap", "alerted" if is_many else "done", text, figures)


def validation_split(split: Split, experiment: Experiment) -> Guardrail:
    """How trials are scored, and why so."""
    wish, n_rows = experiment.validation, int(split.is_training.sum())
    is_wished = wish.folds or wish.fraction or wish.source or wish.fold_columns
    reason = "as the experiment says" if is_wished else f"by the rule `{wish.rule}` for {n_rows} rows"
    figures = {
        "strategy": split.strategy,
        "folds": split.n_folds,
        "rows": n_rows,
        "test_rows": int(split.is_test.sum()),
    }
    text = f"Trials are scored by {split.strategy}, {reason}. Set `validation` for another way."
    return Guardrail("validation_split", "passed" if is_wished else "done", text, figures)


def label_shares(y: np.ndarray, split: Split, problem: Problem) -> Guardrail:
    """Whether every label can be learnt and judged: y is [n_rows, n_labels], as `records.Truth` has sets of labels."""
    parts = [split.is_test, *(split.assignment[:, fold] == VALID for fold in range(split.n_folds))]
    counts = np.array([(y[part] > 0).sum(axis=0) for part in parts if part.any()])
    has_one = (y > 0).sum(axis=1)[split.is_training | split.is_test] == 1
    absent = [str(label) for label, count in zip(problem.classes, counts.min(axis=0), strict=True) if not count]
    figures = {
        "labels": problem.n_classes,
        "absent_somewhere": len(absent),
        "share_of_one_label": float(has_one.mean()),
    }
    if has_one.all():
        text = "Every row has exactly one label: a task of classes asks for the same and answers with one."
        return Guardrail("label_shares", "alerted", text, figures)
    if not absent:
        text = "Every label is among the test rows and in every fold, as often as elsewhere."
        return Guardrail("label_shares", "passed", text, figures)
    text = (
        f"{listed(absent, 5)}: too rare to be among the test rows and in every fold. Metrics that are means over labels "
        "leave out a label where no row has it. Bring more rows that have it, or use fewer folds."
    )
    return Guardrail("label_shares", "alerted", text, figures)


def _named(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
