"""What a network should have said of images: which points of the grid belong to which object, and how wrong it was."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.boxes import BOX, CODE, SCORE, areas, objects_of
from automl_assets.objects.models.network import FARTHEST, STRIDE

REACH = 1.5  # strides from an object's middle, within which a point belongs to it
OTHERS = 0.75  # weight of points that belong to nothing
FOCUS = 2.0  # the more a wrong score counts the surer it is
LEAST_QUALITY = 0.1  # of a point that belongs to an object
SIDES = 2.0  # weight of the sides beside the classes


@dataclass(frozen=True)
class Targets:
    """Of points of several images, one below the other, those that belong to an object."""

    image: np.ndarray  # int64 [n_points]
    point: np.ndarray  # int64 [n_points], in the grid
    code: np.ndarray  # int64 [n_points]
    box: np.ndarray  # float32 [n_points, 4], in pixels
    is_crowd: np.ndarray  # bool [n_images, n_points of the grid]: whatever is answered there is neither right nor wrong


def grid(side: int) -> np.ndarray:
    """The points of a square, x and y in pixels, float32 [n_points, 2]."""
    places = (np.arange(side // STRIDE, dtype=np.float32) + 0.5) * STRIDE
    return np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)


def targets_of(y: np.ndarray, side: int) -> Targets:
    """Of packed objects of images that are squares of so many pixels."""
    points, parts, crowds = grid(side), [], []
    for number, row in enumerate(y):
        every = objects_of(row)
        objects, crowd = every[every[:, SCORE] == 0], every[every[:, SCORE] > 0]
        crowds.append(_inside(points, crowd[:, BOX] * side).any(axis=1))
        boxes = objects[:, BOX].astype(np.float32) * side
        point, own = _assigned(boxes, points)
        parts.append((np.full(len(point), number), point, objects[own, CODE].astype(np.int64), boxes[own]))
    image, point, code, box = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Targets(image, point, code, box, np.array(crowds))


def _assigned(boxes: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of points, and of the object of each: the smallest that has the point near its middle and inside. An object
    without such a point has the one nearest to its middle."""
    if not len(boxes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    away = np.abs(points[:, None] - middles).max(axis=2)  # [n_points, n_objects]
    belongs = _inside(points, boxes) & (away < REACH * STRIDE)
    lost = np.flatnonzero(~belongs.any(axis=0))
    belongs[away[:, lost].argmin(axis=0), lost] = True
    size = np.where(belongs, areas(boxes), np.inf)
    chosen = np.flatnonzero(belongs.any(axis=1))
    return chosen, size[chosen].argmin(axis=1)


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool [n_points, n_boxes]"""
    return np.asarray(((points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(axis=2))


def loss(odds: Any, sides: Any, targets: Targets, points: Any) -> Any:
    """Varifocal loss of the classes (Zhang et al. 2021), whose targets are how well boxes fit, and generalised intersection
    over union of the sides (Rezatofighi et al. 2019), in all per point that belongs to an object."""
    import torch

    place = torch.from_numpy(targets.image), torch.from_numpy(targets.point)
    n_points = max(1, len(targets.point))
    aims = torch.zeros_like(odds)
    fit = odds.new_zeros(())
    if len(targets.point):
        found = boxes_of(sides[place], points[place[1]])
        overlap, generalised = _overlaps(found, torch.from_numpy(targets.box))
        quality = overlap.detach().clamp(min=LEAST_QUALITY)
        aims[(*place, torch.from_numpy(targets.code))] = quality
        fit = ((1 - generalised) * quality).sum() / quality.sum()
    is_judged = torch.from_numpy(~targets.is_crowd)[:, :, None] | (aims > 0)
    return _varifocal(odds, aims, is_judged) / n_points + SIDES * fit


def boxes_of(sides: Any, points: Any) -> Any:
    """Left, top, right and bottom in pixels [n, 4]."""
    import torch

    distances = sides.clamp(max=FARTHEST).exp() * STRIDE
    return torch.cat([points - distances[:, :2], points + distances[:, 2:]], 1)


def _varifocal(odds: Any, aims: Any, is_judged: Any) -> Any:
    import torch
    from torch.nn import functional

    shares = odds.detach().sigmoid()
    weight = torch.where(aims > 0, aims, OTHERS * shares**FOCUS) * is_judged
    return functional.binary_cross_entropy_with_logits(odds, aims, weight, reduction="sum")


def _overlaps(found: Any, true: Any) -> tuple[Any, Any]:
    """Intersection over union of boxes, one with one, and the generalised one, [n] each."""
    import torch

    low, high = torch.maximum(found[:, :2], true[:, :2]), torch.minimum(found[:, 2:], true[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    whole = (found[:, 2:] - found[:, :2]).prod(1) + (true[:, 2:] - true[:, :2]).prod(1) - shared
    hull = (torch.maximum(found[:, 2:], true[:, 2:]) - torch.minimum(found[:, :2], true[:, :2])).prod(1)
    overlap = shared / whole.clamp(min=1e-6)
    return overlap, overlap - (hull - whole) / hull.clamp(min=1e-6)
