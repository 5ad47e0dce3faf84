"""Response and contrast normalisation, within a map and across maps, and their gradients.

Windows are summed along one direction after the other, and a power of 0.75 is a product of roots; both stay
within the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cuda_convnet.engines.normalisation import check_across_maps, check_within_maps, undo_scales
from cuda_convnet.engines.numpy_engine.blocks import quiet, spans
from cuda_convnet.engines.numpy_engine.fma import combine_exactly
from cuda_convnet.engines.numpy_engine.pooling import PoolingOperations
from cuda_convnet.engines.operations import HostArray
from cuda_convnet.engines.shapes import distinct

BLOCK = 1 << 18
"""Entries of a block: measured, from 2**14 to 2**19, as the fastest that still fits a second-level cache."""


def raise_to(power: float, denoms: HostArray, out: HostArray, spare: HostArray) -> None:
    """out = denoms ** power; `spare` is scratch. Denominators are positive."""
    if power == 0.75:  # all of 2012's: two roots and a product, half the cost of a power and no less exact
        np.sqrt(denoms, out=spare)
        np.sqrt(spare, out=out)
        np.multiply(out, spare, out=out)
    elif power == 0.5:
        np.sqrt(denoms, out=out)
    elif power == 1:
        np.copyto(out, denoms)
    else:
        np.power(denoms, np.float32(power), out=out)


def forward_offsets(size: int) -> range:
    """Where a window of `size` around 0 lies."""
    return range(-(size // 2), size - size // 2)


def mirrored_offsets(size: int) -> range:
    """Where the mirror image of such a window lies."""
    return range(size // 2 - size + 1, size // 2 + 1)


def sum_along(axis: int, offsets: range, values: HostArray, out: HostArray) -> None:
    """out[i] = the sum of values[i + o] over the offsets o that exist, along one axis of a block."""
    length = values.shape[axis]
    here, there = np.moveaxis(out, axis, 0), np.moveaxis(values, axis, 0)
    np.copyto(out, values)
    for offset in offsets:
        low, high = max(0, -offset), length - max(0, offset)
        if offset and low < high:
            np.add(here[low:high], there[low + offset : high + offset], out=here[low:high])


def sum_in_groups(size: int, values: HostArray, out: HostArray) -> None:
    """out[i] = the sum of the group of `size` channels that i belongs to."""
    for group in spans(len(values), size):
        out[group] = np.add.reduce(values[group], axis=0)


class NormalisationOperations(PoolingOperations):
    """The normalisations of the NumPy engine; contrast normalisation takes its means from average pooling."""

    # --- across maps: blocks of all channels at some pixels ---

    def _across(self, work: Callable[..., None], *arrays: HostArray) -> None:
        """Call `work` with blocks (channels, some pixels and images) of the arrays."""
        channels = arrays[0].shape[0]
        planes = [array.reshape(channels, -1) for array in arrays]
        width = planes[0].shape[1]
        step = max(64, BLOCK // channels)
        quietly = quiet(work)
        self.pool.map(
            lambda span: quietly(*(plane[:, span] for plane in planes)),
            spans(width, step),
            small=planes[0].size <= BLOCK,
        )

    def _scratch(self, like: HostArray, *names: str) -> list[HostArray]:
        """Scratch memory of a block's shape, for each of the names."""
        return [self.pool.scratch(f"normalisation: {name}", like.shape) for name in names]

    def response_norm_cross_map(
        self,
        images: HostArray,
        denoms: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
        min_div: float = 1.0,
        blocked: bool = False,
    ) -> None:
        operation = "response_norm_cross_map"
        check_across_maps(operation, size_x, images=images, denoms=denoms, targets=targets)
        distinct(operation, {"denoms": denoms, "targets": targets}, images=images)

        def work(image: HostArray, denom: HostArray, target: HostArray) -> None:
            squares, total = self._scratch(image, "factor", "total")
            np.square(image, out=squares)
            self._sum_channels(forward_offsets(size_x), size_x, blocked, squares, total)
            np.multiply(total, scale, out=total)
            np.add(total, min_div, out=denom)
            raise_to(power, denom, squares, total)
            np.divide(image, squares, out=target)

        self._across(work, images, denoms, targets)

    @staticmethod
    def _sum_channels(offsets: range, size_x: int, blocked: bool, values: HostArray, out: HostArray) -> None:
        if blocked:
            sum_in_groups(size_x, values, out)
        else:
            sum_along(0, offsets, values, out)

    def response_norm_cross_map_undo(
        self,
        out_grads: HostArray,
        denoms: HostArray,
        images: HostArray,
        acts: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
        blocked: bool = False,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        operation = "response_norm_cross_map_undo"
        arrays = {
            "images": images,
            "out_grads": out_grads,
            "denoms": denoms,
            "acts": acts,
            "targets": targets,
        }
        check_across_maps(operation, size_x, **arrays)

        def work(
            grad: HostArray, denom: HostArray, image: HostArray, act: HostArray, target: HostArray
        ) -> None:
            factor, total = self._scratch(image, "factor", "total")
            np.multiply(grad, act, out=factor)
            np.divide(factor, denom, out=factor)
            self._sum_channels(mirrored_offsets(size_x), size_x, blocked, factor, total)
            np.multiply(total, -2 * scale * power, out=total)
            self._finish_undo(grad, denom, image, total, factor, target, power, scale_targets, scale_output)

        self._across(work, out_grads, denoms, images, acts, targets)

    def _finish_undo(
        self,
        grad: HostArray,
        denom: HostArray,
        image: HostArray,
        total: HostArray,
        spare: HostArray,
        target: HostArray,
        power: float,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        """result = image * total + grad * denom**-power; total and spare are scratch."""
        np.multiply(total, image, out=total)
        (root,) = self._scratch(image, "root")
        raise_to(power, denom, spare, root)
        np.divide(grad, spare, out=spare)
        if scale_targets == 0 and scale_output == 1:
            np.add(total, spare, out=target)
        else:
            np.add(total, spare, out=total)
            combine_exactly(target, total, scale_targets, scale_output)

    def response_norm_cross_map_undo_v2(
        self,
        out_grads: HostArray,
        images: HostArray,
        acts: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
        min_div: float = 1.0,
        blocked: bool = False,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        operation = "response_norm_cross_map_undo_v2"
        check_across_maps(operation, size_x, images=images, out_grads=out_grads, acts=acts, targets=targets)
        distinct(operation, {"targets": targets}, images=images, out_grads=out_grads, acts=acts)

        def work(grad: HostArray, image: HostArray, act: HostArray, target: HostArray) -> None:
            factor, total, denom, spare = self._scratch(image, "factor", "total", "denom", "spare")
            np.add(image, act == 0, out=spare)
            np.divide(act, spare, out=spare)
            np.power(spare, np.float32(1 / power), out=spare)
            np.multiply(grad, act, out=factor)
            np.multiply(factor, spare, out=factor)
            np.square(image, out=spare)
            self._sum_channels(forward_offsets(size_x), size_x, blocked, spare, denom)
            np.multiply(denom, scale, out=denom)
            np.add(denom, min_div, out=denom)
            self._sum_channels(mirrored_offsets(size_x), size_x, blocked, factor, total)
            np.multiply(total, -2 * power * scale, out=total)
            np.multiply(total, image, out=total)
            raise_to(power, denom, factor, spare)
            np.divide(grad, factor, out=factor)
            np.add(total, factor, out=total)
            combine_exactly(target, total, scale_targets, scale_output)

        self._across(work, out_grads, images, acts, targets)

    # --- within a map: blocks of some images of one map ---

    def _within(self, work: Callable[..., None], *arrays: HostArray) -> None:
        """Call `work` with blocks (y, x, some images) of each map of the arrays."""
        channels, *pixels, count = arrays[0].shape
        step = max(32, BLOCK // max(1, int(np.prod(pixels))))
        blocks = [(channel, span) for channel in range(channels) for span in spans(count, step)]
        quietly = quiet(work)

        def block_work(block: tuple[int, slice]) -> None:
            channel, span = block
            quietly(*(array[channel, ..., span] for array in arrays))

        self.pool.map(block_work, blocks, small=arrays[0].size <= BLOCK)

    def _sum_window(self, offsets: range, values: HostArray, out: HostArray, spare: HostArray) -> None:
        sum_along(0, offsets, values, spare)
        sum_along(1, offsets, spare, out)

    def _denoms_and_acts(
        self,
        squares: HostArray,
        image: HostArray,
        denom: HostArray,
        target: HostArray,
        call: dict[str, Any],
    ) -> None:
        """From squares, which are scratch, denoms and targets."""
        total, spare = self._scratch(image, "total", "spare")
        self._sum_window(forward_offsets(call["size_x"]), squares, total, spare)
        np.multiply(total, call["scale"], out=total)
        np.add(total, 1, out=denom)
        raise_to(call["power"], denom, total, spare)
        np.divide(image, total, out=target)

    def response_norm(
        self,
        images: HostArray,
        denoms: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
    ) -> None:
        check_within_maps("response_norm", size_x, images=images, denoms=denoms, targets=targets)
        distinct("response_norm", {"denoms": denoms, "targets": targets}, images=images)
        call = {"size_x": size_x, "scale": scale, "power": power}

        def work(image: HostArray, denom: HostArray, target: HostArray) -> None:
            (squares,) = self._scratch(image, "factor")
            np.square(image, out=squares)
            self._denoms_and_acts(squares, image, denom, target, call)

        self._within(work, images, denoms, targets)

    def contrast_norm(
        self,
        images: HostArray,
        mean_diffs: HostArray,
        denoms: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
    ) -> None:
        arrays = {"images": images, "mean_diffs": mean_diffs, "denoms": denoms, "targets": targets}
        check_within_maps("contrast_norm", size_x, **arrays)
        written = {"mean_diffs": mean_diffs, "denoms": denoms, "targets": targets}
        distinct("contrast_norm", written, images=images)
        call = {"size_x": size_x, "scale": scale, "power": power}
        self.pool_avg(images, mean_diffs, size_x=size_x, start=-(size_x // 2), stride=1)

        def work(image: HostArray, mean_diff: HostArray, denom: HostArray, target: HostArray) -> None:
            np.subtract(image, mean_diff, out=mean_diff)
            (squares,) = self._scratch(image, "factor")
            np.square(mean_diff, out=squares)
            self._denoms_and_acts(squares, image, denom, target, call)

        self._within(work, images, mean_diffs, denoms, targets)

    def response_norm_undo(
        self,
        out_grads: HostArray,
        denoms: HostArray,
        images: HostArray,
        acts: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        operation = "response_norm_undo"
        arrays = {
            "images": images,
            "out_grads": out_grads,
            "denoms": denoms,
            "acts": acts,
            "targets": targets,
        }
        check_within_maps(operation, size_x, **arrays)
        scale_targets, scale_output = undo_scales(images.shape[0], size_x, scale_targets, scale_output)

        def work(
            grad: HostArray, denom: HostArray, image: HostArray, act: HostArray, target: HostArray
        ) -> None:
            factor, total, spare = self._scratch(image, "factor", "total", "spare")
            np.multiply(grad, act, out=factor)
            np.divide(factor, denom, out=factor)
            self._sum_window(mirrored_offsets(size_x), factor, total, spare)
            np.multiply(total, -2 * scale * power, out=total)
            self._finish_undo(grad, denom, image, total, factor, target, power, scale_targets, scale_output)

        self._within(work, out_grads, denoms, images, acts, targets)

    def contrast_norm_undo(
        self,
        out_grads: HostArray,
        denoms: HostArray,
        mean_diffs: HostArray,
        acts: HostArray,
        targets: HostArray,
        *,
        size_x: int,
        scale: float,
        power: float,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        self.response_norm_undo(
            out_grads,
            denoms,
            mean_diffs,
            acts,
            targets,
            size_x=size_x,
            scale=scale,
            power=power,
            scale_targets=scale_targets,
            scale_output=scale_output,
        )
