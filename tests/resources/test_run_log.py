"""What a run says of itself: whole lines in order, whoever writes and whenever somebody reads."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl_assets.resources.run_log import TAG, Journal, journal_of, read_journal

WRITE = "from automl_assets.resources.run_log import Journal\nfor i in range(200): Journal('j').write('trial', reason='x' * 500)"


def test_events_come_back_as_they_were_written(home: Path) -> None:
    journal = Journal("j")
    journal.write("trial", score=None, reason="line\nbreak \u2028 🦆")
    journal.write("end", score=float("inf"))
    first, second = journal.events()
    assert (first["event"], first["score"], first["reason"]) == ("trial", None, "line\nbreak \u2028 🦆")
    assert second["score"] == float("inf") and second["time"] >= first["time"]


def test_a_journal_that_is_not_there_says_nothing(home: Path) -> None:
    assert list(read_journal(home, "absent")) == []


def test_a_line_half_written_is_not_read(home: Path) -> None:
    journal = Journal("j")
    journal.write("first")
    with journal.path.open("a") as file:
        file.write('{"event": "sec')
    assert [event["event"] for event in journal.events()] == ["first"]
    journal.write("third")
    assert [event["event"] for event in journal.events()] == ["first", "third"]


def test_lines_of_several_processes_stay_whole(home: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITE]) for _ in range(4)]
    assert [writer.wait(200) for writer in writers] == [0] * 4
    assert len(list(Journal("j").events())) == 800


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../x"])
def test_a_name_in_a_tag_never_leaves_the_folder(home: Path, name: str) -> None:
    assert journal_of(SimpleNamespace(tags={TAG: name}, run_id="1")).path == home / "journals" / "x.jsonl"
