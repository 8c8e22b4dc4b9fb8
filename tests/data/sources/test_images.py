"""Rows of annotated images, and when they count as changed."""

import json
from pathlib import Path

import pytest

from automl_assets.data.sources.images import ImagesOptions, code, fingerprint, read
from automl_assets.errors import SourceError
from automl_assets.experiment.experiment import source_of

BOX = {"label": "cup", "topX": 0.1, "topY": 0.2, "bottomX": 0.5, "bottomY": 0.6}
LINES = [
    {"image_url": "1.jpg", "label": "cup", "split": "train"},
    {"image_url": "2.jpg", "label": "glass", "split": "test"},
    {"image_url": "3.jpg", "label": None, "split": "train"},
]


def write(folder: Path, lines: list[dict]) -> ImagesOptions:
    for line in lines:
        (folder / line["image_url"]).write_bytes(line["image_url"].encode())
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return ImagesOptions(path=str(folder))


@pytest.mark.parametrize(
    ("label", "cell"),
    [("cup", "cup"), (["cup", "glass"], '["cup", "glass"]'), ([BOX], json.dumps([{**BOX, "isCrowd": 0}]))],
    ids=["class", "labels", "boxes"],
)
def test_a_row_for_each_image(tmp_path: Path, label: object, cell: str) -> None:
    options = write(tmp_path, [{"image_url": "1.jpg", "label": label}])
    assert read(options).rows() == [(str(tmp_path / "1.jpg"), cell)]


def test_one_split_alone(tmp_path: Path) -> None:
    options = write(tmp_path, LINES)
    assert read(options)["label"].to_list() == ["cup", "glass", None]
    assert read(options.model_copy(update={"split": "train"}))["label"].to_list() == ["cup", None]
    with pytest.raises(SourceError, match=r"no image is of the split 'validation'; there are test, train"):
        read(options.model_copy(update={"split": "validation"}))


def test_pixels_and_labels_count_and_places_do_not(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    here, there = write(first, LINES), write(second, LINES)
    known = fingerprint(here)
    assert fingerprint(there) == known
    (second / "1.jpg").write_bytes(b"other pixels")
    assert fingerprint(there) != known
    (first / "labels.jsonl").write_text("\n".join(map(json.dumps, [*LINES[:2], {**LINES[2], "label": "cup"}])))
    assert fingerprint(here) != known


def test_generated_code_reads_the_same(tmp_path: Path) -> None:
    import polars as pl

    options = write(tmp_path, LINES)
    scope: dict = {"pl": pl}
    exec("def rows():\n" + "".join(f"    {line}\n" for line in code(options).splitlines()), scope)
    assert scope["rows"]().equals(read(options))


def test_a_folder_of_images_of_which_nothing_is_said_has_no_labels(tmp_path: Path) -> None:
    for name in ("2.jpg", "1.png"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "notes.txt").write_text("")
    setting = source_of(str(tmp_path))
    assert setting.kind == "images"
    assert setting.part.read(setting.options).rows() == [(str(tmp_path / name), None) for name in ("1.png", "2.jpg")]
    known = fingerprint(setting.options)
    (tmp_path / "1.png").write_bytes(b"other pixels")
    assert fingerprint(setting.options) != known


def test_images_beside_a_table_leave_a_folder_to_it(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"")
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert source_of(str(tmp_path)).kind == "csv"
