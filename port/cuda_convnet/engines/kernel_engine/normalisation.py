"""Response and contrast normalisation, within a map and across maps, and their gradients."""

from __future__ import annotations

from math import prod

import numpy as np

from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import normalisation as table
from cuda_convnet.engines.normalisation import check_across_maps, check_within_maps, undo_scales
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import distinct


class NormalisationOperations:
    """The normalisations of a KernelEngine, which supplies `device`."""

    device: Device

    def response_norm(
        self, images: Array, denoms: Array, targets: Array, *, size_x: int, scale: float, power: float
    ) -> None:
        check_within_maps("response_norm", size_x, images=images, denoms=denoms, targets=targets)
        distinct("response_norm", {"denoms": denoms, "targets": targets}, images=images)
        self._normalise(images, images, denoms, targets, size_x, scale, power)

    def contrast_norm(
        self,
        images: Array,
        mean_diffs: Array,
        denoms: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
    ) -> None:
        arrays = {"images": images, "mean_diffs": mean_diffs, "denoms": denoms, "targets": targets}
        check_within_maps("contrast_norm", size_x, **arrays)
        written = {"mean_diffs": mean_diffs, "denoms": denoms, "targets": targets}
        distinct("contrast_norm", written, images=images)
        launch = table.mean_differences(table.Maps(*images.shape))
        self.device.launch(launch, images, mean_diffs, *images.shape, size_x, fresh=[mean_diffs])
        self._normalise(images, mean_diffs, denoms, targets, size_x, scale, power)

    def _normalise(
        self,
        images: Array,
        diffs: Array,
        denoms: Array,
        targets: Array,
        size_x: int,
        scale: float,
        power: float,
    ) -> None:
        self.device.launch(
            table.response_norm(table.Maps(*images.shape), size_x),
            images, diffs, denoms, targets, *images.shape, size_x, float(scale), float(power),
            fresh=[denoms, targets],
        )  # fmt: skip

    def response_norm_undo(
        self,
        out_grads: Array,
        denoms: Array,
        images: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        arrays = {
            "images": images,
            "out_grads": out_grads,
            "denoms": denoms,
            "acts": acts,
            "targets": targets,
        }
        check_within_maps("response_norm_undo", size_x, **arrays)
        scales = undo_scales(images.shape[0], size_x, scale_targets, scale_output)
        factors = self._factors(out_grads, denoms, acts, scale, power)
        self.device.launch(
            table.response_norm_undo(table.Maps(*images.shape), size_x),
            out_grads, denoms, images, factors, targets,
            *images.shape, size_x, float(power), *map(float, scales),
            fresh=[] if scales[0] else [targets],
        )  # fmt: skip

    def contrast_norm_undo(
        self,
        out_grads: Array,
        denoms: Array,
        mean_diffs: Array,
        acts: Array,
        targets: Array,
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

    def _factors(self, out_grads: Array, denoms: Array, acts: Array, scale: float, power: float) -> Array:
        """What the gradients sum over their windows: -2 * scale * power * out_grads * acts / denoms."""
        factors = self.device.empty(acts.shape)
        count = prod(acts.shape)
        combined = float(np.float32(-2) * np.float32(scale) * np.float32(power))
        self.device.launch(
            table.norm_factors(count),
            out_grads, denoms, acts, factors, np.uint64(count), combined,
            fresh=[factors],
        )  # fmt: skip
        return factors

    def response_norm_cross_map(
        self,
        images: Array,
        denoms: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        min_div: float = 1.0,
        blocked: bool = False,
    ) -> None:
        check_across_maps("response_norm_cross_map", size_x, images=images, denoms=denoms, targets=targets)
        distinct("response_norm_cross_map", {"denoms": denoms, "targets": targets}, images=images)
        maps = table.Maps(*images.shape)
        self.device.launch(
            table.cross_map("crossMapNorm", maps, blocked=blocked),
            images, denoms, targets, maps.channels, maps.pixels, maps.images,
            size_x, float(scale), float(power), float(min_div),
            fresh=[denoms, targets],
        )  # fmt: skip

    def response_norm_cross_map_undo(
        self,
        out_grads: Array,
        denoms: Array,
        images: Array,
        acts: Array,
        targets: Array,
        *,
        size_x: int,
        scale: float,
        power: float,
        blocked: bool = False,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        arrays = {
            "images": images,
            "out_grads": out_grads,
            "denoms": denoms,
            "acts": acts,
            "targets": targets,
        }
        check_across_maps("response_norm_cross_map_undo", size_x, **arrays)
        maps = table.Maps(*images.shape)
        factors = self._factors(out_grads, denoms, acts, scale, power)
        self.device.launch(
            table.cross_map("crossMapNormUndo", maps, blocked=blocked),
            out_grads, denoms, images, factors, targets, maps.channels, maps.pixels, maps.images,
            size_x, float(power), float(scale_targets), float(scale_output),
            fresh=[] if scale_targets else [targets],
        )  # fmt: skip

    def response_norm_cross_map_undo_v2(
        self,
        out_grads: Array,
        images: Array,
        acts: Array,
        targets: Array,
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
        maps = table.Maps(*images.shape)
        self.device.launch(
            table.cross_map("crossMapNormUndoV2", maps, blocked=blocked),
            out_grads, images, acts, targets, maps.channels, maps.pixels, maps.images,
            size_x, float(scale), float(power), float(min_div), float(scale_targets), float(scale_output),
            fresh=[] if scale_targets else [targets],
        )  # fmt: skip
