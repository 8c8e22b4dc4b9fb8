"""write_training_code: a program that trains every group's ensemble again without this system, and forecasts with it.

The program is `training_program` and all it reaches, copied as it was run. What was chosen for each group lies in a file beside it.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

from automl_assets import registry
from automl_assets.errors import ArtifactError
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.forecaster import Forecaster
from automl_assets.forecasting.metrics import FORMULAS
from automl_assets.forecasting.records import ForecastEnsemble, QuantileShape
from automl_assets.forecasting.steps import aggregate_hierarchy, guardrails, safe_forecast, training_program
from automl_assets.forecasting.tasks import FURTHER_METRICS
from automl_assets.model_records import TrainingCode
from automl_assets.parts import Algorithm
from automl_assets.records import Dataset
from automl_assets.training_code.learner import learner
from automl_assets.training_code.program import ENSEMBLES_FILE, namespace, plain, program, reader, readers
from automl_assets.training_code.source_bundle import Bundle, Key

INSTEAD: dict[Callable[..., Any], Callable[..., Any]] = {
    safe_forecast.part_of: training_program.learner_of,
    safe_forecast.fallback: training_program.fallback,
    guardrails.guardrails: training_program.unchecked,
}
WITHOUT_SUMS = {
    aggregate_hierarchy.with_sums: training_program.as_it_is,
    training_program.reconciliation: training_program.none_asked,
}
STEPS = (
    training_program.use,
    training_program.prepare_data,
    training_program.read_choices,
    training_program.answer_groups,
    training_program.write_results,
)
INTRODUCTION = """\
Trains the models of the experiment {name} again, tests them on the same stamps, and forecasts what comes next.

{target} of {n_groups}, {horizon} stamps ahead, by {metric}.
Written by automl_assets, which it does not need; see requirements.txt. {file}, beside this file, says of each group which
forecasters answer together, with their configurations and weights, and how wide intervals are. Everything above "This
experiment" is copied from that system as it was run, with the same seeds and without its deadline. Where the run had to
cut a fit short for want of time, or a fit keeps to a limit of seconds of its own, figures differ; all others come out the
same. Intervals keep the width that the run found, because that follows from everything it tried.

