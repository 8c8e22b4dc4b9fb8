"""The asset `fairness`: metrics by the groups of each sensitive column, with the check that they lie close together."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from automl_assets.assets.spec import LAST, best_effort, described, input_of, made_check, pictures, table, without
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Fairness
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.resources.clock import Clock

ALIKE = "groups_alike"
TIME_SHARE = 0.15  # of what is left of the run, without what it cannot do without
ADVICE = (
    "Look whether the data hold fewer, other or worse labelled rows of that group and which columns stand in for it; "
    "drop these, or give weights with `weight_column`."
)
NO_WORRY = "Nothing lies beyond its limit, or no more than chance may explain."


def fairness(experiment: Experiment, assess_fairness: Callable[..., Any]) -> dg.AssetsDefinition:
    key = dg.AssetKey([experiment.name, "fairness"])

    @dg.asset(
        **described(
            experiment,
            "fairness",
            Fairness,
            {"scikitlearn"},
            f"Metrics by groups of {', '.join(experiment.sensitive_columns)}.",
        ),
        ins={name: input_of(experiment, name) for name in ("dataset", "features", "ensemble")},
        deps=[[experiment.name, "evaluation"]],
        op_tags=LAST,
        check_specs=[
            dg.AssetCheckSpec(ALIKE, asset=key, description="Rates and errors of groups are not surely far apart."),
            made_check(experiment, "fairness"),
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, clock: Clock, dataset: Dataset, features: Features, ensemble: Ensemble
    ) -> dg.MaterializeResult:
        if why := clock.left_out(context, experiment, "fairness"):
            return without(context, why)

        def make() -> Fairness:
            seconds = TIME_SHARE * clock.spare_seconds(context, experiment)
            return assess_fairness(dataset, features, ensemble, experiment.sensitive_columns, experiment.seed, seconds)

        return best_effort(context, make, _metadata, lambda made: [_alike(made)])

    return asset


def _metadata(made: Fairness) -> dict[str, Any]:
    tables = {f"metrics_by_{one.column}": table(one.table.to_dicts()) for one in made.comparisons}
    names = list(dict.fromkeys(name for one in made.comparisons for name in one.disparities))
    rows = [{"column": one.column, **{name: one.disparities.get(name) for name in names}} for one in made.comparisons]
    sure = [{"column": one.column, **one.sure} for one in made.comparisons]
    left_out = {"left_out": ", ".join(made.left_out)} if made.left_out else {}
    told = {
        "rows": made.rows,
        "n_rows": made.n_rows,
        "disparities": table(rows),
        "sure_disparities": table(sure),
        **left_out,
    }
    return {**told, **tables, **pictures(made.pictures)}


def _alike(made: Fairness) -> dg.AssetCheckResult:
    worries = [worry for one in made.comparisons for worry in one.worries]
    return dg.AssetCheckResult(
        check_name=ALIKE,
        passed=not worries,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{'; '.join(worries)}. {ADVICE}" if worries else NO_WORRY,
    )
