"""How an algorithm fits and predicts, in a program that stands alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.parts import Algorithm, Link, View


@dataclass(frozen=True)
class Learner:
    """How an algorithm fits and predicts; `parts.Algorithm` says what each of these means."""

    name: str
    fit: Callable[..., Any]
    predict: Callable[[Any, np.ndarray], np.ndarray]
    view: View
    link: Link
    with_rounds_of: Callable[..., Any]
    is_refitted: bool
    max_rows: int | None


def learner(algorithm: Algorithm) -> Learner:
    """Of an algorithm, what fitting and predicting takes."""
    return Learner(
        algorithm.name,
        algorithm.fit,
        algorithm.predict,
        algorithm.view,
        algorithm.link,
        algorithm.with_rounds_of,
        algorithm.is_refitted,
        algorithm.max_rows,
    )
