"""The time of a run is shared out so that nothing is lost and the end is in time."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from automl_assets.component import definitions_of
from automl_assets.definitions import shared
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.resources.asset_keys import asset_key
from automl_assets.resources.clock import FALLBACK_SECONDS, LEAST_SECONDS, STARTED_TAG, Clock, Moment
from automl_assets.resources.run_log import TAG, Journal, boot

NAMES = ["baseline", "logistic_regression", "lightgbm", "knn"]
SECONDS = 600
ENDING = 0.12 * SECONDS  # what the assets after the search are left


WINE = {"kind": "sklearn", "name": "wine"}
ONE_MINUTE = {"timeout_minutes": 1, "max_cores": 2}


def question(**limits: Any) -> Experiment:
    given = {"task": "classification", "source": WINE, "target": "target", "algorithms": NAMES[1:]}
    return parse({**given, "limits": {"timeout_minutes": SECONDS / 60, **limits}}, "asked")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@cache
def job() -> dg.JobDefinition:
    return dg.Definitions.merge(definitions_of(question()), shared()).resolve_job_def("asked")


def context(instance: dg.DagsterInstance, seconds_gone: float = 0.0, only: list[str] | None = None) -> Any:
    """A run, as an asset sees it, that began `seconds_gone` ago and makes the candidates `only`, or all."""
    selection = frozenset(asset_key("asked", f"candidate_{name}") for name in only) if only else None
    run = instance.create_run_for_job(job(), asset_selection=selection)
    run = run.with_tags({TAG: "j", STARTED_TAG: repr(time.time() - seconds_gone)})
    return SimpleNamespace(run=run, instance=instance)


def seconds_of(instance: dg.DagsterInstance, name: str, gone: float = 0.0, only: list[str] | None = None) -> float:
    experiment = question()
    return Clock().budget(context(instance, gone, only), experiment, experiment.candidates[name]).seconds


def test_the_guess_comes_first_and_then_the_essential_ones(home: Path) -> None:
    assert list(question().candidates) == NAMES


def test_shares_add_up_to_the_time_for_the_search(instance: dg.DagsterInstance) -> None:
    gone = 0.0
    for name in NAMES:
        gone += seconds_of(instance, name, gone)
        Journal("j").write("candidate_started", candidate=name)
    assert gone == pytest.approx(SECONDS - ENDING, abs=1)


def test_time_that_is_not_used_is_handed_on(instance: dg.DagsterInstance) -> None:
    alone = seconds_of(instance, "knn")
    for name in NAMES[:-1]:
        Journal("j").write("candidate_started", candidate=name)
    assert seconds_of(instance, "knn") == pytest.approx(SECONDS - ENDING, abs=1)
    assert alone < 0.75 * (SECONDS - ENDING)


def test_what_comes_later_knows_the_best_score(instance: dg.DagsterInstance) -> None:
    experiment = question()
    part = experiment.candidates["lightgbm"]
    assert Clock().budget(context(instance), experiment, part).best_score is None
    for score in (0.7, 0.9, None, 0.8):
        Journal("j").write("trial", trial="knn_1", score=score)
    assert Clock().budget(context(instance), experiment, part).best_score == 0.9


def test_a_run_of_some_candidates_counts_only_those(instance: dg.DagsterInstance) -> None:
    assert seconds_of(instance, "knn", only=["knn"]) == pytest.approx(SECONDS - ENDING, abs=1)
    both = seconds_of(instance, "knn", only=["knn", "logistic_regression"])
    assert both == pytest.approx(0.2 / (0.2 + 0.3) * (SECONDS - ENDING), abs=1)


def test_candidates_side_by_side_take_their_shares_at_once(instance: dg.DagsterInstance) -> None:
    experiment, run = question(max_cores=2), context(instance)
    one = Clock().budget(run, experiment, experiment.candidates["knn"])
    two = Clock(concurrent_candidates=2, candidates_per_machine=2)
    apart = Clock(concurrent_candidates=2).budget(run, experiment, experiment.candidates["knn"])
    together = two.budget(run, experiment, experiment.candidates["knn"])
    assert together.seconds == pytest.approx(2 * one.seconds, rel=0.02) == apart.seconds
    assert together.n_cores == max(1, one.n_cores // 2)
    assert apart.n_cores == one.n_cores, "each has a machine of its own"


def test_when_the_time_is_up_the_guess_may_begin_and_essential_ones_until_one_has_learnt(
    instance: dg.DagsterInstance,
) -> None:
    """So that there is an answer and no guess, and eighteen candidates do not overrun by a second each."""
    run, experiment = context(instance, 10 * SECONDS), question()

    def most_trials() -> dict[str, int | None]:
        return {n: Clock().budget(run, experiment, experiment.candidates[n]).max_trials for n in NAMES}

    assert most_trials() == {"baseline": None, "lightgbm": None, "logistic_regression": None, "knn": 0}
    Journal("j").write("trial", trial="baseline_1", score=0.4)
    assert most_trials()["lightgbm"] is None, "a guess has learnt nothing"
    Journal("j").write("trial", trial="lightgbm_1", score=0.8)
    assert most_trials() == {"baseline": None, "lightgbm": 0, "logistic_regression": 0, "knn": 0}
    assert Clock().budget(run, experiment, experiment.candidates["baseline"]).seconds == FALLBACK_SECONDS


def test_a_tiny_share_is_rounded_up_while_there_is_time_for_everyone(instance: dg.DagsterInstance) -> None:
    experiment = question()
    small = replace(experiment.candidates["knn"], time_share=1e-4)
    ample, short = (
        Clock().budget(context(instance, gone), experiment, small) for gone in (0, SECONDS - ENDING - 3 * LEAST_SECONDS)
    )
    assert (ample.seconds, ample.max_trials, short.max_trials) == (LEAST_SECONDS, None, 0)


def test_a_run_may_have_another_limit(instance: dg.DagsterInstance) -> None:
    clock, experiment = Clock(timeout_minutes=1), question()
    assert clock.seconds_left(context(instance, 15), experiment) == pytest.approx(45, abs=1)


def budget(instance: dg.DagsterInstance, name: str, **limits: Any) -> Any:
    experiment = question(**limits)
    return Clock().budget(context(instance), experiment, experiment.candidates[name])


def test_trials_are_shared_out_until_none_is_left(instance: dg.DagsterInstance) -> None:
    total = 0
    for name in NAMES:
        n_trials = budget(instance, name, max_trials=8).max_trials
        Journal("j").write("candidate_started", candidate=name)
        for i in range(n_trials):
            Journal("j").write("trial", trial=f"{name}_{i}", score=0.5)
        total += n_trials
    assert total == 8
    assert budget(instance, "lightgbm", max_trials=8).max_trials == 0
    assert budget(instance, "lightgbm").max_trials is None


@pytest.mark.parametrize(("score", "most"), [(0.95, 0), (0.9, 0), (0.89, None), (None, None)])
def test_nobody_begins_once_the_exit_score_is_reached(
    instance: dg.DagsterInstance, score: float | None, most: int | None
) -> None:
    Journal("j").write("trial", trial="knn_1", score=score)
    assert budget(instance, "lightgbm", exit_score=0.9).max_trials == most


def test_limits_reach_the_search(instance: dg.DagsterInstance) -> None:
    given = budget(instance, "knn", trial_timeout_minutes=0.5, early_stopping=False, max_cores=1)
    assert (given.trial_seconds, given.early_stopping, given.n_cores) == (30, False, 1)
    assert 2**20 < given.memory_bytes < 2**50


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_is_set_in_the_middle_moves_no_deadline(
    instance: dg.DagsterInstance, jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wall = context(instance, seconds_gone=60), time.time
    Journal("j").write("asset_started", asset="dataset", run=run.run.run_id, boot=boot())
    monkeypatch.setattr(time, "time", lambda: wall() + jump)
    assert Clock().seconds_left(run, question()) == pytest.approx(SECONDS - 60, abs=2)
    assert Clock().budget(run, question(), question().candidates["knn"]).seconds > LEAST_SECONDS


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_is_set_before_the_first_asset_moves_no_deadline(
    instance: dg.DagsterInstance, jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person began to wait; the clock was set; then the first asset was written down by the new one."""
    began, wall = Moment.now(), time.time
    run = context(instance).run.with_tags({TAG: "j", STARTED_TAG: replace(began, ticks=began.ticks - 60).tag})
    monkeypatch.setattr(time, "time", lambda: wall() + jump)
    Journal("j").write("asset_started", asset="dataset", run=run.run_id, boot=boot())
    asked = SimpleNamespace(run=run, instance=instance)
    assert Clock().seconds_left(asked, question()) == pytest.approx(SECONDS - 60, abs=5)


