"""How long one row takes in an ONNX graph, estimated from its nodes alone: the same on every machine, however busy.

Constants were measured with ONNX Runtime 1.32, one thread, on two cores of 2.5 GHz: read them as ratios.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

MICROSECONDS_AN_INPUT = 1.0  # of handing over a column
MICROSECONDS_A_NODE = 1.5  # of calling any operator
MICROSECONDS_A_FOREST = 6.0  # of calling one of trees
MICROSECONDS_A_VISIT = 0.008  # of one node of a tree, while trees fit into the cache
CACHED_NODES, CACHE_MISS = 100_000, 0.4  # trees of more nodes: visits grow dearer by this power
MICROSECONDS_A_PRODUCT = 0.0004  # of one multiplication in a matrix product
MICROSECONDS_A_RANKED = 0.003  # of one value among which TopK chooses


@dataclass(frozen=True)
class Work:
    """What one row costs. Adds up, but for the cache, which all trees share."""

    microseconds: float = 0.0  # of all but trees
    tree_visits: float = 0.0
    tree_nodes: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.microseconds + other.microseconds,
            self.tree_visits + other.tree_visits,
            self.tree_nodes + other.tree_nodes,
        )

    def __mul__(self, share: float) -> "Work":
        return Work(self.microseconds * share, self.tree_visits * share, self.tree_nodes * share)

    @property
    def milliseconds(self) -> float:
        """Of one row.

        >>> Work(100.0).milliseconds, round(Work(0.0, 10_000, 1_000_000).milliseconds, 2)
        (0.1, 0.2)
        """
        dearer = max(1.0, self.tree_nodes / CACHED_NODES) ** CACHE_MISS
        return (self.microseconds + self.tree_visits * MICROSECONDS_A_VISIT * dearer) / 1000


def work_of(nodes: Iterable[Any], sizes: dict[str, tuple[int, ...]], n_inputs: int) -> Work:
    """The work of ONNX nodes and inputs; `sizes` are the shapes of the nodes' constants by name."""
    return sum((_node_work(node, sizes) for node in nodes), Work(n_inputs * MICROSECONDS_AN_INPUT))


def _node_work(node: Any, sizes: dict[str, tuple[int, ...]]) -> Work:
    base = Work(MICROSECONDS_A_NODE)
    if inside := [attribute.g for attribute in node.attribute if attribute.HasField("g")]:
        return sum((work_of(one.node, sizes | _sizes(one), 0) for one in inside), base)
    if node.op_type == "TreeEnsembleRegressor":
        return base + _tree_work(node)
    largest = max((int(np.prod(sizes[name])) for name in node.input if name in sizes), default=0)
    if node.op_type in ("MatMul", "Gemm"):
        return base + Work(largest * MICROSECONDS_A_PRODUCT)
    if node.op_type in ("Add", "TopK"):  # distances to every row that is kept, and the choice among them
        return base + Work(largest * MICROSECONDS_A_RANKED)
    return base


def _sizes(graph: Any) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def _tree_work(node: Any) -> Work:
    """A row visits about one node more in each tree than the tree's leaves have bits."""
    trees = np.array(next(a for a in node.attribute if a.name == "nodes_treeids").ints)
    n_nodes = np.bincount(trees)
    return Work(MICROSECONDS_A_FOREST, float(np.log2(n_nodes[n_nodes > 0] + 1).sum()), float(len(trees)))
