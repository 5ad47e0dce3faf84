"""Max, maxabs, average and random pooling, and their gradients."""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table.grids import check_size
from cuda_convnet.engines.kernel_engine.launch_table.pooling import (
    local_pool,
    local_pool_undo,
    local_random_pool,
)
from cuda_convnet.engines.kernel_engine.randomness import stream_words
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.regions import Regions
from cuda_convnet.engines.shapes import distinct, same_shapes


def _regions(
    operation: str, images: Array, pooled: Array, *, size_x: int, start: int, stride: int
) -> Regions:
    check_size(operation, images=images.shape, pooled=pooled.shape)
    return Regions.of(operation, images, pooled, size_x=size_x, start=start, stride=stride)


class PoolingOperations:
    """The poolings of a KernelEngine, which supplies `device`."""

    device: Device

    def pool_max(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        regions = _regions("pool_max", images, targets, size_x=size_x, start=start, stride=stride)
        self._pool("MaxPooler", regions, images, targets)

    def pool_maxabs(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        regions = _regions("pool_maxabs", images, targets, size_x=size_x, start=start, stride=stride)
        self._pool("MaxAbsPooler", regions, images, targets)

    def pool_avg(self, images: Array, targets: Array, *, size_x: int, start: int, stride: int) -> None:
        regions = _regions("pool_avg", images, targets, size_x=size_x, start=start, stride=stride)
        self._pool("AvgPooler", regions, images, targets)

    def _pool(self, pooler: str, regions: Regions, images: Array, targets: Array) -> None:
        y, x = regions.y, regions.x
        maps, count = images.shape[0], images.shape[3]
        launch = local_pool(pooler, regions, maps, count)
        sizes = (y.pixels, x.pixels, count, y.regions, x.regions, x.size, x.start)
        if launch.kernel == "localPool":
            self.device.launch(launch, images, targets, maps, *sizes, x.stride, fresh=[targets])
        else:
            self.device.launch(launch, images, targets, *sizes, fresh=[targets])

    def pool_rand(
        self,
        images: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        key: tuple[int, int],
        counter: int,
    ) -> None:
        regions = _regions("pool_rand", images, targets, size_x=size_x, start=start, stride=stride)
        y, x = regions.y, regions.x
        maps, count = images.shape[0], images.shape[3]
        sizes = (maps, y.pixels, x.pixels, count, y.regions, x.regions, size_x, start, stride)
        launch = local_random_pool(regions, maps, count)
        self.device.launch(launch, images, targets, *sizes, *stream_words(key, counter), fresh=[targets])

    def pool_max_undo(
        self,
        images: Array,
        max_grads: Array,
        max_acts: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        same_shapes("pool_max_undo", max_acts=max_acts, max_grads=max_grads)
        same_shapes("pool_max_undo", images=images, targets=targets)
        distinct("pool_max_undo", {"targets": targets}, max_grads=max_grads, max_acts=max_acts)
        regions = _regions("pool_max_undo", images, max_acts, size_x=size_x, start=start, stride=stride)
        self._undo(
            "localMaxUndo", regions, (images, max_grads, max_acts), targets, scale_targets, scale_output
        )

    def pool_avg_undo(
        self,
        avg_grads: Array,
        targets: Array,
        *,
        size_x: int,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        regions = _regions("pool_avg_undo", targets, avg_grads, size_x=size_x, start=start, stride=stride)
        self._undo("localAvgUndo", regions, (avg_grads,), targets, scale_targets, scale_output)

    def _undo(
        self,
        kernel: str,
        regions: Regions,
        sources: tuple[Array, ...],
        targets: Array,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        y, x = regions.y, regions.x
        maps, count = targets.shape[0], targets.shape[3]
        self.device.launch(
            local_pool_undo(kernel, regions, maps, count),
            *sources,
            targets,
            maps,
            y.pixels,
            x.pixels,
            count,
            y.regions,
            x.regions,
            x.size,
            x.start,
            x.stride,
            float(scale_targets),
            float(scale_output),
            fresh=[targets] if scale_targets == 0 else [],
        )
