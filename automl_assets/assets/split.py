"""The asset `split`: who learns, who validates, who tests; guardrails on how they are kept apart, as asset checks."""

from typing import Any

import dagster as dg
import numpy as np

from automl_assets.answer_kinds import answers_of
from automl_assets.assets.spec import check, described, input_of, step, table
from automl_assets.errors import listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.metrics.metric import LABEL_SETS
from automl_assets.records import TEST_FILE, VALID, Dataset, Profile, Split
from automl_assets.steps.split_guardrails import label_shares, train_test_overlap, validation_split
from automl_assets.steps.split_rows import split_rows

GUARDRAILS = {
    "validation_split": "How trials are scored, and why so.",
    "train_test_overlap": "Whether test rows stand among the training rows as well.",
}
OF_LABEL_SETS = {"label_shares": "Whether every label is in every fold and among the test rows."}


def split(experiment: Experiment) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "split"])
    has_sets = LABEL_SETS in experiment.task_part.metric_kinds
    guardrails = GUARDRAILS | (OF_LABEL_SETS if has_sets else {})

    @dg.asset(
        **described(experiment, "split", Split, {"scikitlearn"}, "Which rows learn, which validate, which test."),
        ins={name: input_of(experiment, name) for name in ("dataset", "profile")},
        check_specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in guardrails.items()],
    )
    def asset(context: dg.AssetExecutionContext, dataset: Dataset, profile: Profile) -> dg.MaterializeResult:
        with step(context):
            divided = split_rows(dataset, profile, experiment)
            found = [validation_split(divided, experiment), train_test_overlap(dataset, divided)]
            if has_sets:
                y = experiment.task_part.encode_target(dataset.table[dataset.roles.target], profile.problem)
                found.append(label_shares(y, divided, profile.problem))
        return dg.MaterializeResult(
            value=divided,
            metadata=_metadata(divided, dataset, profile, experiment),
            check_results=[check(guardrail) for guardrail in found],
        )

    return asset


def _metadata(divided: Split, dataset: Dataset, profile: Profile, experiment: Experiment) -> dict[str, Any]:
    rows = {"training": divided.is_training, "test": divided.is_test}
    rows |= {f"validation {i + 1}": divided.assignment[:, i] == VALID for i in range(divided.n_folds)}
    y = experiment.task_part.encode_rows(dataset.table[dataset.roles.target], profile.problem)
    has = answers_of(profile.problem).indicator(y, profile.problem.n_classes)
    return {
        "strategy": divided.strategy,
        "n_training": int(divided.is_training.sum()),
        "n_test": int(divided.is_test.sum()),
        "n_folds": divided.n_folds,
        **_unseen(divided, dataset, experiment),
        "rows": table([_shares(name, has[chosen], profile) for name, chosen in rows.items()]),
    }


def _unseen(divided: Split, dataset: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Test rows of a class that nobody learns: of those in a test file that the source lacks, no metric can speak."""
    if experiment.task_part.is_numeric:
        return {}
    named = experiment.task_part.labels_of(dataset.table[dataset.roles.target])
    known = {label for row in np.flatnonzero(divided.is_training) for label in named[row] or ()}
    tested = np.flatnonzero(divided.is_test | (dataset.part == TEST_FILE))
    unseen = [label for row in tested for label in named[row] or () if label not in known]
    return {"n_test_of_unseen_classes": len(unseen), "unseen_classes": listed(sorted(set(unseen)))} if unseen else {}


def _shares(name: str, has: np.ndarray, profile: Profile) -> dict[str, Any]:
    shares = {
        f"share of {label}": float(has[:, code].mean()) if len(has) else None
        for code, label in enumerate(profile.problem.classes[:10])
    }
    return {"rows": name, "count": len(has), **shares}
