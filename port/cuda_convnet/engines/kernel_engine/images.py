"""Images as such: sampling, blurring, resizing, colours, cropping, reflecting; TICA; norms of filters."""

from __future__ import annotations

from cuda_convnet.engines.images import (
    check_blur,
    check_colours,
    check_crop,
    check_local_weights,
    check_nails,
    check_reflection,
    check_resize,
    check_tica,
    resize_centre,
)
from cuda_convnet.engines.kernel_engine.device import Device
from cuda_convnet.engines.kernel_engine.launch_table import images as launch_table
from cuda_convnet.engines.kernel_engine.launch_table.grids import check_size
from cuda_convnet.engines.operations import Array


class ImageOperations:
    """The image operations of a KernelEngine, which supplies `device`."""

    device: Device

    def bed_of_nails(
        self,
        images: Array,
        targets: Array,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_size("bed_of_nails", images=images.shape, targets=targets.shape)
        check_nails("bed_of_nails", images, targets, start=start, stride=stride)
        self._nails(
            "bedOfNails", images, targets, (start, stride, scale_targets, scale_output), images, targets
        )

    def bed_of_nails_undo(
        self,
        grads: Array,
        targets: Array,
        *,
        start: int,
        stride: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_size("bed_of_nails_undo", grads=grads.shape, targets=targets.shape)
        check_nails("bed_of_nails_undo", targets, grads, start=start, stride=stride)
        self._nails(
            "bedOfNailsUndo", grads, targets, (start, stride, scale_targets, scale_output), targets, grads
        )

    def _nails(
        self,
        kernel: str,
        source: Array,
        targets: Array,
        how: tuple[int, int, float, float],
        images: Array,
        sampled: Array,
    ) -> None:
        """`images` and `sampled` are source and targets, or the other way round."""
        start, stride, scale_targets, scale_output = how
        channels, height, width, count = targets.shape
        self.device.launch(
            launch_table.bed_of_nails(kernel, (height, width), channels, count),
            source,
            targets,
            channels,
            *images.shape[1:3],
            count,
            *sampled.shape[1:3],
            start,
            stride,
            float(scale_targets),
            float(scale_output),
            fresh=[targets] if scale_targets == 0 else [],
        )

    def gaussian_blur(
        self,
        images: Array,
        filter: Array,
        targets: Array,
        *,
        horiz: bool,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_size("gaussian_blur", images=images.shape, filter=filter.shape, targets=targets.shape)
        taps = check_blur("gaussian_blur", images, filter, targets, horiz=horiz)
        channels, height, width, count = images.shape
        # of a line: how many there are in a plane, how far apart they lie, and how far apart its pixels
        lines, between, step, length = (height, width, 1, width) if horiz else (width, 1, width, height)
        self.device.launch(  # no array is fresh: targets may be images
            launch_table.gaussian_blur(taps, channels * lines, count),
            images,
            filter,
            targets,
            channels * lines,
            length,
            lines,
            height * width,
            between,
            step,
            count,
            float(scale_targets),
            float(scale_output),
        )

    def resize_bilinear(self, images: Array, targets: Array, *, scale: float) -> None:
        check_size("resize_bilinear", images=images.shape, targets=targets.shape)
        check_resize("resize_bilinear", images, targets)
        (height, width), (tall, wide) = images.shape[1:3], targets.shape[1:3]
        self.device.launch(
            launch_table.resize_bilinear(targets.shape),
            images,
            targets,
            height,
            width,
            tall,
            wide,
            images.shape[3],
            float(scale),
            float(resize_centre(height, tall, scale)),
            float(resize_centre(width, wide, scale)),
            fresh=[targets],
        )

    def rgb_to_yuv(self, images: Array, targets: Array) -> None:
        check_size("rgb_to_yuv", images=images.shape, targets=targets.shape)
        check_colours("rgb_to_yuv", images, targets)
        _, height, width, count = images.shape
        launch = launch_table.rgb_to_yuv(targets.shape)
        self.device.launch(launch, images, targets, height * width, count, fresh=[targets])

    def rgb_to_lab(self, images: Array, targets: Array, *, center: bool) -> None:
        check_size("rgb_to_lab", images=images.shape, targets=targets.shape)
        check_colours("rgb_to_lab", images, targets)
        _, height, width, count = images.shape
        launch = launch_table.rgb_to_lab(targets.shape, center=center)
        self.device.launch(launch, images, targets, height * width, count, fresh=[targets])

    def crop(self, images: Array, targets: Array, *, start_y: int, start_x: int) -> None:
        check_size("crop", images=images.shape, targets=targets.shape)
        check_crop("crop", images, targets, start_y=start_y, start_x=start_x)
        sizes = (*images.shape[1:3], *targets.shape[1:3], images.shape[3])
        launch = launch_table.crop(targets.shape)
        self.device.launch(launch, images, targets, *sizes, start_y, start_x, fresh=[targets])

    def reflect_horizontal(self, images: Array, targets: Array) -> None:
        check_size("reflect_horizontal", images=images.shape, targets=targets.shape)
        check_reflection("reflect_horizontal", images, targets)
        launch = launch_table.reflect_horizontal(targets.shape)
        self.device.launch(launch, images, targets, *images.shape[1:], fresh=[targets])

    def tica(
        self,
        images: Array,
        targets: Array,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_size("tica", images=images.shape, targets=targets.shape)
        check_tica("tica", targets, size_x=size_x, images=images)
        self._tica("tica", (images,), targets, size_x, scale_targets, scale_output)

    def tica_grad(
        self,
        images: Array,
        ticas: Array,
        targets: Array,
        *,
        size_x: int,
        scale_targets: float = 0.0,
        scale_output: float = 1.0,
    ) -> None:
        check_size("tica_grad", images=images.shape, ticas=ticas.shape, targets=targets.shape)
        check_tica("tica_grad", targets, size_x=size_x, images=images, ticas=ticas)
        self._tica("ticaGrad", (images, ticas), targets, size_x, scale_targets, scale_output)

    def _tica(
        self,
        kernel: str,
        sources: tuple[Array, ...],
        targets: Array,
        size_x: int,
        scale_targets: float,
        scale_output: float,
    ) -> None:
        scales = float(scale_targets), float(scale_output)
        launch = launch_table.tica(kernel, targets.shape)
        fresh = [targets] if scale_targets == 0 else []
        self.device.launch(launch, *sources, targets, *targets.shape, size_x, *scales, fresh=fresh)

    def normalize_local_weights(self, weights: Array, *, norm: float) -> None:
        check_size("normalize_local_weights", weights=weights.shape)
        modules, size, filters = check_local_weights("normalize_local_weights", weights)
        launch = launch_table.normalize_local_weights(modules, filters)
        self.device.launch(launch, weights, modules, size, filters, float(norm))