def test_a_run_that_goes_on_after_a_restart_has_no_more_than_its_limit(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks of another boot mean nothing here; and the clock of the wall went back meanwhile."""
    before = Moment(time.time() + 3_600, time.monotonic() + 50_000, "another boot")
    run = context(instance).run.with_tags({TAG: "j", STARTED_TAG: before.tag})
    Journal("j").write("asset_started", asset="dataset", run=run.run_id, boot=boot())
    asked = SimpleNamespace(run=run, instance=instance)
    assert Clock().seconds_left(asked, question()) == pytest.approx(SECONDS, abs=5)


def _events(instance: dg.DagsterInstance, cpu_seconds: float) -> Any:
    """A run whose first assets took a second each, and so much of a processor."""
    run, ticks = context(instance), time.monotonic()
    for number, asset in enumerate(("dataset", "profile", "split", "features")):
        at = ticks - 40 + number
        Journal("j").write("asset_started", asset=asset, run=run.run.run_id, boot=boot(), ticks=at)
        Journal("j").write("asset_finished", asset=asset, ticks=at + 1, seconds=1.0, cpu_seconds=cpu_seconds)
    return run


def test_a_busy_machine_keeps_more_time_for_the_end(instance: dg.DagsterInstance) -> None:
    short = question(timeout_minutes=2)
    quiet = Clock().budget(_events(instance, 1.0), short, short.candidates["lightgbm"]).first_seconds
    Journal("j").path.unlink()
    busy = Clock().budget(_events(instance, 0.2), short, short.candidates["lightgbm"]).first_seconds
    assert quiet - busy > 15


def test_what_can_be_done_without_is_left_out_and_told(instance: dg.DagsterInstance) -> None:
    run = _events(instance, 0.2)
    assert Clock().left_out(run, question(), "explanation") == ""
    why = Clock(timeout_minutes=0.1).left_out(run, question(), "explanation")
    assert re.fullmatch(
        r"left out: it takes about \d+ s here, and \d+ s of the limit are left for all that is to come", why
    )


def test_the_essential_ones_may_take_what_their_first_trial_needs(instance: dg.DagsterInstance) -> None:
    """Of the time for first trials, however small their shares of all trials are."""
    run, experiment = context(instance), question()
    small = replace(experiment.candidates["lightgbm"], time_share=0.1)
    lead, other = (Clock().budget(run, experiment, part) for part in (small, experiment.candidates["knn"]))
    assert lead.first_seconds == pytest.approx(0.8 * 0.1 / (0.1 + 0.3) * (SECONDS - ENDING), abs=2)
    assert lead.seconds == pytest.approx(0.1 / (0.1 + 0.3 + 0.2) * (SECONDS - ENDING), abs=2)
    assert other.first_seconds == 0.0


def test_after_them_nothing_is_started_that_cannot_end(instance: dg.DagsterInstance) -> None:
    everyone, run = _everyone(), context(instance)
    Journal("j").write("trial", trial="lightgbm_1", score=0.8, seconds=60.0, whole_seconds=60.0)
    why = Clock().budget(run, everyone, everyone.candidates["catboost"]).left_out
    assert re.fullmatch(r"not started: \d+\.\d s left for it, and one trial takes about \d+\.\d s here", why)
    assert Clock().budget(run, everyone, everyone.candidates["decision_tree"]).left_out == ""


def test_where_trials_see_but_a_part_the_others_are_started_if_they_would_come_through(
    instance: dg.DagsterInstance,
) -> None:
    everyone, run = _everyone(), context(instance)
    Journal("j").write("trial", trial="lightgbm_1", score=0.8, seconds=3.0, whole_seconds=600.0)
    given = Clock().budget(run, everyone, everyone.candidates["decision_tree"])
    assert given.max_trials == 0 and given.left_out.startswith("not started: ")
    assert Clock().budget(run, everyone, everyone.candidates["extra_trees"]).max_trials is None


def _everyone() -> Experiment:
    limits = {"timeout_minutes": 2, "max_cores": 1}
    return parse({"task": "classification", "source": WINE, "target": "target", "limits": limits}, "asked")


def test_what_another_run_or_machine_saw_of_the_time_does_not_count(instance: dg.DagsterInstance) -> None:
    run = context(instance, seconds_gone=60)
    long_ago = {"event": "asset_started", "asset": "dataset", "ticks": time.monotonic() - 500, "time": 0}
    Journal("j").write(**long_ago, run="another", boot=boot())
    Journal("j").write(**long_ago, run=run.run.run_id, boot="another")
    assert Clock().seconds_left(run, question()) == pytest.approx(SECONDS - 60, abs=2)


def test_a_copied_beginning_is_not_believed(instance: dg.DagsterInstance) -> None:
    """Dagster copies tags when it tries a run again by itself; a person who resumes one gives a new beginning."""
    hour_ago, now = ({TAG: "j", STARTED_TAG: repr(time.time() - seconds)} for seconds in (3600, 5))
    first = instance.create_run_for_job(job(), tags=hour_ago)
    family = {"parent_run_id": first.run_id, "root_run_id": first.run_id}
    left = [
        Clock().seconds_left(
            SimpleNamespace(run=instance.create_run_for_job(job(), tags=tags, **family), instance=instance), question()
        )
        for tags in (hour_ago, now)
    ]
    assert left == pytest.approx([SECONDS, SECONDS - 5], abs=30)


def test_in_a_large_table_time_goes_to_those_that_learn_from_all_of_it(instance: dg.DagsterInstance) -> None:
    run, experiment = context(instance, only=["knn", "logistic_regression"]), question()
    seconds = {
        n_rows: Clock().budget(run, experiment, experiment.candidates["knn"], n_rows=n_rows).seconds
        for n_rows in (1_000, 20_000, 50_000)
    }
    assert seconds[1_000] == pytest.approx(seconds[20_000], abs=0.5)
    assert seconds[50_000] == pytest.approx(0.02 / (0.02 + 0.3) * (SECONDS - ENDING), abs=1)


def test_what_cannot_finish_a_trial_is_left_out_and_told(instance: dg.DagsterInstance) -> None:
    run, experiment = context(instance), question(max_cores=1)
    slow, quick = (
        replace(experiment.candidates["knn"], trial_seconds=cost) for cost in (lambda n: n / 100, lambda n: n / 1e6)
    )
    budgets = [Clock().budget(run, experiment, part, n_rows=30_000) for part in (slow, quick)]
    assert [one.max_trials for one in budgets] == [0, None] and budgets[1].left_out == ""
    pattern = r"one trial over 30,000 rows takes about 300\.0 s, and its share of the time is \d+\.\d s"
    assert re.fullmatch(pattern, budgets[0].left_out)


@pytest.mark.parametrize("name", ["knn", "svm"])
def test_a_minute_is_too_short_for_those_that_see_a_sample_of_many_rows(
    instance: dg.DagsterInstance, name: str
) -> None:
    everyone = parse(
        {**question().model_dump(include={"task", "target"}), "source": WINE, "limits": ONE_MINUTE}, "asked"
    )
    part, run = everyone.candidates[name], context(instance)
    left_out = {n: Clock().budget(run, everyone, part, n_rows=n).left_out for n in (1_000, 40_000)}
    assert left_out[1_000] == "" and "over 40,000 rows" in left_out[40_000]


def test_where_time_is_short_the_others_start_with_a_part_of_the_rows(instance: dg.DagsterInstance) -> None:
    everyone, run = _everyone(), context(instance)
    tree = everyone.candidates["decision_tree"]
    Journal("j").write("trial", trial="lightgbm_1", score=0.8, seconds=1.0, whole_seconds=1.0)
    assert Clock().budget(run, everyone, tree).first_seconds == 0.0
    Journal("j").write("trial", trial="extra_trees_1", score=0.8, seconds=1.0, whole_seconds=9.0)
    given = Clock().budget(run, everyone, tree)
    assert given.first_seconds == given.seconds > 0


def test_what_is_lacking_is_told_and_no_time_kept_for_it(instance: dg.DagsterInstance) -> None:
    """As pretrained weights may be."""
    run, experiment = context(instance), question()
    lacking = replace(experiment.candidates["knn"], lacks=lambda experiment: "skipped: no weights are here")
    given = Clock().budget(run, experiment, lacking)
    assert given.max_trials == 0 and given.left_out == "skipped: no weights are here"
