"""Images as such: sampling, blurring, resizing, colours, cropping, reflecting; and topographic ICA."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.images import (
    check_blur,
    check_colours,
    check_crop,
    check_nails,
    check_reflection,
    check_resize,
    check_tica,
    resize_centre,
)
from cuda_convnet.engines.numpy_engine.blocks import quiet
from cuda_convnet.engines.numpy_engine.fma import combine_exactly, fma
from cuda_convnet.engines.numpy_engine.normalisation import forward_offsets, sum_along
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray

TO_YUV = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.09991, -0.33609, 0.436], [0.615, -0.55861, -0.05639]], np.float32
)
TO_XYZ = np.array([[0.49, 0.31, 0.2], [0.17697, 0.8124, 0.01063], [0, 0.01, 0.99]], np.float32)
LAB_THRESHOLD = np.float32(0.0088564517)


def weighted(weights: HostArray, planes: HostArray) -> HostArray:
    """The sum of the planes (3, ...), times their weights."""
    return weights[0] * planes[0] + weights[1] * planes[1] + weights[2] * planes[2]


def nails(operation: str, images: HostArray, sampled: HostArray, start: int, stride: int) -> HostArray:
    """A view of the pixels of images that the nails stand on."""
    check_nails(operation, images, sampled, start=start, stride=stride)
    ends = [start + (count - 1) * stride + 1 for count in sampled.shape[1:3]]
    return images[:, start : ends[0] : stride, start : ends[1] : stride]


def source_pixels(size: int, target: int, scale: float) -> tuple[HostArray, HostArray]:
    """Where the pixels of a resized line lie in the image: the pixel below, and the exact place."""
    centre = np.full(target, resize_centre(size, target, scale), np.float32)
    positions = fma(np.arange(target, dtype=np.float32), scale, centre)
    positions = np.maximum(np.float32(0), np.minimum(np.float32(size) - np.float32(1.01), positions))
    return np.floor(positions), positions


class ImageOperations:
    """The image operations of the NumPy engine; the engine supplies `pool`."""

    pool: WorkerPool

    def bed_of_nails(
        self,
        images: HostArray,
        targets: HostArray,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        seen = nails("bed_of_nails", images, targets, start, stride)
        combine_exactly(targets, seen.copy(), scale_targets, scale_output)

    def bed_of_nails_undo(
        self,
        grads: HostArray,
        targets: HostArray,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        seen = nails("bed_of_nails_undo", targets, grads, start, stride)
        if scale_targets == 0:
            targets.fill(0)
        combine_exactly(seen, grads.copy(), scale_targets, scale_output)

    def gaussian_blur(
        self,
        images: HostArray,
        filter: HostArray,
        targets: HostArray,
        *,
        horiz: bool,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        count = check_blur("gaussian_blur", images, filter, targets, horiz=horiz)
        taps, radius, axis = filter.reshape(-1), count // 2, 2 if horiz else 1
        size = images.shape[axis]

        def work(channel: int) -> None:
            seen = np.moveaxis(images[channel], axis - 1, 0)
            total = np.zeros_like(images[channel])
            out = np.moveaxis(total, axis - 1, 0)
            for offset in range(-radius, radius + 1):
                # What the first `radius` pixels give is read from one side of the filter, the rest from the
                # other; neither side reads the last tap.
                sides = (slice(0, radius), radius + offset), (slice(radius, size), radius - offset)
                for pixels, tap in sides:
                    low, high = max(pixels.start, offset), min(pixels.stop, size + offset)
                    if low < high:
                        weight = taps[0 if tap == count - 1 else tap]
                        out[low - offset : high - offset] += weight * seen[low:high]
            combine_exactly(targets[channel], total, scale_targets, scale_output)

        self.pool.map(quiet(work), range(len(images)))

    def resize_bilinear(self, images: HostArray, targets: HostArray, *, scale: float) -> None:
        check_resize("resize_bilinear", images, targets)
        below, where = zip(
            *(source_pixels(images.shape[axis], targets.shape[axis], scale) for axis in (1, 2)), strict=True
        )
        y, x = (positions.astype(np.intp) for positions in below)
        left = (np.floor(where[1] + np.float32(1)) - where[1])[:, None]
        lower = (where[0] - below[0])[:, None, None]

        def work(channel: int) -> None:
            def along_row(rows: HostArray) -> HostArray:
                first, second = rows[:, x], rows[:, x + 1]
                return left * (first - second) + second

            upper_row, lower_row = along_row(images[channel, y]), along_row(images[channel, y + 1])
            np.add(lower * (lower_row - upper_row), upper_row, out=targets[channel])

        self.pool.map(quiet(work), range(len(images)))

    def rgb_to_yuv(self, images: HostArray, targets: HostArray) -> None:
        check_colours("rgb_to_yuv", images, targets)
        for weights, target in zip(TO_YUV, targets, strict=True):
            target[...] = weighted(weights, images)

    def rgb_to_lab(self, images: HostArray, targets: HostArray, *, center: bool) -> None:
        check_colours("rgb_to_lab", images, targets)
        x, y, z = (self._lab_function(weighted(weights, images)) for weights in TO_XYZ)
        np.subtract(116 * y, 66 if center else 16, out=targets[0])
        np.multiply(x - y, 500, out=targets[1])
        np.multiply(y - z, 200, out=targets[2])

    @staticmethod
    @np.errstate(all="ignore")
    def _lab_function(values: HostArray) -> HostArray:
        root = np.power(values, np.float32(0.3333))
        line = np.float32(7.787037) * values + np.float32(0.13793103)
        return np.where(values > LAB_THRESHOLD, root, line)

    def crop(self, images: HostArray, targets: HostArray, *, start_y: int, start_x: int) -> None:
        check_crop("crop", images, targets, start_y=start_y, start_x=start_x)
        height, width = targets.shape[1:3]
        np.copyto(targets, images[:, start_y : start_y + height, start_x : start_x + width])

    def reflect_horizontal(self, images: HostArray, targets: HostArray) -> None:
        check_reflection("reflect_horizontal", images, targets)
        np.copyto(targets, images[:, :, ::-1])

    def tica(
        self,
        images: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_tica("tica", targets, size_x=size_x, images=images)

        def work(channel: int) -> None:
            total = self._window_sum(np.square(images[channel]), size_x)
            np.sqrt(total, out=total)
            np.add(total, 0.001, out=total)
            np.reciprocal(total, out=total)
            combine_exactly(targets[channel], total, scale_targets, scale_output)

        self.pool.map(quiet(work), range(len(images)))

    def tica_grad(
        self,
        images: HostArray,
        ticas: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_tica("tica_grad", targets, size_x=size_x, images=images, ticas=ticas)

        def work(channel: int) -> None:
            total = self._window_sum(ticas[channel], size_x)
            if scale_targets != 0:
                np.sqrt(total, out=total)
            np.multiply(total, images[channel], out=total)
            np.negative(total, out=total)
            combine_exactly(targets[channel], total, scale_targets, scale_output)

        self.pool.map(quiet(work), range(len(images)))

    @staticmethod
    def _window_sum(values: HostArray, size_x: int) -> HostArray:
        rows, total = np.empty_like(values), np.empty_like(values)
        sum_along(0, forward_offsets(size_x), values, rows)
        sum_along(1, forward_offsets(size_x), rows, total)
        return total
