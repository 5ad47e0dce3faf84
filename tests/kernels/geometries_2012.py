"""The geometries of the networks of 2012: of layers that filter, pool or normalise images, each shape once.

`python tests/kernels/geometries_2012.py DIR` writes geometries_2012.csv from the layer files of the releases,
DIR/alexnet and DIR/cuda-convnet.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from cuda_convnet.config import read_network
from cuda_convnet.config.specs import LocalSpec, NormSpec, PoolSpec

CSV = Path(__file__).with_suffix(".csv")
RELEASES = ("alexnet", "cuda-convnet")


@dataclass(frozen=True, order=True)
class Shape:
    """`size` is the side of filters, regions or windows; `start` the first pixel of the first of them."""

    layer: str  # conv, local, pool, rnorm, cnorm, cmrnorm
    how: str  # sparse filters; the kind of pooling; blocked normalisation
    channels: int
    img_size: int
    size: int
    start: int = 0
    stride: int = 1
    outputs_x: int = 0
    filters: int = 0
    filter_channels: int = 0
    groups: int = 1
    partial_sum: int = 0

    def run(self, engine, images):
        """Everything that such a layer asks of an engine for so many images."""
        if self.layer in ("conv", "local"):
            self._filter(engine, images)
        elif self.layer == "pool":
            self._pool(engine, images)
        else:
            self._normalise(engine, images)

    def _arrays(self, engine, images):
        """The input of filters or regions, and their output."""
        whole = (self.channels, self.img_size, self.img_size, images)
        maps = self.filters or self.channels
        return engine.empty(whole), engine.empty((maps, self.outputs_x, self.outputs_x, images))

    def _filter(self, engine, images):
        whole, hidden = self._arrays(engine, images)
        modules = self.outputs_x**2
        shared = (self.filter_channels, self.size, self.size, self.filters)
        how = {"padding": -self.start, "stride": self.stride, "groups": self.groups}
        targets, sums, ending = whole, {}, ""
        if self.how == "sparse":
            times = self.groups * self.filter_channels // self.channels
            seen = np.tile(np.arange(self.channels, dtype=np.int32), times).reshape(self.groups, -1)
            how |= {"color_indices": engine.from_host(seen)}
            targets, ending = engine.empty((times, *whole.shape)), "_sparse"
        if self.layer == "conv":
            filters, chunks = shared, (modules // (self.partial_sum or modules), *shared)
            sums = {"partial_sum": self.partial_sum}
        else:
            filters = chunks = (modules, *shared)
        filters = engine.empty(filters)
        getattr(engine, f"{self.layer}_filter_acts{ending}")(whole, filters, hidden, **how)
        getattr(engine, f"{self.layer}_img_acts{ending}")(hidden, filters, targets, **how)
        getattr(engine, f"{self.layer}_weight_acts{ending}")(
            whole, hidden, engine.empty(chunks), **how, **sums
        )

    def _pool(self, engine, images):
        whole, targets = self._arrays(engine, images)
        how = {"size_x": self.size, "start": self.start, "stride": self.stride}
        drawn = {"key": (1, 2), "counter": 0} if self.how == "rand" else {}
        getattr(engine, f"pool_{self.how}")(whole, targets, **how, **drawn)
        if self.how == "avg":
            engine.pool_avg_undo(targets, whole, **how)
        else:
            engine.pool_max_undo(
                whole, targets, engine.empty(targets.shape), engine.empty(whole.shape), **how
            )

    def _normalise(self, engine, images):
        arrays = [engine.empty((self.channels, self.img_size, self.img_size, images)) for _ in range(5)]
        how = {"size_x": self.size, "scale": 0.001, "power": 0.75}
        if self.layer == "rnorm":
            engine.response_norm(*arrays[:3], **how)
            engine.response_norm_undo(*arrays, **how)
        elif self.layer == "cnorm":
            engine.contrast_norm(*arrays[:4], **how)
            engine.contrast_norm_undo(*arrays, **how)
        else:
            how |= {"blocked": self.how == "blocked"}
            engine.response_norm_cross_map(*arrays[:3], **how)
            engine.response_norm_cross_map_undo(*arrays, **how)


def shapes_of(spec):
    """Those of a network's layers."""
    for layer in spec:
        if isinstance(layer, LocalSpec):
            for i, channels in enumerate(layer.channels):
                yield Shape(
                    layer=layer.type,
                    how="sparse" if layer.rand_sparse[i] else "",
                    channels=channels,
                    img_size=layer.img_size[i],
                    size=layer.filter_size[i],
                    start=-layer.padding[i],
                    stride=layer.stride[i],
                    outputs_x=layer.modules_x,
                    filters=layer.filters,
                    filter_channels=layer.filter_channels[i],
                    groups=layer.groups[i],
                    partial_sum=getattr(layer, "partial_sum", 0),
                )
        elif isinstance(layer, PoolSpec):
            yield Shape(
                layer="pool",
                how="max" if layer.do_max else layer.pool,
                channels=layer.channels,
                img_size=layer.img_size,
                size=layer.size_x,
                start=layer.start,
                stride=layer.stride,
                outputs_x=layer.outputs_x,
            )
        elif isinstance(layer, NormSpec):
            how = "blocked" if layer.blocked else ""
            yield Shape(layer.type, how, layer.channels, layer.img_size, layer.size)


def of_releases(releases):
    """Those of all networks of 2012, in order."""
    from release_files import pairs

    files = {layers: params for release in RELEASES for layers, params in pairs(releases, release)}
    return sorted({shape for names in files.items() for shape in shapes_of(read_network(*names))})


def read():
    """Those of the file."""
    numbers = {field.name for field in fields(Shape) if field.type == "int"}
    with CSV.open(newline="", encoding="utf-8") as file:
        return [
            Shape(**{name: int(value) if name in numbers else value for name, value in row.items()})
            for row in csv.DictReader(file)
        ]


def write(shapes):
    with CSV.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, [field.name for field in fields(Shape)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(map(asdict, shapes))


if __name__ == "__main__":
    sys.path.insert(0, str(CSV.parents[1]))
    write(of_releases(Path(sys.argv[1])))
