"""The asset `leaderboard` of forecasting: every trial of each group, best first; those of few groups are in MLflow, too."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from automl_assets.assets.leaderboard import standings_told
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.assets.partitions import candidates_of, group_step, partitioned
from automl_assets.forecasting.steps.map_groups import map_groups
from automl_assets.records import Leaderboard
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from automl_assets.steps.rank import rank


def leaderboard(experiment: Experiment) -> dg.AssetsDefinition:
    upstream = ["features", *(f"candidate_{name}" for name in experiment.candidates)]
    text = f"Every trial of a group by {experiment.metric} in the backtest, best first."

    @dg.asset(**partitioned(experiment, "leaderboard", {"mlflow"}, text, upstream))
    def asset(
        context: dg.AssetExecutionContext, records: dg.ResourceParam[RecordStore], tracker: Tracker
    ) -> Iterator[Any]:
        with group_step(context, experiment, records) as step:
            keys, candidates = step.keys("features"), candidates_of(step, experiment)
            ranked = list(map_groups(keys, lambda key: rank(candidates(key), experiment.metric, experiment.task)))
            boards = {key: board for key, board in ranked if isinstance(board, Leaderboard)}
            tracker.log_groups(experiment.name, context.run.root_run_id or context.run.run_id, boards)
            yield from step.keep(ranked, len(keys), lambda key, board: standings_told(board))

    return asset
