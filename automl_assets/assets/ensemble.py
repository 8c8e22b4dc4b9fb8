"""The asset `ensemble`: the model that answers, a vote or a stack over trials."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table
from automl_assets.experiment import Experiment
from automl_assets.records import Candidate, Ensemble, Features
from automl_assets.steps.blend import blend
from automl_assets.steps.trim import trim


def ensemble(experiment: Experiment) -> dg.AssetsDefinition:
    candidates = {f"candidate_{name}": input_of(experiment, f"candidate_{name}") for name in experiment.candidates}

    @dg.asset(
        **described(
            experiment,
            "ensemble",
            Ensemble,
            {"numpy"},
            "A weighted vote or a stack over trials, whichever validates best.",
        ),
        ins={"features": input_of(experiment, "features"), **candidates},
        deps=[[experiment.name, "leaderboard"]],
    )
    def asset(context: dg.AssetExecutionContext, features: Features, **candidates: Candidate) -> dg.MaterializeResult:
        with step(context):
            blended = blend(candidates.values(), features, experiment.ensemble, experiment.seed)
            blended = trim(blended, experiment.ensemble.max_milliseconds)
        return dg.MaterializeResult(value=blended, metadata=_metadata(blended))

    return asset


def _metadata(blended: Ensemble) -> dict[str, Any]:
    from automl_assets.pictures import weights_picture

    names, weights = [m.trial for m in blended.members], [m.weight for m in blended.members]
    members = sorted(blended.members, key=lambda member: -member.weight)
    single = blended.scores_by_kind["single"]
    return {
        "kind": blended.kind,
        "score": blended.score,
        "gain_over_single": blended.score - single,
        "kinds": table([{"kind": kind, "score": score} for kind, score in blended.scores_by_kind.items()]),
        "members": table([{"trial": m.trial, "weight": m.weight, "models": len(m.fitted.models)} for m in members]),
        "n_members": len(names),
        **pictures((weights_picture(names, weights),)),
    }
