"""The rows that a run was asked for, and whether they were still there when it came to read them.

Between the look of a sensor and the reading lies the queue. A run that finds other rows gives way: it makes nothing, ends
without a failure, and the next look of the sensor takes what there is for a new change.
"""

from collections.abc import Iterator

import dagster as dg

ASKED_TAG = "automl/asked"  # run tag: fingerprint of the rows, and what else tells the request from others
AS_FOUND_TAG = "automl/as_found"  # run tag: the run learns what it finds, since others before it gave way
GAVE_WAY_TAG = "automl/gave_way"  # run tag: why a run has made nothing
MOST_GIVEN_WAY = 3  # runs in a row, after which one learns what it finds: some files never rest for long


def new_request(rows: str, number: float) -> str:
    """The name of a request for the rows of such a fingerprint; the number tells it from others for the same.

    >>> new_request("0a1b", 1700000000.25), rows_of(new_request("0a1b", 1700000000.25))
    ('0a1b:1700000000.250', '0a1b')
    """
    return f"{rows}:{number:.3f}"


def rows_of(request: str) -> str:
    """The fingerprint of the rows of a request."""
    return request.partition(":")[0]


def request_tags(request: str, n_given_way: int) -> dict[str, str]:
    """The tags of a run that is asked for certain rows, where so many before it gave way."""
    return {ASKED_TAG: request} | ({AS_FOUND_TAG: "true"} if n_given_way >= MOST_GIVEN_WAY else {})


def has_given_way(instance: dg.DagsterInstance, job: str, request: str) -> bool:
    """Whether the newest run of a request has made nothing."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, tags={ASKED_TAG: request}), limit=1) if request else ()
    return any(GAVE_WAY_TAG in run.tags for run in runs)


def learnt_meanwhile(instance: dg.DagsterInstance, run: dg.DagsterRun, dataset: dg.AssetKey) -> str:
    """Which other run has learnt the rows of one that is tried again, since that was asked for; empty where none has."""
    asked, event = run.tags.get(ASKED_TAG), instance.get_latest_materialization_event(dataset)
    made = event.asset_materialization if event else None
    if not (run.parent_run_id and asked and event and made):
        return ""
    other, first = instance.get_run_by_id(event.run_id), instance.get_run_record_by_id(run.root_run_id or run.run_id)
    is_other = other is not None and other.is_success and (other.root_run_id or other.run_id) != run.root_run_id
    is_later = first is not None and event.timestamp > first.create_timestamp.timestamp()
    has_same = (made.tags or {}).get("dagster/data_version") == rows_of(asked)
    return event.run_id if is_other and is_later and has_same else ""


def give_way(context: dg.AssetExecutionContext, reason: str, names: list[str]) -> Iterator[dg.AssetCheckResult]:
    """Ends the data set's step without one, so that nothing is made after it; of its checks, `names`, nothing is known."""
    context.log.warning(f"the run gives way: {reason}")
    for name in names:
        yield dg.AssetCheckResult(check_name=name, passed=True, description=f"Not looked at: {reason}.")
