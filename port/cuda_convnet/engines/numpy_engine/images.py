"""Images as such: sampling, blurring, resizing, colours, cropping, reflecting; and topographic ICA."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.numpy_engine.blocks import flat, quiet, same_shapes
from cuda_convnet.engines.numpy_engine.fma import combine_exactly, fma
from cuda_convnet.engines.numpy_engine.normalisation import forward_offsets, sum_along
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.errors import EngineError

TO_YUV = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.09991, -0.33609, 0.436], [0.615, -0.55861, -0.05639]], np.float32
)
TO_XYZ = np.array([[0.49, 0.31, 0.2], [0.17697, 0.8124, 0.01063], [0, 0.01, 0.99]], np.float32)
LAB_THRESHOLD = np.float32(0.0088564517)


def check_images(operation: str, images: HostArray, targets: HostArray) -> None:
    """EngineError unless both are (channels, y, x, images) with the same channels and images."""
    flat(operation, images)
    flat(operation, targets)
    if images.ndim != 4 or targets.ndim != 4 or images.shape[::3] != targets.shape[::3]:
        raise EngineError(
            f"{operation}: {images.shape} and {targets.shape} must be (channels, y, x, images) with the same "
            "channels and images"
        )


def weighted(weights: HostArray, planes: HostArray) -> HostArray:
    """The sum of the planes (3, ...), times their weights."""
    return weights[0] * planes[0] + weights[1] * planes[1] + weights[2] * planes[2]


def nails(operation: str, images: HostArray, sampled: HostArray, start: int, stride: int) -> HostArray:
    """A view of the pixels of images that the nails stand on."""
    check_images(operation, images, sampled)
    if stride < 1 or start < 0:
        raise EngineError(f"{operation}: stride {stride} must be at least 1 and start {start} at least 0")
    for pixels, count in zip(images.shape[1:3], sampled.shape[1:3], strict=True):
        if start + (count - 1) * stride >= pixels:
            raise EngineError(
                f"{operation}: {count} nails from {start} on, every {stride}, do not stand on {pixels} "
                f"pixels; {max(0, -(-(pixels - start) // stride))} would"
            )
    ends = [start + (count - 1) * stride + 1 for count in sampled.shape[1:3]]
    return images[:, start : ends[0] : stride, start : ends[1] : stride]


def source_pixels(size: int, target: int, scale: float) -> tuple[HostArray, HostArray]:
    """Where the pixels of a resized line lie in the image: the pixel below, and the exact place."""
    centre = np.float32(size * 0.5 - target * 0.5 * float(np.float32(scale)))
    positions = fma(np.arange(target, dtype=np.float32), scale, np.full(target, centre, np.float32))
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
        check_images("gaussian_blur", images, targets)
        same_shapes("gaussian_blur", images=images, targets=targets)
        taps, radius, axis = filter.reshape(-1), filter.size // 2, 2 if horiz else 1
        size = images.shape[axis]
        if filter.size not in (3, 5, 7, 9) or size < filter.size:
            raise EngineError(
                f"gaussian_blur: {filter.size} taps over {size} pixels; 3, 5, 7 or 9 "
                "are possible, and no more than pixels"
            )

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
                        weight = taps[0 if tap == filter.size - 1 else tap]
                        out[low - offset : high - offset] += weight * seen[low:high]
            combine_exactly(targets[channel], total, scale_targets, scale_output)

        self.pool.map(quiet(work), range(len(images)))

    def resize_bilinear(self, images: HostArray, targets: HostArray, *, scale: float) -> None:
        check_images("resize_bilinear", images, targets)
        below, where = zip(
            *(source_pixels(images.shape[axis], targets.shape[axis], scale) for axis in (1, 2)), strict=True
        )
        y, x = (positions.astype(np.intp) for positions in below)
        if min(images.shape[1:3]) < 2:
            raise EngineError(
                f"resize_bilinear: images {images.shape} must have at least 2 pixels in each direction"
            )
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
        self._check_colours("rgb_to_yuv", images, targets)
        for weights, target in zip(TO_YUV, targets, strict=True):
            target[...] = weighted(weights, images)

    def rgb_to_lab(self, images: HostArray, targets: HostArray, *, center: bool) -> None:
        self._check_colours("rgb_to_lab", images, targets)
        x, y, z = (self._lab_function(weighted(weights, images)) for weights in TO_XYZ)
        np.subtract(116 * y, 66 if center else 16, out=targets[0])
        np.multiply(x - y, 500, out=targets[1])
        np.multiply(y - z, 200, out=targets[2])

    @staticmethod
    def _check_colours(operation: str, images: HostArray, targets: HostArray) -> None:
        check_images(operation, images, targets)
        same_shapes(operation, images=images, targets=targets)
        if len(images) != 3 or images is targets:
            raise EngineError(
                f"{operation}: images {images.shape} must have 3 channels, and targets be another array"
            )

    @staticmethod
    @np.errstate(all="ignore")
    def _lab_function(values: HostArray) -> HostArray:
        root = np.power(values, np.float32(0.3333))
        line = np.float32(7.787037) * values + np.float32(0.13793103)
        return np.where(values > LAB_THRESHOLD, root, line)

    def crop(self, images: HostArray, targets: HostArray, *, start_y: int, start_x: int) -> None:
        check_images("crop", images, targets)
        _, height, width, _ = targets.shape
        if (
            min(start_y, start_x) < 0
            or start_y + height > images.shape[1]
            or start_x + width > images.shape[2]
        ):
            raise EngineError(
                f"crop: {height}x{width} pixels from ({start_y}, {start_x}) on do not lie in "
                f"{images.shape[1]}x{images.shape[2]}"
            )
        np.copyto(targets, images[:, start_y : start_y + height, start_x : start_x + width])

    def reflect_horizontal(self, images: HostArray, targets: HostArray) -> None:
        check_images("reflect_horizontal", images, targets)
        same_shapes("reflect_horizontal", images=images, targets=targets)
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
        check_images("tica", images, targets)
        same_shapes("tica", images=images, targets=targets)

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
        check_images("tica_grad", images, targets)
        same_shapes("tica_grad", images=images, ticas=ticas, targets=targets)

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
