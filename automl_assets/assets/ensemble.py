"""The asset `ensemble`: the model that answers, a vote or a stack over trials."""

from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Candidate, Ensemble, Features
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.calibrate import calibrate
from automl_assets.steps.choose_threshold import choose_threshold
from automl_assets.steps.conformalize import conformalize, percent


def ensemble(experiment: Experiment) -> dg.AssetsDefinition:
    candidates = {f"candidate_{name}": input_of(experiment, f"candidate_{name}") for name in experiment.candidates}

    prune = experiment.family.steps.prune

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
            blended = build_ensemble(candidates.values(), features, experiment.ensemble, experiment.seed)
            trimmed = prune(blended, candidates.values(), features, experiment.ensemble.max_milliseconds)
            honest = calibrate(trimmed, features.truth, experiment.seed)
            decisive = choose_threshold(honest, features.truth, experiment)
            made = conformalize(decisive, features.truth, experiment.coverage, experiment.seed)
        return dg.MaterializeResult(value=made, metadata=_metadata(made))

    return asset


def _metadata(made: Ensemble) -> dict[str, Any]:
    from automl_assets.pictures import weights_picture

    names, weights = [m.trial for m in made.members], [m.weight for m in made.members]
    members = sorted(made.members, key=lambda member: -member.weight)
    single = made.scores_by_kind["single"]
    return {
        "kind": made.kind,
        "score": made.score,
        "gain_over_single": made.score - single,
        "kinds": table([{"kind": kind, "score": score} for kind, score in made.scores_by_kind.items()]),
        "members": table([{"trial": m.trial, "weight": m.weight, "models": len(m.fitted.models)} for m in members]),
        "n_members": len(names),
        **_finish(made),
        **pictures((weights_picture(names, weights),)),
    }


def _finish(made: Ensemble) -> dict[str, Any]:
    """What raw scores become before anybody sees them."""
    shown: dict[str, Any] = {"threshold": made.problem.threshold} if made.problem.n_classes == 2 else {}
    if made.calibration:
        shown |= {"calibration_scale": made.calibration.scale, "calibration_bias": made.calibration.bias}
    if made.conformal:
        names = [
            f"{'least_probability' if made.problem.classes else 'bound'}_{percent(level)}"
            for level in made.conformal.levels
        ]
        shown |= dict(zip(names, made.conformal.bounds, strict=True))
        if made.conformal.class_bounds:
            own = zip(map(str, made.problem.classes), *made.conformal.class_bounds, strict=True)
            shown["least_probabilities"] = table([dict(zip(("class", *names), one, strict=True)) for one in own])
    return shown
