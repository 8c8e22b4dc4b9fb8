"""Labels as Label Studio, COCO and CoNLL write them, and what is no such file told in words."""

import json
from typing import Any

import pytest

from automl_assets import registry
from automl_assets.errors import SourceError


def read(kind: str, content: Any) -> list[dict[str, Any]]:
    raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    part = registry.label_formats()[kind]
    assert part.is_of(raw)
    return part.read(raw, "file", "answer").to_dicts()


def test_every_format_is_found() -> None:
    assert set(registry.label_formats()) == {"label_studio", "coco", "conll"}


# Label Studio


def task(number: int, *results: Any, **more: Any) -> dict[str, Any]:
    annotations = [{"id": i, "result": result, **more} for i, result in enumerate(results)]
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": annotations}


def chosen(*choices: str) -> list[dict[str, Any]]:
    return [{"type": "choices", "from_name": "kind", "to_name": "text", "value": {"choices": [*choices]}}]


def test_choices_ratings_and_numbers() -> None:
    tasks = [
        task(1, chosen("good")),
        task(2, chosen("good", "short")),
        task(3, [{"type": "rating", "value": {"rating": 4}}]),
        task(4, [{"type": "number", "value": {"number": 2.5}}]),
    ]
    assert read("label_studio", tasks[:2]) == [
        {"id": 1, "text": "text 1", "answer": "good"},
        {"id": 2, "text": "text 2", "answer": "good, short"},
    ]
    assert [row["answer"] for row in read("label_studio", tasks[2:])] == [4.0, 2.5]


def test_tasks_without_a_label_are_left_out() -> None:
    skipped = task(2, chosen("bad"), was_cancelled=True)
    assert [row["id"] for row in read("label_studio", [task(1, chosen("good")), skipped, task(3)])] == [1]


def test_a_task_in_which_nothing_was_chosen_has_no_labels() -> None:
    rows = read("label_studio", [task(1, chosen("good")), task(4, [])])
    assert [(row["id"], row["answer"]) for row in rows] == [(1, "good"), (4, "[]")]


