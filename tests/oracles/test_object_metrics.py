"""Average precision of boxes against COCO's own program."""

from typing import Any

import numpy as np
import pytest

from automl_assets.boxes import BOX, CODE, SCORE, objects_of, packed
from automl_assets.metrics import scores_of
from automl_assets.metrics.objects import found_of_classes
from automl_assets.records import Problem

coco = pytest.importorskip("faster_coco_eval")

SIDE = 1_000  # pixels
PROBLEM = Problem("image_object_detection", "mean_average_precision", ("a", "b", "c"), most_objects=40)


def _boxes(n: int, random: np.random.Generator) -> np.ndarray:
    corner, size = random.uniform(0, 0.7, (n, 2)), random.uniform(0.1, 0.3, (n, 2))
    return np.hstack([corner, corner + size])


def _images(seed: int, has_crowds: bool) -> tuple[np.ndarray, np.ndarray]:
    """True objects, some of which are found, nearly; and others that are not there."""
    random, truth, found = np.random.default_rng(seed), list[np.ndarray](), list[np.ndarray]()
    for _ in range(30):
        n_true, n_other = random.integers(0, 12), random.integers(0, 12)
        true = np.zeros((n_true, 6))
        true[:, CODE], true[:, BOX] = random.integers(0, 3, n_true), _boxes(n_true, random)
        true[:, SCORE] = has_crowds & (random.random(n_true) < 0.2)
        near = true[random.random(n_true) < 0.8].repeat(random.integers(1, 3), axis=0)
        near[:, BOX] += random.normal(scale=0.01, size=(len(near), 4))
        other = np.zeros((n_other, 6))
        other[:, CODE], other[:, BOX] = random.integers(0, 3, n_other), _boxes(n_other, random)
        answered = np.concatenate([near, other])
        answered[:, SCORE] = random.random(len(answered))
        truth.append(true)
        found.append(answered)
    return packed(truth), packed(found, PROBLEM.most_objects)


def _written(rows: np.ndarray) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for image, row in enumerate(rows, start=1):
        for one in objects_of(row):
            left, top, right, bottom = (one[BOX] * SIDE).tolist()
            place = {"bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top)}
            own = {"image_id": image, "category_id": int(one[CODE]) + 1, "score": float(one[SCORE])}
            lines.append({"id": len(lines) + 1, **own, **place, "iscrowd": int(one[SCORE])})
    return lines


def _judged(truth: np.ndarray, found: np.ndarray) -> Any:
    images = [{"id": number + 1, "width": SIDE, "height": SIDE} for number in range(len(truth))]
    names = [{"id": code + 1, "name": name} for code, name in enumerate(PROBLEM.classes)]
    known = coco.COCO({"images": images, "annotations": _written(truth), "categories": names})
    judge = coco.COCOeval_faster(known, known.loadRes(_written(found)), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    return judge


@pytest.mark.parametrize("has_crowds", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_coco(seed: int, has_crowds: bool) -> None:
    truth, found = _images(seed, has_crowds)
    scores = scores_of(["mean_average_precision_coco"], truth, found, None, PROBLEM)
    assert scores["mean_average_precision_coco"] == pytest.approx(_judged(truth, found).stats[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_recall_of_every_class_and_overlap_is_that_of_coco(seed: int) -> None:
    truth, found = _images(seed, has_crowds=True)
    expected = _judged(truth, found).eval["recall"][:, :, 0, 2]  # [n_overlaps, n_classes]
    for overlap in range(len(expected)):
        recalls = [one.recalls[-1] for one in found_of_classes(truth, found, None, 3, overlap)]
        np.testing.assert_allclose(recalls, expected[overlap], atol=1e-9)


def test_areas_below_precision_are_those_worked_out_by_hand() -> None:
    """Right, wrong, right of three: precision 1 up to a third of the recall, 2/3 up to two thirds, then nothing."""
    places = np.array([[0.0, 0, 0.2, 0.2], [0.4, 0, 0.6, 0.2], [0.8, 0, 1, 0.2]])
    true = np.column_stack([np.zeros(3), places, np.zeros(3)])
    answered = np.array([[0, *places[0], 0.9], [0, 0.4, 0.5, 0.6, 0.7, 0.8], [0, *places[1], 0.7]])
    rows = packed([true]), packed([answered], PROBLEM.most_objects)
    scores = scores_of(["mean_average_precision", "object_precision", "object_recall"], *rows, None, PROBLEM)
    assert scores["mean_average_precision"] == pytest.approx(1 / 3 + 2 / 9)
    assert scores["object_precision"] == pytest.approx(2 / 3) and scores["object_recall"] == pytest.approx(2 / 3)
    weighed = scores_of(
        ["mean_average_precision"], *(np.repeat(one, 2, axis=0) for one in rows), np.array([1.0, 0]), PROBLEM
    )
    assert weighed["mean_average_precision"] == scores["mean_average_precision"]
