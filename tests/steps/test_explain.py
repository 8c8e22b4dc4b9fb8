"""Columns that carry the signal matter, noise does not, and time is kept."""

import numpy as np
import pytest

from automl_assets.steps.explain import N_REPEATS, explain


@pytest.mark.parametrize("case_name", ["texts", "regression"])
def test_signal_stands_before_noise(learned, case_name: str) -> None:
    case = learned(case_name)
    found = explain(case.ensemble, case.dataset.table, case.features.y, seed=0, seconds=60)
    means = {importance.column: importance.mean for importance in found.importances}
    assert set(means) == set(case.ensemble.featurizer.raw_columns)
    assert list(means.values()) == sorted(means.values(), reverse=True)
    assert next(iter(means)) == "size"
    assert means["size"] > 5 * abs(means["noise"])
    assert found.metric == case.experiment.metric
    assert found.pictures[0].png.startswith(b"\x89PNG")


def test_without_time_every_column_is_shuffled_once(learned) -> None:
    case = learned("texts")
    hurried = explain(case.ensemble, case.dataset.table, case.features.y, seed=0, seconds=-1)
    assert {importance.std for importance in hurried.importances} == {0.0}
    patient = explain(case.ensemble, case.dataset.table, case.features.y, seed=0, seconds=60)
    assert N_REPEATS > 1
    assert any(importance.std > 0 for importance in patient.importances)


def test_the_seed_decides(learned) -> None:
    case = learned("texts")
    first, again = (
        explain(case.ensemble, case.dataset.table, case.features.y, seed=3, seconds=60).importances for _ in range(2)
    )
    assert first == again


def test_the_table_is_left_as_it_was(learned) -> None:
    case = learned("texts")
    before = case.dataset.table.clone()
    explain(case.ensemble, case.dataset.table, case.features.y, seed=0, seconds=0)
    assert case.dataset.table.equals(before)
    assert np.isfinite(case.features.y).all()
