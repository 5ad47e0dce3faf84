"""The weights of classes that are the leaves of a tree. alexnet:src/softmaxtree.cu"""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.tree import Children, check_tree


class SoftmaxTreeOperations:
    """The softmax tree of the NumPy engine."""

    def softmax_tree_weights(
        self, offsets: HostArray, targets: HostArray, *, children: Children, root: int
    ) -> None:
        walk = check_tree("softmax_tree_weights", children, root, offsets=offsets, targets=targets)
        for node in walk.order:
            parent = walk.parents[node]
            targets[node] = offsets[node] if parent < 0 else targets[parent] + offsets[node]

    def softmax_tree_grads(self, grads: HostArray, *, children: Children, root: int) -> None:
        walk = check_tree("softmax_tree_grads", children, root, grads=grads)
        for node in reversed(walk.order):
            if children[node]:
                total = np.zeros(grads.shape[1], np.float32)
                for child in children[node]:
                    total += grads[child]
                grads[node] = total

    def softmax_tree_update(
        self,
        weights: HostArray,
        inc: HostArray,
        grads: HostArray,
        *,
        children: Children,
        root: int,
        eps: float,
        mom: float,
        wc: float,
    ) -> None:
        walk = check_tree("softmax_tree_update", children, root, weights=weights, inc=inc, grads=grads)
        leaves = walk.leaves[:, None].astype(np.float32)
        node_eps, node_wc = np.float32(eps) / leaves, np.float32(wc) / leaves
        inc[...] = np.float32(mom) * inc + node_eps * (grads - node_wc * weights)
        weights += inc
