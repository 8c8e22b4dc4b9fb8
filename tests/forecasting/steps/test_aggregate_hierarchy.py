"""Sums of series are series of their own, before the others."""

from dataclasses import replace

import numpy as np
import pytest

from automl_assets.errors import DataError
from automl_assets.forecasting.steps.aggregate_hierarchy import with_sums
from tests.forecasts import SHOPS, family


def test_sums_come_first_and_add_up():
    group, made = family(), with_sums(family())
    assert made.panel.names == ("|", "CA|", "WA|", *SHOPS)
    assert made.problem.n_sums == 3
    assert made.panel.lengths.tolist() == [40, 40, 40, 40, 40, 40, 25]
    total, california, washington, *leaves = made.panel.series()
    np.testing.assert_allclose(california, leaves[0] + leaves[1])
    late = np.concatenate([np.zeros(15), leaves[3]])
    np.testing.assert_allclose(washington, leaves[2] + late)
    np.testing.assert_allclose(total, california + washington)
    np.testing.assert_allclose(made.test.as_matrix()[0], group.test.as_matrix().sum(axis=0))
    assert np.array_equal(made.panel.of(np.arange(3, 7)).y, group.panel.y)


def test_covariates_of_a_sum_are_means_and_what_all_categories_are():
    group = family()
    covariates = group.panel.covariates.copy()
    covariates[-1] = (7.0, np.nan)
    made = with_sums(replace(group, panel=replace(group.panel, covariates=covariates)))
    ends = covariates[group.panel.offsets[1:] - 1]
    total = made.panel.covariates[39]
    assert total[0] == pytest.approx(ends[:, 0].mean())
    known = ends[:3, 1]
    assert total[1] == (known[0] if (known == known[0]).all() else -1.0)


def test_without_reconciliation_nothing_is_added():
    group = family("none")
    assert with_sums(group) is group


def test_series_that_do_not_end_together_are_told():
    group = family()
    cut = group.panel.until(np.array([0, 0, 3, 0]))
    with pytest.raises(DataError, match=r"series that add up end together; WA\|1 end before 2023-06-01"):
        with_sums(replace(group, panel=cut))
