"""Every algorithm alone on a small table of each task: score, seconds, and what its ONNX file is like.

Through the real steps, with the default configuration, three folds and one core; the search runs in child processes.
python benchmarks/algorithms.py [name ...]
"""

import sys
from typing import Any

from automl_assets import registry
from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import wait_until_warm
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.model_records import OnnxModel
from automl_assets.records import Candidate, Dataset, Features
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

SETS = {  # scikit-learn's own -> the task, and the metric shown
    "breast_cancer": ("classification", "log_loss"),
    "digits": ("classification", "log_loss"),
    "diabetes": ("regression", "r2_score"),
}
SECONDS = 120.0


def main() -> None:
    names = sys.argv[1:] or sorted(registry.algorithms("tabular"))
    print("| algorithm | data | metric | out-of-fold | fit s | ONNX difference | one row ms | MB |")
    print("|---|---|---|---|---|---|---|---|")
    wait_until_warm()
    tables = {data: _prepared(data) for data in SETS}
    for name in names:
        for data, (task, metric) in SETS.items():
            if task in registry.algorithms("tabular")[name].tasks:
                print("| " + " | ".join([name, data, metric, *_cells(name, *tables[data])]) + " |", flush=True)


def _prepared(data: str) -> tuple[Experiment, Dataset, Features]:
    task, metric = SETS[data]
    asked: dict[str, Any] = {"task": task, "source": {"kind": "sklearn", "name": data}, "target": "target"}
    experiment = parse({**asked, "metric": metric, "validation": {"folds": 3}}, data)
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    return experiment, dataset, featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)


def _cells(name: str, experiment: Experiment, dataset: Dataset, features: Features) -> list[str]:
    """One line of the table; a candidate that failed says why."""
    part = registry.algorithms("tabular")[name]
    candidate = search(features, part, Budget(SECONDS, max_trials=1), experiment.seed)
    if not candidate.trials[0].is_finished:
        return [candidate.trials[0].reason, "", "", "", ""]
    ensemble = build_ensemble([candidate], features, experiment.ensemble, experiment.seed)
    return _figures(candidate, export(ensemble, dataset.table.filter(features.truth.split.is_shown)))


def _figures(candidate: Candidate, onnx: OnnxModel) -> list[str]:
    trial = candidate.trials[0]
    return [
        f"{trial.score:.4f}",
        f"{trial.fit_seconds:.2f}",
        f"{onnx.max_difference:.0e}",
        f"{onnx.latency_milliseconds:.3f}",
        f"{len(onnx.onnx) / 1e6:.2f}",
    ]


if __name__ == "__main__":
    main()
