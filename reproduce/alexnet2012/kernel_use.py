"""Which kernels are used: by archived operations and networks, by experiments, by layers in none of these.

Of the convolutions, whose kernels differ by the geometry alone: all that any geometry has.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import h5py
import numpy as np

from alexnet2012 import experiments, measure
from alexnet2012.fidelity.archive import Archive, open_archive
from alexnet2012.fidelity.archived_net import read_spec
from alexnet2012.fidelity.ops import replay_ops
from alexnet2012.record import places
from alexnet2012.undrawn import without_draws
from cuda_convnet.config import NetworkSpec, read_network
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.recording import Instance, RecordingDevice
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import EngineError
from cuda_convnet.network import ConvNet, PassType

MINIBATCH = 128
FEW_IMAGES = 16
"""Of the archived passes of run 145."""
CONVOLVED_IMAGES = (128, 64, 32, 1)
CONVOLVED_FILTERS = (64, 32, 16, 1)
CONVOLVED_CHANNELS = (1, 2, 3, 4, 8, 16)
"""Numbers of images, and in each group of filters and channels, that the launch tables tell apart."""


def used_kernels() -> list[Instance]:
    """Every kernel, with its types of arguments, that these launch, each once."""
    device = RecordingDevice()
    engine = KernelEngine(device)
    for path in places.activation_archives():
        with open_archive(path) as archive:
            if archive.kind == "ops":
                replay_all(archive, engine)
            for spec in archived_networks(archive):
                run_all_passes(spec, engine, MINIBATCH)
    for name in experiments.names():
        folder = experiments.path(name)
        spec = read_network(folder / "layers.cfg", folder / "params.cfg")
        run_all_passes(spec, engine, MINIBATCH)
        run_all_passes(spec, engine, FEW_IMAGES)
    call_rare_operations(engine)
    for images, filters, channels in product(CONVOLVED_IMAGES, CONVOLVED_FILTERS, CONVOLVED_CHANNELS):
        convolve(engine, images, filters, channels)
    return device.instances


def convolve(engine: Engine, images: int, filters: int, channels: int) -> None:
    """The operations of a convolution with so many filters and channels in one group, dense and sparse."""
    inputs, hid_acts = (engine.zeros((maps, 2, 2, images)) for maps in (channels, filters))
    weights = engine.zeros((channels, 1, 1, filters))
    input_planes, weight_chunks = (engine.zeros((1, *array.shape)) for array in (inputs, weights))
    seen: Any = np.arange(channels, dtype=np.int32).reshape(1, channels)
    how: dict[str, Any] = {"padding": 0, "stride": 1, "groups": 1}
    sparse = how | {"color_indices": engine.from_host(seen)}
    engine.conv_filter_acts(inputs, weights, hid_acts, **how)
    engine.conv_filter_acts_sparse(inputs, weights, hid_acts, **sparse)
    engine.conv_img_acts(hid_acts, weights, inputs, **how)
    engine.conv_img_acts_sparse(hid_acts, weights, input_planes, **sparse)
    engine.conv_weight_acts(inputs, hid_acts, weight_chunks, **how)
    engine.conv_weight_acts_sparse(inputs, hid_acts, weight_chunks, **sparse)


def replay_all(archive: Archive, engine: Engine) -> None:
    """Every archived operation. Raises EngineError where the engine does not take one."""
    for case in replay_ops(archive, engine):
        if case.problem:
            raise EngineError(f"{archive.name} {case.op}/{case.case}: {case.problem}")


def call_rare_operations(engine: Engine) -> None:
    """The operations of the release's rarer layers, parameters and costs."""
    a, b, c, d = (engine.zeros((10, MINIBATCH)) for _ in range(4))
    row = engine.zeros((1, MINIBATCH))
    engine.super_update(a, b, c, d, eps=0.1, mom=0.9, super_eps=0.01)
    engine.constrain_ball(a, norm=1.0)
    engine.constrain_contrast(a, norm_min=0.5, norm_max=1.0)
    engine.matrix_tile(row, a)
    engine.matrix_square(a, b)
    engine.random_normal(a, key=(1, 2), counter=0)
    images, maps = engine.zeros((16, 8, 8, MINIBATCH)), engine.zeros((16, 4, 4, MINIBATCH))
    engine.pool_rand(images, maps, size_x=3, start=0, stride=2, key=(1, 2), counter=0)
    engine.contrast_norm(
        images, *(engine.zeros(images.shape) for _ in range(3)), size_x=3, scale=0.1, power=0.5
    )
    engine.cross_entropy2_cost(a, b, c)
    engine.robust_flickr_cost(a, b, c)
    engine.multi_softmax(a, b, set_size=2)
    engine.multi_softmax_cost(row, b, a, *(engine.zeros((1, MINIBATCH)) for _ in range(3)), set_size=2)
    for add in (False, True):
        engine.cross_entropy2_grad(a, b, c, coeff=1.0, add=add)
        engine.robust_flickr_grad(a, b, c, coeff=1.0, add=add)
        engine.multi_softmax_grad(row, a, b, c, coeff=1.0, set_size=2, add=add)
    tree: dict[str, Any] = {"children": ((), (), (0, 1)), "root": 2}
    nodes, others, more = (engine.zeros((3, 64)) for _ in range(3))
    engine.softmax_tree_weights(nodes, others, **tree)
    engine.softmax_tree_grads(nodes, **tree)
    engine.softmax_tree_update(nodes, others, more, **tree, eps=0.1, mom=0.9, wc=0.0)


def archived_networks(archive: Archive) -> Iterator[NetworkSpec]:
    """The networks that an archive describes itself."""
    if archive.kind == "nets":
        for group in archive.file.values():
            if isinstance(group, h5py.Group):
                yield read_spec(archive, group, get_engine("numpy"))


def run_all_passes(spec: NetworkSpec, engine: Engine, cases: int) -> None:
    """Train, test and check gradients on one minibatch of zeros, every layer learning."""
    net = ConvNet(without_draws(measure.learning(spec)), engine=engine, minibatch_size=cases)
    sizes = {layer.spec.data_idx: layer.spec.outputs for layer in net.data_layers}
    data = [np.zeros((sizes[index], cases), np.float32) for index in sorted(sizes)]
    net.train_minibatch(data)
    net.test_minibatch(data)
    net.fprop(data, PassType.GRADIENT_CHECK)
    net.bprop(PassType.GRADIENT_CHECK)
