"""Annotations of images from one format into another: which is found by looking, and what is refused."""

import json
from pathlib import Path

import pytest

from automl_assets.errors import SettingError, SourceError
from automl_assets.steps.convert_annotations import convert_annotations

TWO_OUTLINES = [[1, 1, 5, 1, 5, 5], [6, 6, 9, 6, 9, 9]]
COCO = {
    "images": [{"id": 1, "file_name": "1.jpg", "width": 10, "height": 10}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": TWO_OUTLINES}],
    "categories": [{"id": 1, "name": "nucleus"}],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "annotations.json").write_text(json.dumps(COCO))
    (folder / "1.jpg").write_bytes(b"a picture")
    return folder


def test_the_format_is_found_by_looking(coco: Path, tmp_path: Path) -> None:
    done = convert_annotations(str(coco), str(tmp_path / "out" / "lines.jsonl"))
    assert (done.read_as.name, done.written_as.name, done.counts) == ("coco", "jsonl", {"nucleus": 1})
    line = json.loads((tmp_path / "out" / "lines.jsonl").read_text())
    assert line["image_url"] == "../given/1.jpg"
    assert line["label"][0]["polygon"] == [[0.1, 0.1, 0.5, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.6, 0.9, 0.9]]
    back = convert_annotations(str(tmp_path / "out" / "lines.jsonl"), str(tmp_path / "back.json"))
    assert back.annotations.images[0].image == str(coco / "1.jpg")
    (told,) = json.loads((tmp_path / "back.json").read_text())["annotations"]
    assert (told["segmentation"], told["bbox"], told["area"]) == (TWO_OUTLINES, [1, 1, 8, 8], 8 + 4.5)


def test_nothing_is_lost_in_silence(coco: Path, tmp_path: Path) -> None:
    given = (str(coco), str(tmp_path / "yolo"), None, "yolo")
    with pytest.raises(SettingError, match="yolo has no place for objects with several outlines; .* by --may-lose"):
        convert_annotations(*given)
    assert not (tmp_path / "yolo").exists()
    done = convert_annotations(*given, may_lose=True)
    assert done.lost == ("objects with several outlines",)
    assert (tmp_path / "yolo" / "images" / "1.jpg").read_bytes() == b"a picture"
    with pytest.raises(
        SettingError, match="csv has no place for outlines or masks of objects; possible are coco, jsonl"
    ):
        convert_annotations(str(coco), str(tmp_path / "labels.csv"))


def test_what_cannot_be_told_is_asked_for(coco: Path, tmp_path: Path) -> None:
    (coco / "labels.csv").write_text("image,label\n1.jpg,nucleus\n")
    with pytest.raises(SourceError, match=r"several formats are there: coco \(COCO \(JSON\)\), csv"):
        convert_annotations(str(coco), str(tmp_path / "a.jsonl"))
    assert convert_annotations(str(coco), str(tmp_path / "a.jsonl"), read_as="csv").counts == {"nucleus": 1}
    with pytest.raises(SettingError, match="say by --to which format is wanted: coco, folders, jsonl, csv"):
        convert_annotations(str(coco), str(tmp_path / "folder"))
    with pytest.raises(SettingError, match="no format of annotations is called 'cocoo'.*Did you mean"):
        convert_annotations(str(coco), str(tmp_path / "a.json"), read_as="cocoo")
    with pytest.raises(SourceError, match="nowhere: no such file or folder"):
        convert_annotations(str(tmp_path / "nowhere"), str(tmp_path / "a.json"))
