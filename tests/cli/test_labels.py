"""`automl labels` as people call it: every format of labels, names from data that mean harm, two at once."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import NullPool, create_engine

from automl_assets.cli.app import main
from automl_assets.data.sources import sql
from tests.processes import AUTOML, until
from tests.services import new_database
from tests.test_hostile_names import HOSTILE

Say = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """What `automl labels` says, in a folder with a home; fails where it shows a trace of the stack."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["automl", "labels", *map(str, arguments)])
        try:
            main()
        except SystemExit as ending:
            if ending.code:
                return " ".join(line.strip("│╭╮╰╯─ ") for line in capsys.readouterr().err.splitlines())
        return capsys.readouterr().out.strip()

    return run


def asked(folder: Path, source: str, target: str = "kind", **more: Any) -> Path:
    file = folder / "asked.yaml"
    given = {"task": "classification", "source": source, "target": target, **more}
    file.write_text(yaml.safe_dump(given), "utf-8")
    return file


def write(file: Path, *rows: tuple[str, ...]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as text:
        csv.writer(text).writerows(rows)
    return file


def read(file: Path) -> list[tuple[str, ...]]:
    with file.open(newline="", encoding="utf-8") as text:
        return [tuple(row) for row in csv.reader(text)]


KNOWN = ("id", "note", "kind"), ("a", "first", "good"), ("b", "second", "bad")
SCORED = ("id", "note", "prediction"), ("c", "third", "good"), ("d", "fourth", "good")
LABELS = ("id", "kind"), ("c", "bad"), ("d", "good")
ADDED = ("c", "third", "bad"), ("d", "fourth", "good")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source of two rows, two rows that were scored, and an experiment that knows of both."""
    write(tmp_path / "rows.csv", *KNOWN)
    write(tmp_path / "scored.csv", *SCORED)
    asked(tmp_path, "rows.csv", predict_source="scored.csv")
    return tmp_path


def test_labels_in_csv_are_added_once_and_counted(folder: Path, say: Say) -> None:
    write(folder / "labels.csv", *LABELS, ("c", "bad"), ("b", ""), ("x", "good"))
    told = say("asked.yaml", "labels.csv", "--key", "id")
    path = folder / "rows.csv"
    assert told == f"5 labels: 2 new, 1 given twice, 1 empty, 1 of no row that was scored, written to {path}"
    assert read(path) == [*KNOWN, *ADDED]
    assert say("asked.yaml", "labels.csv", "--key", "id") == (
        "5 labels: 0 new, 2 known already, 1 given twice, 1 empty, 1 of no row that was scored; nothing was written"
    )
    assert read(path) == [*KNOWN, *ADDED]


def test_what_predict_wrote_can_be_named(folder: Path, say: Say) -> None:
    asked(folder, "rows.csv")
    write(folder / "labels.csv", *LABELS)
    assert "the labelled rows lack note of the source's columns; bring" in say("asked.yaml", "labels.csv", "--key=id")
    assert "2 new" in say("asked.yaml", "labels.csv", "--key", "id", "--rows", "scored.csv")


def test_numbers_stay_as_they_are_written(folder: Path, say: Say) -> None:
    """Codes with leading zeros, and numbers that no machine word holds."""
    known = [("code", "id", "share", "kind"), ("007", "9" * 30, "1.50", "good"), ("008", "1e5", "2", "bad")]
    added = [("009", "9" * 29 + "8", "3.0", "bad")]
    write(folder / "rows.csv", *known)
    write(folder / "scored.csv", ("code", "id", "share"), added[0][:3], ("010", "9" * 29 + "7", "4.50"))
    write(folder / "labels.csv", ("id", "kind"), (added[0][1], "bad"))
    assert "1 labels: 1 new" in say("asked.yaml", "labels.csv", "--key", "id")
    assert read(folder / "rows.csv") == known + added


def test_new_classes_are_to_be_meant(folder: Path, say: Say) -> None:
    write(folder / "labels.csv", ("id", "kind"), ("c", "goood"))
    told = say("asked.yaml", "labels.csv", "--key", "id")
    assert "unknown classes goood; the source has bad, good." in told and "Say --new-classes" in told
    assert read(folder / "rows.csv") == [*KNOWN]
    assert "1 new" in say("asked.yaml", "labels.csv", "--key", "id", "--new-classes")


def label_studio() -> tuple[str, Any]:
    def task(name: str, choice: str) -> dict[str, Any]:
        result = [{"type": "choices", "value": {"choices": [choice]}}]
        return {"id": 7, "data": {"id": name, "text": "…"}, "annotations": [{"result": result}]}

    return "export.json", [task("c", "bad"), task("d", "good"), {"id": 9, "data": {"id": "b"}, "annotations": []}]


def coco() -> tuple[str, Any]:
    images = [{"id": n, "file_name": name, "width": 10, "height": 10} for n, name in enumerate(("c", "d", "e"))]
    categories = [{"id": 0, "name": "bad"}, {"id": 1, "name": "good"}]
    annotations = [{"id": n, "image_id": n, "category_id": n} for n in (0, 1)]
    return "export.json", {"images": images, "categories": categories, "annotations": annotations}


def conll() -> tuple[str, Any]:
    return "export.conll", "c B-bad\n\nd B-good\n"


@pytest.mark.parametrize(
    ("export", "key", "classes"),
    [(label_studio, "id", "{}"), (coco, "image_url", "{}"), (conll, "text", "B-{}")],
    ids=["label_studio", "coco", "conll"],
)
def test_every_format_closes_the_loop(
    tmp_path: Path, say: Say, export: Callable[[], tuple[str, Any]], key: str, classes: str
) -> None:
    """What was scored is found by its key, and the source gets it with its label, once."""
    known, scored, added = (
        [(key, "note", "kind"), ("a", "first", classes.format("good")), ("b", "second", classes.format("bad"))],
        [(key, "note", "prediction"), *SCORED[1:]],
        [(name, note, classes.format(kind)) for name, note, kind in ADDED],
    )
    write(tmp_path / "rows.csv", *known)
    write(tmp_path / "scored.csv", *scored)
    asked(tmp_path, "rows.csv", predict_source="scored.csv")
    name, content = export()
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    assert say("asked.yaml", name, "--key", key).startswith("2 labels: 2 new, written to ")
    assert read(tmp_path / "rows.csv") == known + added
    assert say("asked.yaml", name, "--key", key) == "2 labels: 0 new, 2 known already; nothing was written"


def test_objects_in_images_come_back_whole(tmp_path: Path, say: Say) -> None:
    """Rows of image tasks are objects in objects; they need no key."""
    box = {"label": "cup", "topX": 0.1, "topY": 0.2, "bottomX": 0.3, "bottomY": 0.4, "isCrowd": 0}
    details = {"format": "png", "width": 10.0, "height": 10.0}
    first = {"image_url": "a.png", "image_details": details, "label": [box]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(first) + "\n")
    asked(tmp_path, "rows.jsonl", "label")
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 2, 2]}
    images = [{"id": 1, "file_name": "b.png", "width": 10, "height": 10}]
    categories = [{"id": 1, "name": "cup"}]
    export = {"images": images, "categories": categories, "annotations": [annotation]}
    (tmp_path / "coco.json").write_text(json.dumps(export))
    assert "1 labels: 1 new" in say("asked.yaml", "coco.json", "--new-classes")
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert lines == [first, {**first, "image_url": "b.png"}]
    assert "0 new, 1 known already" in say("asked.yaml", "coco.json", "--new-classes")


BROKEN = {
    "no JSON": ("x.json", "{", "x.json is no JSON: "),
    "deep": ("x.json", "[" * 100_000, "x.json is no JSON: maximum recursion depth"),
    "a number": ("x.json", "3", "x.json is none of "),
    "other keys": ("x.json", '{"images": []}', "annotations: Field required; COCO has the lists"),
    "tasks of nothing": ("x.json", "[null]", "0: Input should be"),
    "objects for labels": (
        "x.json",
        '[{"data": {}, "annotations": [{"result": [{"type": "number", "value": {"number": {}}}]}]}]',
        "x.json cannot be read: ",
    ),
    "no UTF-8": ("x.conll", b"\xff\xfe", "x.conll is not UTF-8: "),
    "another ending": ("x.docx", "", "x.docx"),
    "not there": ("absent.json", None, "absent.json cannot be read: "),
    "a folder": ("home", None, "of no known kind; name other files with a glob"),
}


@pytest.mark.parametrize(("name", "content", "wanted"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_file_of_labels_is_told_in_words(
    folder: Path, say: Say, name: str, content: Any, wanted: str
) -> None:
    if content is not None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "home").mkdir(exist_ok=True)
    assert wanted in say("asked.yaml", name, "--key", "id")
    assert read(folder / "rows.csv") == [*KNOWN]


# Names from data


class Names(NamedTuple):
    """What comes from data, or from who made them."""

    key: str
    target: str
    ids: list[str]
    label: str
    file: str


def is_file_name(name: str) -> bool:
    """Two colons and `${` have a meaning in any address."""
    return len(name.encode()) < 200 and not any(sign in name for sign in ("/", "::", "${"))


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
names = st.sampled_from([name for name in HOSTILE if "\x00" not in name]) | st.text(letters, max_size=20)
cells = names.filter(lambda name: name.strip() == name and name.lower() not in ("", "nan", "null", "na", "n/a"))
BYTE_ORDER_MARK = "\ufeff"  # no letter, at the start of a file
DELIMITERS = ";\t|"  # as good as the comma, in a file of two rows
PATTERN = re.compile(r"\*|\^.*\$", re.DOTALL)  # refused as the name of a column


def is_column(name: str) -> bool:
    is_free = name not in ("second", "prediction") and not PATTERN.fullmatch(name)
    return is_free and not name.startswith(BYTE_ORDER_MARK) and not set(name) & set(DELIMITERS)


columns = cells.filter(is_column)
three = st.lists(cells, min_size=3, max_size=3, unique=True)
anything = st.builds(Names, columns, columns, three, cells, names.filter(is_file_name))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(anything.filter(lambda names: names.key != names.target))
@example(Names("key", "label", ["a", "b", "c"], "x", "[bold]"))
@example(Names("place", "key", ["a\x1fb", "c", "\x1b"], "\x1b[31m", "\x1b]0;title\x07"))
@example(Names("-o", "--key", ["../x", "'; drop table t; --", "{{ 7*7 }}"], "[x]", "-x"))
def test_names_from_data_stay_what_they_are(tmp_path_factory: pytest.TempPathFactory, say: Say, names: Names) -> None:
    """Ids, classes, columns and names of files: nothing else is written, and no terminal is steered."""
    place, head, (first, second, third) = tmp_path_factory.mktemp("names"), (names.key, "second"), names.ids
    known = [(*head, names.target), (first, "1", names.label), (second, "2", "other")]
    source = write(place / f"{names.file}.csv", *known)
    scored = write(place / "scored.csv", (*head, "prediction"), (third, "3", "other"))
    labels = write(place / f"labels {names.file}.csv", (names.key, names.target), (third, names.label))
    experiment = asked(place, str(source), names.target)
    told = say(experiment, labels, f"--key={names.key}", f"--rows={scored}")
    assert told.startswith("1 labels: 1 new, written to ")
    assert all(letter.isprintable() for letter in told.replace("\n", ""))
    assert read(source) == [*known, (third, "3", names.label)]
    assert set(os.listdir(place)) == {file.name for file in (source, scored, labels, experiment)}


def test_keys_of_several_columns_are_told_apart(folder: Path, say: Say) -> None:
    """Whatever letters stand in them."""
    head = ("id", "note", "kind")
    write(folder / "scored.csv", (*head[:2], "prediction"), ("c\x1fd", "e", "good"), ("c", "d\x1fe", "good"))
    write(folder / "labels.csv", head, ("c\x1fd", "e", "bad"), ("c", "d\x1fe", "good"))
    assert "2 labels: 2 new" in say("asked.yaml", "labels.csv", "--key", "id", "--key", "note", "--rows", "scored.csv")
    assert read(folder / "rows.csv") == [*KNOWN, ("c\x1fd", "e", "bad"), ("c", "d\x1fe", "good")]


def test_a_message_steers_no_terminal(folder: Path, say: Say) -> None:
    write(folder / "labels.csv", ("id", "kind"), ("c", "\x1b]0;title\x07[bold]"))
    assert r"unknown classes \x1b]0;title\x07[bold]; " in say("asked.yaml", "labels.csv", "--key", "id")


def test_a_letter_that_the_source_cannot_hold_is_told(folder: Path, say: Say) -> None:
    asked(folder, {"kind": "csv", "path": "rows.csv", "encoding": "latin-1"}, predict_source="scored.csv")
    write(folder / "labels.csv", ("id", "kind"), ("c", "👩"))
    told = say("asked.yaml", "labels.csv", "--key", "id", "--new-classes")
    assert "latin-1 has no '👩'; leave that row out, or write the file in UTF-8" in told
    assert read(folder / "rows.csv") == [*KNOWN]


@pytest.mark.parametrize(("end", "kept"), [("\r\n", b"\r\n"), ("\r", b"\n"), ("\n", b"\n")])
def test_the_ends_of_lines_stay_readable(folder: Path, say: Say, end: str, kept: bytes) -> None:
    (folder / "rows.csv").write_bytes(end.join(",".join(row) for row in KNOWN).encode())
    write(folder / "labels.csv", *LABELS)
    assert "2 new" in say("asked.yaml", "labels.csv", "--key", "id")
    assert (folder / "rows.csv").read_bytes() == kept.join(",".join(row).encode() for row in (*KNOWN, *ADDED)) + kept


# Two at once


def waiting(processes: list[subprocess.Popen]) -> bool:
    """Whether all of them wait for a lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return {process.pid for process in processes} <= {int(line[5]) for line in lines if line[1] == "->"}


ALL = sorted([*KNOWN[1:], *ADDED, ("e", "fifth", "bad")])


def begin_two(folder: Path) -> list[subprocess.Popen]:
    """Each has a label of its own, and one that the other has too."""
    write(folder / "scored.csv", *SCORED, ("e", "fifth", "good"))
    write(folder / "one.csv", *LABELS)
    write(folder / "two.csv", ("id", "kind"), ("d", "good"), ("e", "bad"))
    given = [AUTOML, "labels", "asked.yaml", "--key", "id", "--home", "home"]
    return [subprocess.Popen([*given, f"{name}.csv"], cwd=folder) for name in ("one", "two")]


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who waits for a lock")
@pytest.mark.parametrize("source", ["rows.csv", pytest.param("rows/*.csv", marks=pytest.mark.long)])
def test_two_at_once_lose_no_row_and_double_none(folder: Path, source: str) -> None:
    """Both have begun when either may go on."""
    import fcntl

    rows = folder / "rows" / "rows.csv" if "/" in source else folder / "rows.csv"
    rows.parent.mkdir(exist_ok=True)
    write(rows, *KNOWN)
    asked(folder, source, predict_source="scored.csv")
    with rows.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        both = begin_two(folder)
        until(lambda: waiting(both), 200)
    assert [one.wait(200) for one in both] == [0, 0]
    found = pl.concat([pl.read_csv(file) for file in rows.parent.glob("*.csv") if "id,note,kind" in file.read_text()])
    assert sorted(found.rows()) == ALL


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgres"])
def database_of_rows(folder: Path, request: pytest.FixtureRequest) -> str:
    """URL of a database with the known rows in a table, which the experiment reads."""
    is_file = request.param == "sqlite"
    (folder / "rows.db").touch()
    url = f"sqlite:///{folder}/rows.db" if is_file else new_database(request.getfixturevalue("postgres"))
    pl.DataFrame(KNOWN[1:], KNOWN[0], orient="row").write_database("rows", url, engine="sqlalchemy")
    asked(folder, {"kind": "sql", "url": url, "table": "rows"}, predict_source="scored.csv")
    return url


def waiting_in(url: str, processes: list[subprocess.Popen]) -> bool:
    """Whether all of them wait for the lock of a database."""
    if url.startswith("sqlite"):
        return waiting(processes)
    asleep = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return pl.read_database(asleep, create_engine(url, poolclass=NullPool)).item() == len(processes)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who waits for a lock")
def test_two_at_once_double_no_row_of_a_database(folder: Path, database_of_rows: str) -> None:
    options = sql.SqlOptions(url=database_of_rows, table="rows")
    with sql.PART.alone(options):
        both = begin_two(folder)
        until(lambda: waiting_in(database_of_rows, both), 200)
    assert [one.wait(200) for one in both] == [0, 0]
    assert sorted(sql.PART.read(options).rows()) == ALL
    assert not list(folder.glob("rows.db-*"))