def test_annotations_agree_or_one_is_the_truth() -> None:
    assert len(read("label_studio", [task(1, chosen("good"), chosen("good"))])) == 1
    torn = task(1, chosen("good"), chosen("bad"))
    with pytest.raises(SourceError, match=r"^file: people gave different labels to tasks 1; mark one annotation"):
        read("label_studio", [torn])
    torn["annotations"][1]["ground_truth"] = True
    assert read("label_studio", [torn])[0]["answer"] == "bad"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1", r"^file is no JSON: "),
        ([{"text": "x", "kind": "good"}], r"^file: 0\.data: Field required; a Label Studio export is a list of tasks"),
        ([3], r"^file: 0: Input should be .*; a Label Studio export is a list"),
        ([{"data": 3}], r"^file: 0\.data: Input should be a valid dictionary"),
        (
            [task(1)],
            r"^file: no task has a label; possible are choices, rating, number, taxonomy, labels, hypertextlabels$",
        ),
    ],
)
def test_what_is_no_export_is_told(content: Any, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        read("label_studio", content)


def test_ids_of_several_kinds_are_texts() -> None:
    other = {**task(1, chosen("bad")), "id": "b"}
    assert [row["id"] for row in read("label_studio", [task(1, chosen("good")), other])] == ["1", "b"]


# COCO

COCO = {
    "images": [{"id": 7, "file_name": "a/one.JPG", "width": 200, "height": 100}, {"id": 8, "file_name": "two.png"}],
    "categories": [{"id": 1, "name": "can"}, {"id": 2, "name": "cup"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [20, 10, 100, 50], "iscrowd": 0}],
}


def test_boxes_are_relative_to_the_image() -> None:
    (row,) = read("coco", COCO)
    assert row == {
        "image_url": "a/one.JPG",
        "image_details": {"format": "jpg", "width": 200, "height": 100},
        "answer": [{"label": "cup", "topX": 0.1, "topY": 0.1, "bottomX": 0.6, "bottomY": 0.6, "isCrowd": 0}],
    }


def test_polygons_are_too() -> None:
    polygon = {**COCO["annotations"][0], "segmentation": [[20, 10, 120, 10, 120, 60]]}  # type: ignore[index]
    (row,) = read("coco", {**COCO, "annotations": [polygon]})
    assert row["answer"] == [{"label": "cup", "isCrowd": 0, "polygon": [[0.1, 0.1, 0.6, 0.1, 0.6, 0.6]]}]


def test_categories_alone_are_classes() -> None:
    classes = [{"id": 1, "image_id": 7, "category_id": 1}, {"id": 2, "image_id": 8, "category_id": 2}]
    assert [row["answer"] for row in read("coco", {**COCO, "annotations": classes})] == ["can", "cup"]
    several = [*classes, {"id": 3, "image_id": 8, "category_id": 1}]
    assert [row["answer"] for row in read("coco", {**COCO, "annotations": several})] == [["can"], ["cup", "can"]]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": None}, r"^file: images: Input should be a valid list; COCO has the lists images, annotations and"),
        ({"images": [{"id": 7}]}, r"^file: images\.0\.file_name: Field required"),
        ({"images": [{"id": 7, "file_name": "x.png", "width": 0}]}, r"^file: images\.0\.width: .*greater than 0"),
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 1, "bbox": [1]}]},
            r"^file: annotation 9 has neither a polygon nor a bbox of four numbers$",
        ),
        ({"annotations": []}, r"^file: no image has an annotation$"),
        ({"categories": []}, r"^file: annotation 1 is of an image or a category that is not listed$"),
        ({"images": [{"id": 7, "file_name": "x.png"}]}, r'^file: image "x.png" has no width and height'),
    ],
)
def test_what_is_no_coco_is_told(changes: dict, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        read("coco", {**COCO, **changes})


def spans(*places: tuple[int, int, str]) -> list[dict[str, Any]]:
    return [{"type": "labels", "value": {"start": a, "end": b, "text": "", "labels": [name]}} for a, b, name in places]


def test_spans_of_a_text_are_one_label() -> None:
    assert read("label_studio", [task(1, spans((0, 4, "PER"), (5, 6, "NUM")))]) == [
        {
            "id": 1,
            "text": "text 1",
            "answer": [{"start": 0, "end": 4, "label": "PER"}, {"start": 5, "end": 6, "label": "NUM"}],
        }
    ]


def test_people_who_marked_the_same_spans_agree_in_any_order() -> None:
    found = read("label_studio", [task(1, spans((0, 4, "PER"), (5, 6, "NUM")), spans((5, 6, "NUM"), (0, 4, "PER")))])
    assert len(found) == 1
    with pytest.raises(SourceError, match="different labels to tasks 1"):
        read("label_studio", [task(1, spans((0, 4, "PER")), spans((0, 6, "PER")))])


# CoNLL


@pytest.mark.parametrize("letter", ["\u00a0", "\u2028", "\x1c", "\x85", "\x0b"])
def test_only_blanks_and_ends_of_lines_part(letter: str) -> None:
    """Other spaces and separators belong to a token."""
    assert read("conll", f"1{letter}0 O\r\nx\tO\r\n") == [{"text": f"1{letter}0 x", "answer": "O O"}]


def test_sentences_are_rows() -> None:
    text = "-DOCSTART- -X- O O\n\nEU NNP B-ORG\nrejects VBZ O\n\n\nPeter B-PER\nBlackburn I-PER\n"
    assert read("conll", text) == [
        {"text": "EU rejects", "answer": "B-ORG O"},
        {"text": "Peter Blackburn", "answer": "B-PER I-PER"},
    ]


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB1", "I-PER I-PER B-PER O I-ORG I-LOC"),
        ("IOB2", "B-PER I-PER B-PER O B-ORG B-LOC"),
        ("IOBES", "B-PER E-PER S-PER O S-ORG S-LOC"),
        ("BILOU", "B-PER L-PER U-PER O U-ORG U-LOC"),
    ],
)
def test_every_scheme_becomes_iob2(scheme: str, tags: str) -> None:
    lines = "".join(f"{token} {tag}\n" for token, tag in zip("abcdef", tags.split(), strict=True))
    assert read("conll", lines) == [{"text": "a b c d e f", "answer": "B-PER I-PER B-PER O B-ORG B-LOC"}]


def test_a_sharp_is_a_token_and_begins_a_comment() -> None:
    assert read("conll", "\n# text = a # b\n# O\na B-x\n") == [{"text": "# a", "answer": "O B-x"}]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("EU B-ORG\nrejects\n", r"^file: line 2 is 'rejects', without a tag; write a token, a blank, and a tag"),
        ("EU ORG\n", r"^file: line 1 is 'EU ORG', and 'ORG' is no tag"),
        ("EU B-ORG\nNew York B-LOC\n", r"^file: line 2 is 'New York B-LOC', 3 columns where the sentence began with 2"),
        ("\n\n", r"^file: there is no sentence"),
    ],
)
def test_what_is_no_conll_is_told(text: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        read("conll", text)