Writes forecast.csv, metrics.csv where stamps are kept for a test, and models/GROUP.pickle. To use a model: run this file,
then import it where you unpickle that, and call `forecast_ahead`.
"""
MAIN = """\
def main() -> None:
    dataset = {prepare_data}(get_training_dataset(), RECIPE)
    choices = {read_choices}("{file}")
    answers = {answer_groups}(dataset, {known}, choices, RECIPE, "models")
    {write_results}(answers, RECIPE, ".")"""


def write_training_code(
    experiment: Experiment, dataset: Dataset, ensembles: Iterable[tuple[str, ForecastEnsemble]]
) -> TrainingCode:
    """Script, notebook, requirements and choices of groups by their keys; no more than one ensemble is in memory.

    Raises ArtifactError without any group, DiscoveryError when a part cannot be copied: a bug of that part.
    """
    choices: dict[str, dict[str, Any]] = {}
    horizon = 0
    for key, ensemble in ensembles:
        choices[key], horizon = _choice(ensemble), ensemble.problem.horizon
    if not choices:
        raise ArtifactError("no group has an ensemble to be trained again; the asset `summary` says why")
    used = {member["algorithm"] for choice in choices.values() for member in choice["members"]}
    bundle = Bundle(_instead(experiment.forecasting.reconciliation != "none"))
    own = _own_code(bundle, experiment, dataset, horizon, used)
    introduction = INTRODUCTION.format(
        name=experiment.name,
        target=plain(experiment.target),
        n_groups="1 group" if len(choices) == 1 else f"{len(choices)} groups",
        horizon=horizon,
        metric=experiment.metric,
        file=ENSEMBLES_FILE,
    )
    return replace(program(bundle, introduction, own), ensembles=_json(choices).encode())


def _instead(has_sums: bool) -> dict[Key, Key]:
    """What the program has in the place of what looks parts up, or is not asked for."""
    wanted = INSTEAD if has_sums else INSTEAD | WITHOUT_SUMS
    return {(one.__module__, one.__name__): (other.__module__, other.__name__) for one, other in wanted.items()}


def _choice(ensemble: ForecastEnsemble) -> dict[str, Any]:
    """What was chosen for a group, as plain values."""
    return {
        "kind": ensemble.kind,
        "score": ensemble.score,
        "members": [
            {"trial": m.trial, "algorithm": m.algorithm, "weight": m.weight, "config": m.config}
            for m in ensemble.members
        ],
        "margins": ensemble.margins.tolist(),
        "scales": dict(zip(ensemble.names, ensemble.scales.tolist(), strict=True)),
        **({"shape": _shape(ensemble.shape)} if ensemble.shape else {}),
    }


def _shape(shape: QuantileShape) -> dict[str, Any]:
    return {"is_alone": shape.is_alone, "corrections": shape.corrections.tolist()}


def _json(choices: dict[str, dict[str, Any]]) -> str:
    """A line for each thing said of a group, and for each member."""
    lines = {
        key: ",\n".join(f"  {json.dumps(name)}: {_line(value)}" for name, value in choice.items())
        for key, choice in choices.items()
    }
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {{\n{text}\n }}" for key, text in lines.items()) + "\n}\n"


def _line(value: Any) -> str:
    is_members = isinstance(value, list) and isinstance(value[0], dict)
    return "[\n" + ",\n".join(f"   {json.dumps(one)}" for one in value) + "\n  ]" if is_members else json.dumps(value)


def _own_code(bundle: Bundle, experiment: Experiment, dataset: Dataset, horizon: int, used: set[str]) -> str:
    """What is of this experiment alone: where its rows are, its settings, and the order of steps."""
    learners = {
        name: _learner(part)
        for name, part in registry.algorithms("forecasting").items()
        if name in used or part.is_fallback
    }
    ahead = experiment.predict_source
    steps = {step.__name__: bundle.reference(step) for step in STEPS}
    main = MAIN.format(file=ENSEMBLES_FILE, known="read_ahead()" if ahead else "None", **steps)
    return "\n\n\n".join(
        [
            *readers(experiment),
            *([reader("ahead", ahead)] if ahead else []),
            f"{steps['use']}({bundle.value(learners)})",
            f"RECIPE = {bundle.value(_recipe(experiment, dataset, horizon))}",
            main,
        ]
    )


def _learner(part: Forecaster) -> training_program.Learner:
    return training_program.Learner(
        part.name,
        _slim(part.fit),
        _slim(part.forecast),
        part.heads,
        part.has_cold_start,
        part.portfolio if part.is_fallback else None,
    )


def _slim(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function without what its algorithm, if it is bound to one, knows beyond fitting and predicting."""
    if not isinstance(function, partial):
        return function
    given = [learner(one) if isinstance(one, Algorithm) else one for one in function.args]
    return partial(function.func, *given, **function.keywords)


def _recipe(experiment: Experiment, dataset: Dataset, horizon: int) -> training_program.Recipe:
    roles, settings = dataset.roles, experiment.forecasting
    used = {roles.target, roles.time, *roles.series, *roles.features, *settings.partition_by}
    return training_program.Recipe(
        schema=dataset.schema.only(set(filter(None, used))),
        roles=roles,
        settings=_settings(experiment, horizon),
        metrics={name: FORMULAS[name] for name in dict.fromkeys((experiment.metric, *FURTHER_METRICS))},
    )


def _settings(experiment: Experiment, horizon: int) -> Any:
    """Of the experiment, what the way from rows to series looks at; the horizon is the one that margins reach to."""
    wishes = experiment.featurization
    forecasting = vars(namespace(experiment.forecasting)) | {"horizon": horizon}
    return SimpleNamespace(
        seed=experiment.seed,
        strict=experiment.strict,
        target=experiment.target,
        time_column=experiment.time_column,
        metric=experiment.metric,
        quantiles=experiment.quantiles,
        test=namespace(experiment.test),
        featurization=SimpleNamespace(
            column_types=dict(wishes.column_types),
            imputers={name: namespace(imputer) for name, imputer in wishes.imputers.items()},
        ),
        forecasting=SimpleNamespace(**forecasting, look_back=experiment.forecasting.look_back),
    )
