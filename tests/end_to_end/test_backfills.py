"""Groups of a forecast asked for as a backfill in Dagster's UI: its GraphQL, what its daemon does, our launcher."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster_graphql.schema import create_schema

from automl_assets.api.run import job_of
from automl_assets.resources.asset_keys import asset_key, asset_name
from tests.daemons import EVENTUALLY
from tests.forecasts import SHOPS_MADE, SHOPS_SETTINGS
from tests.processes import until

pytestmark = pytest.mark.slow

SHOPS = "abcd"
LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId }
} }"""


@dataclass(frozen=True)
class Office:
    """A home with a forecast of four shops, and the workspace that UI and daemon have of it."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext

    def backfill(self, assets: tuple[str, ...], groups: str) -> PartitionBackfill:
        """A backfill that has ended."""
        asked = {
            "assetSelection": [{"path": asset_key("shops", name).path} for name in assets],
            "partitionNames": list(groups),
        }
        context = self.workspace.create_request_context()
        answer = create_schema().execute(LAUNCH, variables={"params": asked}, context=context)
        assert answer.data and answer.data["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", answer
        return until(lambda: self._ended(answer.data["launchPartitionBackfill"]["backfillId"]), EVENTUALLY)

    def _ended(self, backfill: str) -> PartitionBackfill | None:
        """It, once it has ended; until then the daemon looks after it and after the queue."""
        errors = [*execute_backfill_iteration(self.workspace, logging.getLogger(__name__))]
        errors += QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(self.workspace)
        assert not any(errors), errors
        found = self.instance.get_backfill(backfill)
        return found if found and found.backfill_end_timestamp else None

    def made(self, run: dg.DagsterRun) -> dict[str, str]:
        """Asset -> groups that a run told of, one letter for each event."""
        found: dict[str, str] = {}
        for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            event = entry.get_dagster_event()
            asset = asset_name(event.asset_key)
            found[asset] = "".join(sorted(found.get(asset, "") + str(event.partition)))
        return found


@pytest.fixture
def office(home: Path) -> Iterator[Office]:
    file = home / "experiments" / "shops.yaml"
    months = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2023, 12, 1), "1mo", eager=True)
    sold = [float(100 + number % 12) for number in range(len(months))]
    rows = pl.concat([pl.DataFrame({"shop": shop, "month": months, "sold": sold}) for shop in SHOPS])
    rows.write_parquet(home / "sales.parquet")
    file.parent.mkdir()
    file.write_text(yaml.safe_dump({**SHOPS_SETTINGS, "source": str(home / "sales.parquet")}))
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("shops__groups", list(SHOPS))
        job_of(str(file)).execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["shops", "dataset"])])
        with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(home / "workspace.yaml")])) as workspace:
            yield Office(instance, workspace)


def test_a_backfill_makes_its_groups_alone_and_those_that_adjoin_in_one_run(office: Office) -> None:
    done = office.backfill(SHOPS_MADE, "acd")
    assert done.status.value == "COMPLETED_SUCCESS"
    runs = office.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": done.backfill_id}))
    found = sorted((office.made(run) for run in runs), key=lambda made: made["features"])
    assert found == [dict.fromkeys(SHOPS_MADE, "a"), dict.fromkeys(SHOPS_MADE, "cd")]
