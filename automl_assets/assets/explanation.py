"""The asset `explanation`: which columns the ensemble leans on, and how."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from automl_assets.assets.spec import best_effort, described, input_of, made_check, pictures, table, without
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Explanation
from automl_assets.records import Dataset, Ensemble, Features
from automl_assets.resources.clock import Clock

TIME_SHARE = 0.15  # of what is left of the run, without what it cannot do without


def explanation(experiment: Experiment, explain: Callable[..., Any]) -> dg.AssetsDefinition:
    names = ("dataset", "features", "ensemble")

    @dg.asset(
        **described(
            experiment,
            "explanation",
            Explanation,
            {"matplotlib"},
            "How much the metric suffers when a column is shuffled; SHAP values; answers as a column changes.",
        ),
        ins={name: input_of(experiment, name) for name in names},
        check_specs=[made_check(experiment, "explanation")],
    )
    def asset(
        context: dg.AssetExecutionContext,
        clock: Clock,
        dataset: Dataset,
        features: Features,
        ensemble: Ensemble,
    ) -> dg.MaterializeResult:
        if why := clock.left_out(context, experiment, "explanation"):
            return without(context, why)

        def make() -> Explanation:
            seconds = TIME_SHARE * clock.spare_seconds(context, experiment)
            return explain(ensemble, dataset, features, experiment.seed, seconds)

        return best_effort(context, make, _metadata)

    return asset


def _metadata(made: Explanation) -> dict[str, Any]:
    lost = f"loss of {made.metric}"
    strengths = dict(made.contributions.strengths.iter_rows())
    return {
        "importances": table(
            [
                {"column": one.column, lost: one.mean, "std": one.std, "mean |SHAP|": strengths.get(one.column)}
                for one in made.importances
            ]
        ),
        "engineered_importances": table([{"column": i.column, lost: i.mean, "std": i.std} for i in made.engineered]),
        **({"terms": table(made.terms.to_dicts())} if made.terms is not None else {}),
        "shap_values": table(made.contributions.table.to_dicts()),
        "base": ", ".join(
            f"{o}: {b:.6g}" for o, b in zip(made.contributions.outputs, made.contributions.base, strict=True)
        ),
        "n_background": made.contributions.n_background,
        "n_compared": made.contributions.n_compared,
        **pictures(made.pictures),
    }
