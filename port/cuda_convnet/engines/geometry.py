"""What a convolution's arrays must agree on, checked once before any arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cuda_convnet.engines.operations import Array
from cuda_convnet.errors import EngineError

# for each group of filters the channels that it sees; None where it sees its own equal share of them
Connections: TypeAlias = list[list[int]] | None


@dataclass(frozen=True)
class Geometry:
    """The sizes of one convolution; modules are the places at which the filters are applied.

    Module (y, x) starts at pixel (y * stride - padding, x * stride - padding); pixels outside read as 0.
    """

    channels: int
    img_y: int
    img_x: int
    images: int
    filters: int
    size: int
    modules_y: int
    modules_x: int
    padding: int
    stride: int
    groups: int
    filter_channels: int  # channels that one filter sees

    @property
    def modules(self) -> int:
        return self.modules_y * self.modules_x

    @property
    def over_sample(self) -> int:
        """How many groups see each channel; 1 unless connections are sparse."""
        return self.filter_channels * self.groups // self.channels

    def filters_of(self, group: int) -> slice:
        return slice(group * self.filters // self.groups, (group + 1) * self.filters // self.groups)

    def channels_of(self, group: int) -> slice:
        """The channels that a group sees, unless connections are sparse."""
        return slice(group * self.filter_channels, (group + 1) * self.filter_channels)

    def sample_of(self, group: int) -> int:
        """Which of the over_sample times that channels are seen a group belongs to."""
        return group * self.filter_channels // self.channels


def check_geometry(
    operation: str,
    images: tuple[int, ...],
    filters: tuple[int, ...],
    hid_acts: tuple[int, ...],
    padding: int,
    stride: int,
    groups: int,
    *,
    sparse: bool = False,
    unshared: bool = False,
) -> Geometry:
    """The geometry of an operation between arrays of these shapes.

    images (channels, img_y, img_x, N), filters (filter_channels, size, size, F), with the modules first
    when they are unshared, hid_acts (F, modules_y, modules_x, N); one of the three is the operation's
    `targets`, which the message calls by its part in the geometry. Raises EngineError when they do not fit,
    when the modules leave part of the image unvisited, or when the stride is larger than the filter
    (cuda-convnet:src/cudaconv2/filter_acts.cu, img_acts.cu and weight_acts.cu assert the same).
    """

    def refuse(reason: str) -> EngineError:
        return EngineError(f"{operation}: {reason}")

    for name, shape, rank in (
        ("images", images, 4),
        ("filters", filters, 5 if unshared else 4),
        ("hid_acts", hid_acts, 4),
    ):
        if len(shape) != rank:
            raise refuse(f"{name} of shape {shape} must have {rank} axes")
    channels, img_y, img_x, num_images = images
    num_filters, modules_y, modules_x, hid_images = hid_acts
    filter_channels, size, size_x, filter_count = filters[-4:]
    modules = modules_y * modules_x
    if stride < 1 or padding < 0 or groups < 1:
        raise refuse(f"stride {stride}, padding {padding} and groups {groups} must be at least 1, 0 and 1")
    if num_images != hid_images:
        raise refuse(f"images hold {num_images} cases but hid_acts {hid_images}")
    if size != size_x:
        raise refuse(f"filters are {size} by {size_x} pixels; they must be square")
    if num_filters != filter_count:
        raise refuse(f"filters are {filter_count} but hid_acts have {num_filters} maps")
    if num_filters == 0 or num_filters % groups:
        raise refuse(f"{num_filters} filters cannot be divided into {groups} groups")
    if unshared and filters[0] != modules:
        raise refuse(
            f"unshared filters are for {filters[0]} modules but hid_acts have {modules_y}x{modules_x}"
        )
    if sparse:
        if filter_channels == 0 or channels % filter_channels:
            raise refuse(
                f"{channels} channels must be a multiple of the {filter_channels} that a filter sees"
            )
        if filter_channels * groups % channels:
            raise refuse(
                f"{groups} groups of {filter_channels} channels do not see each of the {channels} channels"
                " equally often"
            )
    elif channels == 0 or channels % groups or filter_channels != channels // groups:
        raise refuse(
            f"filters see {filter_channels} channels, but {channels} channels in {groups} groups are"
            f" {channels / groups:g} each"
        )
    if stride > size:
        raise refuse(
            f"stride {stride} is larger than the filter size {size}; pixels between would be left out"
        )
    for axis, count, pixels in (("y", modules_y, img_y), ("x", modules_x, img_x)):
        reach = (count - 1) * stride + size - padding
        if count < 1 or reach < pixels:
            raise refuse(
                f"{count} modules along {axis} reach pixel {max(reach, 0)} of {pixels} and leave the rest"
                f" unvisited; {1 + -(-(2 * padding + pixels - size) // stride)} modules would do"
            )
    return Geometry(
        channels=channels,
        img_y=img_y,
        img_x=img_x,
        images=num_images,
        filters=num_filters,
        size=size,
        modules_y=modules_y,
        modules_x=modules_x,
        padding=padding,
        stride=stride,
        groups=groups,
        filter_channels=filter_channels,
    )


def check_partial_sum(operation: str, targets: tuple[int, ...], partial_sum: int, geometry: Geometry) -> int:
    """The modules of one chunk of weight gradients (chunks, ...).

    Raises EngineError where chunks do not come out even.
    """
    modules = geometry.modules
    length = partial_sum or modules
    if length < 0 or modules % length:
        raise EngineError(f"{operation}: {modules} modules cannot be summed {partial_sum} at a time")
    if targets[0] != modules // length:
        raise EngineError(
            f"{operation}: targets hold {targets[0]} chunks; {modules} modules, {length} at a time, make"
            f" {modules // length}"
        )
    return length


def check_over_sample(operation: str, targets: tuple[int, ...], geometry: Geometry) -> None:
    """Raises EngineError unless there is a gradient (over_sample, ...) for each time channels are seen."""
    if targets[0] != geometry.over_sample:
        raise EngineError(
            f"{operation}: targets hold {targets[0]} gradients; {geometry.groups} groups that see"
            f" {geometry.filter_channels} of {geometry.channels} channels make {geometry.over_sample}"
        )


def check_connections(
    operation: str, color_indices: Array, geometry: Geometry, *, once: bool
) -> list[list[int]]:
    """The channels that each group sees, from color_indices int32 (groups, filter_channels).

    `once`: each sample of groups must see every channel exactly once. Raises EngineError where they do not,
    and for other shapes and for channels that are not there.
    """
    expected = (geometry.groups, geometry.filter_channels)
    if color_indices.shape != expected:
        raise EngineError(f"{operation}: color_indices of shape {color_indices.shape} must be {expected}")
    connections: list[list[int]] = np.asarray(color_indices).tolist()
    if any(not 0 <= channel < geometry.channels for group in connections for channel in group):
        raise EngineError(f"{operation}: color_indices must lie between 0 and {geometry.channels - 1}")
    if once:
        samples = np.sort(np.reshape(color_indices, (geometry.over_sample, geometry.channels)), axis=1)
        if (samples != np.arange(geometry.channels)).any():
            raise EngineError(
                f"{operation}: each {geometry.channels} color_indices in turn must name every channel once"
            )
    return connections
