"""The asset `training_code`: a script and a notebook that train the best model again without this system."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from automl_assets.assets.spec import MADE, described, input_of, made_check, step, warning, without
from automl_assets.errors import NotWritableError
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import TrainingCode, Unavailable
from automl_assets.records import Dataset, Ensemble, Leaderboard
from automl_assets.resources.clock import Clock
from automl_assets.training_code.program import OWN_SECTION

MOST_LINES = 150  # of code that the UI shows


def training_code(experiment: Experiment, write: Callable[..., TrainingCode]) -> dg.AssetsDefinition:
    @dg.asset(
        **described(
            experiment,
            "training_code",
            TrainingCode,
            {"python"},
            "A script and a notebook that train the best model again from public packages alone.",
        ),
        ins={name: input_of(experiment, name) for name in ("dataset", "ensemble", "leaderboard")},
        check_specs=[made_check(experiment, "training_code")],
    )
    def asset(
        context: dg.AssetExecutionContext,
        clock: Clock,
        dataset: Dataset,
        ensemble: Ensemble,
        leaderboard: Leaderboard,
    ) -> dg.MaterializeResult:
        if why := clock.left_out(context, experiment, "training_code"):
            return without(context, why)
        with step(context):
            made = _written(lambda: write(experiment, dataset, ensemble, leaderboard))
        if isinstance(made, Unavailable):
            return dg.MaterializeResult(value=made, check_results=[warning(MADE, made.reason)])
        is_made = dg.AssetCheckResult(check_name=MADE, passed=True)
        return dg.MaterializeResult(value=made, metadata=code_told(made), check_results=[is_made])

    return asset


def _written(write: Callable[[], TrainingCode]) -> TrainingCode | Unavailable:
    """The program, or why there can be none."""
    try:
        return write()
    except NotWritableError as error:
        return Unavailable(str(error))


def code_told(made: TrainingCode) -> dict[str, Any]:
    """What the UI shows of a program."""
    script = made.script.decode()
    own = script[script.index(OWN_SECTION) :].splitlines()
    shown = "\n".join(own[:MOST_LINES]).replace("```", "'''")
    return {
        "n_lines": script.count("\n"),
        "this_experiment": dg.MetadataValue.md(f"```python\n{shown}\n```"),
        "requirements": dg.MetadataValue.md("\n".join(f"- `{line}`" for line in made.requirements)),
    }
