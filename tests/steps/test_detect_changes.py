"""When a change may be acted upon: after a rest, after patience where there is none, and whatever the clock does."""

import pytest

from automl_assets.steps.detect_changes import Seen, looked, seconds_to_pause, seconds_to_wait, settled

REST, DEBOUNCE = 10, 60


def _wait(seen: Seen, now: float, rest: float = REST) -> float:
    return seconds_to_wait(seen, DEBOUNCE, rest, now)


def test_a_change_is_left_alone_until_it_has_rested() -> None:
    seen = looked(Seen("a", 0.0), "b", 100.0)
    assert (seen.since, _wait(seen, 100.0), _wait(seen, 159.0), _wait(seen, 160.0)) == (100.0, 60.0, 1.0, 0.0)


def test_a_burst_counts_from_its_last_write_and_keeps_its_first() -> None:
    seen = looked(looked(Seen("a", 0.0), "b", 100.0), "c", 130.0)
    assert (seen.since, _wait(seen, 160.0), _wait(seen, 190.0)) == (100.0, 30.0, 0.0)


@pytest.mark.parametrize(("rest", "wait"), [(REST, 5.0), (0, 0.0)])
def test_a_source_that_never_rests_is_read_between_two_writes(rest: float, wait: float) -> None:
    seen = Seen("a", 0.0)
    for now in range(100, 740, 20):  # written to at every look, the last one at 720
        seen = looked(seen, str(now), float(now))
    assert _wait(seen, 725.0, rest) == wait
    assert _wait(seen, 730.0, rest) == 0.0


@pytest.mark.parametrize("debounce", [0, 3])
def test_a_file_is_left_alone_for_a_while_however_short_the_debounce(debounce: float) -> None:
    seen = looked(Seen("a", 0.0), "b", 100.0)
    assert seconds_to_wait(seen, debounce, REST, now=101.5) == 8.5
    assert seconds_to_wait(seen, debounce, 0, now=101.5) == max(0, debounce - 1.5)


@pytest.mark.parametrize(("seconds", "pause"), [(1.0, 0.0), (2.0, 30.0), (600.0, 3590.0)])
def test_the_longer_a_look_takes_the_rarer_it_is(seconds: float, pause: float) -> None:
    assert seconds_to_pause(Seen(looked_at=100.0, look_seconds=seconds), now=110.0) == pause


def test_what_was_read_counts_for_its_stamp_alone() -> None:
    seen = looked(Seen("a", 0.0, 50.0, fingerprint="of a"), "b", 100.0)
    assert (seen.fingerprint, seen.since) == ("", 50.0)


def test_a_clock_that_is_set_back_makes_nobody_wait_for_hours() -> None:
    seen = looked(Seen("b", 1e6, 1e6), "b", 100.0)
    assert _wait(seen, 160.0) == 0.0
    assert seconds_to_pause(Seen(looked_at=1e6, look_seconds=600.0), now=100.0) == 0.0


def test_settled_remembers_what_for() -> None:
    seen = settled(Seen("b", 100.0, 100.0, fingerprint="of b"))
    assert (seen.asked, seen.since, looked(seen, "b", 500.0).since) == ("of b", 0.0, 0.0)


@pytest.mark.parametrize("cursor", [None, "", "1700000000", "[1]", '{"other": 1}', "no json"])
def test_a_cursor_that_is_none_of_ours_begins_anew(cursor: str | None) -> None:
    assert Seen.of(cursor) == Seen()


def test_a_cursor_comes_back_as_it_was() -> None:
    seen = Seen("b", 100.5, 99.25, "of b", "of a", 'told "so"')
    assert Seen.of(seen.as_cursor()) == seen
