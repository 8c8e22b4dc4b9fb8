"""What the algorithms of trees share: how many rounds are boosted, what is told to a library, and the way into ONNX.

Not here: what one library is like; and when rounds end, which is `fitting.Patience`.
"""

from collections.abc import Iterable

from automl_assets.learning.fitting import TargetScale
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.trees import Trees, add_trees, mean_trees, rescaled
from automl_assets.parts import Config

ROUNDS_TIMES_RATE = 60.0  # at most 600 rounds at learning rate 0.1, 1,200 at 0.05: bounds size and latency


def most_rounds(config: Config, rate: float, is_validated: bool) -> int:
    """Rounds after which a fit ends: validation rows tell when, as a rule earlier; without them the configuration does."""
    return round(ROUNDS_TIMES_RATE / rate) if is_validated else config["rounds"]


def library_parameters(config: Config) -> Config:
    """What of a configuration is told to the library as it is.

    >>> library_parameters({"relative_rate": 1.0, "rounds": 200, "max_depth": 6})
    {'max_depth': 6}
    """
    return {key: value for key, value in config.items() if key not in ("relative_rate", "rounds")}


def add_mean(models: Iterable[tuple[Trees, TargetScale]], graph: Graph, x: str) -> str:
    """Adds the mean of models, each on its own scale, as one node."""
    every = [rescaled(trees, scale.spread, scale.centre) for trees, scale in models]
    return add_trees(graph, x, mean_trees(every))
