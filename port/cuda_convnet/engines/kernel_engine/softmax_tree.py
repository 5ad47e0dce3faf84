"""The weights of classes that are the leaves of a tree, of a KernelEngine."""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import softmax_tree as table
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.tree import Children, check_tree


class SoftmaxTreeOperations:
    """The softmax tree of a KernelEngine, which supplies `device`."""

    device: Device

    def softmax_tree_weights(self, offsets: Array, targets: Array, *, children: Children, root: int) -> None:
        walk = check_tree("softmax_tree_weights", children, root, offsets=offsets, targets=targets)
        order, parents = map(self.device.from_host, (walk.order, walk.parents))
        launch = table.by_feature("softmax_tree_weights", offsets.shape[1])
        self.device.launch(launch, offsets, targets, order, parents, *offsets.shape, fresh=[targets])

    def softmax_tree_grads(self, grads: Array, *, children: Children, root: int) -> None:
        walk = check_tree("softmax_tree_grads", children, root, grads=grads)
        if walk.children.size == 0:
            return
        lists = map(self.device.from_host, (walk.order, walk.starts, walk.children))
        launch = table.by_feature("softmax_tree_grads", grads.shape[1])
        self.device.launch(launch, grads, *lists, *grads.shape)

    def softmax_tree_update(
        self,
        weights: Array,
        inc: Array,
        grads: Array,
        *,
        children: Children,
        root: int,
        eps: float,
        mom: float,
        wc: float,
    ) -> None:
        walk = check_tree("softmax_tree_update", children, root, weights=weights, inc=inc, grads=grads)
        nodes, features = weights.shape
        leaves = self.device.from_host(walk.leaves)
        scalars = float(eps), float(mom), float(wc)
        self.device.launch(table.by_node(nodes), weights, inc, grads, leaves, features, *scalars)
