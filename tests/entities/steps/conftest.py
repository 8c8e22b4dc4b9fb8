"""A model of entities that several tests look at."""

from dataclasses import dataclass

import polars as pl
import pytest

from automl_assets import registry
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.load import load
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows

CHANGED = range(0, 100, 7)  # texts whose entities somebody forgot to mark


@dataclass(frozen=True)
class Case:
    experiment: Experiment
    dataset: Dataset
    features: Features
    ensemble: Ensemble
    changed: frozenset[int]


@pytest.fixture(scope="package")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A CRF that learnt from texts of which some are marked wrongly."""
    table, target = registry.tasks()["text_ner"].sample(0)
    tags = table[target].to_list()
    changed = [row for row in CHANGED if "person" in tags[row]]
    for row in changed:
        tags[row] = " ".join("O" for _ in tags[row].split())
    file = tmp_path_factory.mktemp("entities") / "rows.jsonl"
    table.with_columns(pl.Series(target, tags)).write_ndjson(file)
    given = {"task": "text_ner", "source": str(file), "target": target, "validation": {"folds": 2}}
    experiment = parse(given | {"test": 0.3}, "entities")
    dataset = load(experiment)
    steps = experiment.family.steps
    profile = steps.describe(dataset, experiment)
    features = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    candidates = [search(features, experiment.candidates["crf"], Budget(60, 2, max_trials=1), 0)]
    return Case(
        experiment, dataset, features, build_ensemble(candidates, features, experiment.ensemble, 0), frozenset(changed)
    )
