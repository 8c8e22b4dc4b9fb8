"""The asset `error_analysis`: on which rows the ensemble does worst, in words."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from automl_assets.assets.spec import LAST, best_effort, described, input_of, made_check, pictures, table, without
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Cohort, ErrorAnalysis
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.resources.clock import Clock

TABLES = ("confusions", "by_group", "label_errors")  # of the record, as they are
TIME_SHARE = 0.15  # of what is left of the run, without what it cannot do without


def error_analysis(experiment: Experiment, analyse_errors: Callable[..., Any]) -> dg.AssetsDefinition:

    @dg.asset(
        **described(
            experiment,
            "error_analysis",
            ErrorAnalysis,
            {"scikitlearn"},
            "Groups of rows on which the ensemble does worse than elsewhere.",
        ),
        ins={name: input_of(experiment, name) for name in ("dataset", "features", "ensemble")},
        deps=[[experiment.name, "evaluation"]],
        op_tags=LAST,
        check_specs=[made_check(experiment, "error_analysis")],
    )
    def asset(
        context: dg.AssetExecutionContext, clock: Clock, dataset: Dataset, features: Features, ensemble: Ensemble
    ) -> dg.MaterializeResult:
        if why := clock.left_out(context, experiment, "error_analysis"):
            return without(context, why)

        def make() -> ErrorAnalysis:
            seconds = TIME_SHARE * clock.spare_seconds(context, experiment)
            return analyse_errors(dataset, features, ensemble, experiment.seed, seconds)

        return best_effort(context, make, _metadata)

    return asset


def _metadata(made: ErrorAnalysis) -> dict[str, Any]:
    first, second = (*made.heat_columns, "", "")[:2]
    heat = [
        {
            first: cell["first"],
            **({second: cell["second"]} if second else {}),
            "rows": cell["n_rows"],
            made.loss: cell["loss"],
        }
        for cell in made.heat.iter_rows(named=True)
    ]
    return {
        "rows": made.rows,
        "n_rows": made.n_rows,
        f"mean {made.loss}": made.mean_loss,
        "n_cohorts": len(made.cohorts),
        "worst_cohorts": table([_row(one, made) for one in made.cohorts]),
        "loss_by_groups": table(heat if first else []),
        **{name: table(found.to_dicts()) for name in TABLES if (found := getattr(made, name)) is not None},
        **({"left_out": ", ".join(made.left_out)} if made.left_out else {}),
        **pictures(made.pictures),
    }


def _row(cohort: Cohort, made: ErrorAnalysis) -> dict[str, Any]:
    return {
        "where": " and ".join(cohort.conditions),
        "rows": cohort.n_rows,
        "share": cohort.share,
        made.loss: cohort.loss,
        f"{made.loss} elsewhere": cohort.rest_loss,
        made.metric: cohort.metric,
        f"{made.metric} elsewhere": cohort.rest_metric,
    }
