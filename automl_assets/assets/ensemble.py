"""The asset `ensemble`: the model that answers, a vote or a stack over trials."""

from collections.abc import Collection
from typing import Any

import dagster as dg

from automl_assets.assets.spec import described, input_of, pictures, step, table, warning
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Candidate, Ensemble, Features
from automl_assets.resources.clock import Clock
from automl_assets.steps.affordable_ensemble import affordable_ensemble
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.calibrate import calibrate
from automl_assets.steps.choose_threshold import choose_threshold
from automl_assets.steps.conformalize import conformalize, percent
from automl_assets.steps.guess import BETTER, why_a_guess

ALL_TRIED = "all_tried"  # name of the check
ENSEMBLE_SHARE = 0.5  # of what is left of the run, without what it cannot do without
GUESS_ADVICE = "Give it more time, or bring columns that tell something of the target."
TIME_ADVICE = "More time is given by limits.timeout_minutes."


def ensemble(experiment: Experiment) -> dg.AssetsDefinition:
    candidates = {f"candidate_{name}": input_of(experiment, f"candidate_{name}") for name in experiment.candidates}

    key = dg.AssetKey([experiment.name, "ensemble"])
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
        check_specs=[
            dg.AssetCheckSpec(BETTER, asset=key, description="Better than a guess on the rows that validated it."),
            dg.AssetCheckSpec(ALL_TRIED, asset=key, description="There was time for every candidate and ensemble."),
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, clock: Clock, features: Features, **candidates: Candidate
    ) -> dg.MaterializeResult:
        with step(context) as journal:
            seconds = ENSEMBLE_SHARE * clock.spare_seconds(context, experiment)
            settings, lost = affordable_ensemble(
                experiment.ensemble, [*candidates.values()], features.truth, seconds, clock.slowness(context)
            )
            blended = build_ensemble(candidates.values(), features, settings, experiment.seed)
            trimmed = prune(blended, candidates.values(), features, experiment.ensemble.max_milliseconds)
            honest = calibrate(trimmed, features.truth, experiment.seed)
            decisive = choose_threshold(honest, features.truth, experiment)
            made = conformalize(decisive, features.truth, experiment.coverage, experiment.seed)
            lacking = {part.lacks(experiment) for part in experiment.candidates.values()}
            tried = all_tried(list(journal.events()), lost, lacking)
            checks = [_better(why_a_guess(made, features.truth)), tried]
        return dg.MaterializeResult(value=made, metadata=_metadata(made), check_results=checks)

    return asset


def _better(why: str) -> dg.AssetCheckResult:
    return warning(BETTER, f"{why}. {GUESS_ADVICE}") if why else dg.AssetCheckResult(check_name=BETTER, passed=True)


def all_tried(events: list[dict[str, Any]], lost: str, lacking: Collection[str]) -> dg.AssetCheckResult:
    """What the clock kept from being tried, and what was not there; the reasons in `lacking` are none of time."""
    names: dict[str, list[str]] = {}
    for event in events:
        if event["event"] == "left_out":
            names.setdefault(event["reason"], []).append(event["what"])
    told = [f"{', '.join(of_reason)}: {reason}" for reason, of_reason in names.items()]
    if not told and not lost:
        return dg.AssetCheckResult(check_name=ALL_TRIED, passed=True)
    advice = f" {TIME_ADVICE}" if lost or not names.keys() <= set(lacking) else ""
    return warning(ALL_TRIED, f"{'; '.join(filter(None, (lost, *told))).rstrip('.')}.{advice}")


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
    shown: dict[str, Any] = {"threshold": made.problem.threshold} if made.problem.has_threshold else {}
    if made.problem.thresholds:
        decided = made.problem.label_thresholds.items()
        shown["thresholds"] = table([{"label": label, "threshold": threshold} for label, threshold in decided])
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
