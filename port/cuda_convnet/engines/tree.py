"""A tree of classes, in the order in which it is walked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import same_shapes
from cuda_convnet.errors import EngineError

Children = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Walk:
    """A tree of nodes, by number.

    `order`: every node, after its parent. `parents`: -1 for the root. `leaves`: how many are under each node,
    itself if it is one. The children of a node are those of `children` from `starts[node]` to
    `starts[node + 1]`. All int32.
    """

    order: NDArray[np.int32]
    parents: NDArray[np.int32]
    leaves: NDArray[np.int32]
    starts: NDArray[np.int32]
    children: NDArray[np.int32]


@lru_cache(maxsize=8)
def walk_tree(operation: str, children: Children, root: int) -> Walk:
    """The tree with these children of each node; EngineError unless it is one tree of all nodes."""
    nodes = len(children)
    order: list[int] = []
    parents = np.full(nodes, -1, np.int32)
    waiting = [(root, -1)]
    while waiting:
        node, parent = waiting.pop()
        if not 0 <= node < nodes:
            raise EngineError(f"{operation}: node {node} is none of the {nodes} nodes, which count from 0")
        if len(order) == nodes:
            raise EngineError(f"{operation}: a node has two parents, or is above itself")
        order.append(node)
        parents[node] = parent
        waiting.extend((child, node) for child in children[node])
    if len(set(order)) < nodes:
        missing = min(set(range(nodes)).difference(order))
        raise EngineError(f"{operation}: node {missing} does not hang on the root {root}")
    leaves = np.zeros(nodes, np.int32)
    for node in reversed(order):
        leaves[node] += not children[node]
        if parents[node] >= 0:
            leaves[parents[node]] += leaves[node]
    starts = np.cumsum([0, *map(len, children)], dtype=np.int32)
    flat = np.array([child for of_node in children for child in of_node], np.int32)
    return Walk(np.array(order, np.int32), parents, leaves, starts, flat)


def check_tree(operation: str, children: Children, root: int, **matrices: Array) -> Walk:
    """The walk through a tree; EngineError unless it is one, and the matrices are all (nodes, features)."""
    name, first = next(iter(matrices.items()))
    if len(first.shape) != 2 or first.shape[0] != len(children):
        raise EngineError(
            f"{operation}: {name} {first.shape} must be (nodes, features), nodes {len(children)}"
        )
    same_shapes(operation, **matrices)
    return walk_tree(operation, children, root)
