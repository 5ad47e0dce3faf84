"""Launches of the softmax tree. alexnet:src/softmaxtree.cu"""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch

FILE = "softmax_tree.cu"
WALKERS = 64
UPDATERS = 512


def by_feature(kernel: str, features: int) -> Launch:
    """One thread for each feature, which walks the tree; small blocks, for there are few threads."""
    return Launch(FILE, kernel, (WALKERS,), (-(-features // WALKERS), 1, 1), (WALKERS, 1, 1))


def by_node(nodes: int) -> Launch:
    """One block for each node."""
    return Launch(FILE, "softmax_tree_update", (UPDATERS,), (nodes, 1, 1), (UPDATERS, 1, 1))
