"""filter_acts.cu: forward convolutions, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from beside import assert_same_bits, replayed

from cuda_convnet.engines.geometry import check_geometry
from cuda_convnet.engines.kernel_engine.launch_table.filter_acts import filter_acts
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "conv_filter_acts": 24,
    "conv_filter_acts_sparse": 4,
    "local_filter_acts": 6,
    "local_filter_acts_sparse": 2,
}


@dataclass(frozen=True)
class Case:
    channels: int = 3
    img: tuple[int, int] = (4, 5)
    images: int = 33
    filters: int = 16
    size: int = 3
    stride: int = 1
    padding: int = 0
    groups: int = 1
    filter_channels: int = 0  # of sparse filters; 0 where filters see their group's share
    more_modules: int = 0  # beyond those that the image needs

    def __str__(self):
        return ",".join(f"{name}={value}" for name, value in vars(self).items())

    @property
    def seen(self):
        return self.filter_channels or self.channels // self.groups

    @property
    def modules(self):
        return tuple(
            1 + -(-(2 * self.padding + pixels - self.size) // self.stride) + self.more_modules
            for pixels in self.img
        )

    @property
    def shapes(self):
        """Of images, (shared) filters and targets."""
        return (
            (self.channels, *self.img, self.images),
            (self.seen, self.size, self.size, self.filters),
            (self.filters, *self.modules, self.images),
        )

    def arrays(self, *, local=False):
        random = np.random.default_rng(7)
        images, filters, _ = self.shapes
        if local:
            filters = (self.modules[0] * self.modules[1], *filters)
        seen = np.arange(self.groups * self.seen, dtype=np.int32) % self.channels
        if self.filter_channels:
            seen = random.permuted(seen.reshape(-1, self.channels), axis=1)
        return (
            random.standard_normal(images, np.float32),
            random.standard_normal(filters, np.float32),
            seen.reshape(self.groups, self.seen),
        )

    def launch(self):
        sparse = bool(self.filter_channels)
        geometry = check_geometry(
            "conv_filter_acts", *self.shapes, self.padding, self.stride, self.groups, sparse=sparse
        )
        return filter_acts(geometry, sparse=sparse)


def taps_in_order(channels, size):
    """(channel, y, x) of each term of a sum."""
    together = channels if channels <= 3 else 2
    for first in range(0, channels, together):
        for chunk in range(0, size**2, 4):
            for channel in range(first, min(first + together, channels)):
                for pixel in range(chunk, min(chunk + 4, size**2)):
                    yield channel, *divmod(pixel, size)


def sums_in_order(case, images, filters, seen):
    """Products are rounded before they are added where the original's threads have several images."""
    room = case.padding + (1 + case.more_modules) * case.stride + case.size
    padded = np.pad(images, [(0, 0), (room, room), (room, room), (0, 0)])
    per_group = case.filters // case.groups
    sums = np.zeros(case.shapes[2], np.float32)
    for my, mx in np.ndindex(case.modules):
        top, left = (room - case.padding + m * case.stride for m in (my, mx))
        weights = filters[my * case.modules[1] + mx] if filters.ndim == 5 else filters
        for group in range(case.groups):
            of_group = slice(group * per_group, (group + 1) * per_group)
            for channel, y, x in taps_in_order(case.seen, case.size):
                pixels = padded[seen[group, channel], top + y, left + x]
                weight = weights[channel, y, x, of_group, None]
                if case.images % 64 == 0:
                    sums[of_group, my, mx] += pixels * weight
                else:
                    sums[of_group, my, mx] = fma(pixels, weight, sums[of_group, my, mx])
    return sums


def run(engine, case, targets, *, local=False, arrays=None, **scales):
    """What the operation makes of `targets`."""
    images, filters, seen = arrays or case.arrays(local=local)
    name = "local_filter_acts" if local else "conv_filter_acts"
    options = {"padding": case.padding, "stride": case.stride, "groups": case.groups, **scales}
    if case.filter_channels:
        name += "_sparse"
        options["color_indices"] = engine.from_host(seen)
    given = engine.from_host(targets)
    getattr(engine, name)(engine.from_host(images), engine.from_host(filters), given, **options)
    return engine.to_host(given)


def assert_in_order(engine, case, *, local=False, scale_targets=0.0, scale_output=1.0):
    expected = np.float32(scale_output) * sums_in_order(case, *case.arrays(local=local))
    targets = np.full(expected.shape, np.nan, np.float32)
    if scale_targets:
        targets = np.random.default_rng(2).standard_normal(expected.shape, np.float32)
        expected = fma(targets, scale_targets, expected)
    scales = {"scale_targets": scale_targets, "scale_output": scale_output}
    assert_same_bits(run(engine, case, targets, local=local, **scales), expected)


TILES = [
    Case(channels=1, images=32, filters=32),
    Case(channels=1, images=64, size=1),
    Case(channels=2, images=128, stride=2, padding=1),
    Case(channels=3, images=64, filters=64, padding=2),
    Case(channels=3, images=128, filters=48, size=4, stride=2),
    Case(channels=4, images=128, filters=32, size=2, padding=1),
    Case(channels=6, images=33, filters=32, stride=3, padding=3),
    Case(channels=8, images=64, filters=64, groups=2, stride=2),
    Case(channels=8, images=16, groups=4, filters=64),
]
"""Geometries of the original: few channels and more, each number of images and filters of a thread."""

BEYOND = [
    Case(channels=5, images=3),
    Case(channels=7, images=64, size=2),
    Case(channels=3, filters=1, images=1),
    Case(channels=4, filters=5, images=1),
    Case(channels=4, filters=17, images=128),
    Case(channels=4, filters=33, images=2),
    Case(channels=6, filters=6, groups=2, images=7),
    Case(channels=6, filters=6, groups=6, images=7),
    Case(channels=10, filters=64, groups=2, images=31),
]
"""What the original refuses: odd numbers of channels, other than 16 filters, groups of few channels."""

SPARSE = [
    Case(channels=8, filters=32, groups=2, filter_channels=4, padding=1),
    Case(channels=8, filters=64, groups=4, filter_channels=4, images=128, stride=2),
    Case(channels=8, filters=64, groups=2, filter_channels=8, images=64, size=2),
    Case(channels=6, filters=8, groups=4, filter_channels=3, size=2),
    Case(channels=4, filters=4, groups=4, filter_channels=1, size=4, stride=3, padding=2),
    Case(channels=5, filters=10, groups=2, filter_channels=5, images=2),
]


@pytest.mark.parametrize("operation", ARCHIVED)
def test_every_archived_case_is_reproduced_bit_for_bit(engine, operation, tmp_path):
    cases = replayed(engine, operation, tmp_path)
    assert len(cases) == ARCHIVED[operation]
    assert [case for case in cases if not case.bitwise] == []


@pytest.mark.parametrize("case", TILES, ids=str)
def test_every_tile_sums_in_the_original_s_order(engine, case):
    assert_in_order(engine, case)


@pytest.mark.parametrize("case", BEYOND, ids=str)
def test_channels_and_filters_may_be_any_number(engine, case):
    assert_in_order(engine, case)


@pytest.mark.parametrize("images", [1, 2, 31, 32, 33, 63, 64, 96, 128, 192])
def test_images_may_be_any_number(engine, images):
    assert_in_order(engine, Case(images=images, img=(3, 3), channels=4))


def test_no_images_are_no_work(engine):
    assert run(engine, Case(images=0), np.empty(Case(images=0).shapes[2], np.float32)).size == 0


@pytest.mark.parametrize("img", [(1, 1), (2, 9), (9, 3)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7])
def test_filters_may_hang_over_an_image_of_any_shape(engine, img, size):
    padding = size if size > 1 else 0
    assert_in_order(engine, Case(img=img, size=size, padding=padding, images=3, channels=4))


@pytest.mark.parametrize("size", [3, 5])
def test_modules_may_lie_outside_the_image(engine, size):
    assert_in_order(engine, Case(size=size, stride=2, padding=2, more_modules=2, images=2))


@pytest.mark.parametrize("case", SPARSE, ids=str)
def test_sparse_filters_see_the_channels_that_are_named(engine, case):
    assert_in_order(engine, case)
    assert_in_order(engine, case, local=True)


@pytest.mark.parametrize("case", [*TILES[::2], *BEYOND[::3]], ids=str)
def test_every_module_has_its_unshared_filters(engine, case):
    assert_in_order(engine, case, local=True)


@pytest.mark.parametrize(("scale_targets", "scale_output"), [(0, 0.25), (1, 1), (0.3, 2), (-2, -0.7), (1, 0)])
@pytest.mark.parametrize("case", [TILES[0], TILES[3], TILES[5], BEYOND[1], SPARSE[0]], ids=str)
def test_results_are_scaled_and_added(engine, case, scale_targets, scale_output):
    assert_in_order(engine, case, scale_targets=scale_targets, scale_output=scale_output)


@pytest.mark.parametrize("images", [1, 64])
def test_a_weight_that_is_not_finite_shows_even_where_it_meets_padding(engine, images):
    case = Case(padding=1, images=images)
    pixels, filters, seen = case.arrays()
    filters[0, 0, 0, 2] = np.inf
    targets = np.full(case.shapes[2], np.nan, np.float32)
    spoilt = np.isnan(run(engine, case, targets, arrays=(pixels, filters, seen)))
    assert spoilt[2, 0].all()
    assert spoilt[2, :, 0].all()
    assert not np.delete(spoilt, 2, axis=0).any()


#                             images, filters of a thread, channels at once, fused, checked
LAUNCHES = {
    "conv1 of 2012": (
        Case(channels=3, img=(224, 224), images=128, filters=48, size=11, stride=4),
        (4, 4, 3, False, False),
    ),
    "conv2 of 2012": (
        Case(channels=48, img=(27, 27), images=128, filters=128, size=5, padding=2),
        (4, 8, 2, False, False),
    ),
    "conv1 of CIFAR-10": (
        Case(channels=3, img=(32, 32), images=128, filters=32, size=5, padding=2),
        (4, 8, 3, False, False),
    ),
    "64 images": (Case(channels=1, images=64, filters=32), (2, 8, 1, False, False)),
    "100 images": (Case(channels=3, images=100, filters=32), (1, 8, 3, True, True)),
    "32 images": (Case(channels=6, images=32), (1, 4, 2, True, False)),
    "16 filters of a group": (
        Case(channels=8, images=128, filters=64, groups=4),
        (4, 4, 2, False, False),
    ),
    "33 filters": (Case(channels=8, images=128, filters=33), (4, 4, 2, False, True)),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_tiles_are_those_of_2012(name):
    case, template = LAUNCHES[name]
    launch = case.launch()
    assert launch.template == template
    assert launch.block == (32, 4, 1)


def test_a_sparse_convolution_has_a_kernel_of_its_own():
    case = Case(channels=8, filters=32, groups=2, filter_channels=4)
    assert case.launch().kernel == "filter_acts_sparse"
    assert replace(case, filter_channels=0).launch().kernel == "filter_acts"


def test_the_grid_of_conv2_of_2012_has_a_block_for_each_module_and_32_filters():
    case = Case(channels=48, img=(27, 27), images=128, filters=128, size=5, padding=2)
    assert case.launch().grid == (27 * 27 * 128 // 32, 1, 1)


def test_each_group_has_blocks_of_its_own():
    case = Case(channels=6, filters=51, groups=3, images=33)
    blocks_of_a_group, blocks_of_images = 2, 2
    assert case.launch().grid == (blocks_of_images * blocks_of_a_group * 3 * 2 * 3, 1, 1)


def test_a_grid_that_no_gpu_takes_is_refused():
    case = Case(channels=1, img=(4096, 4096), images=1024, filters=1024, size=1)
    with pytest.raises(EngineError, match=r"a grid has up to .* blocks; take smaller arrays"):
        case.launch()


def test_arrays_that_do_not_fit_are_refused(engine):
    case = Case()
    targets = np.zeros(case.shapes[2], np.float32)
    images, filters, seen = case.arrays()
    with pytest.raises(EngineError, match="conv_filter_acts: images hold 32 cases but hid_acts 33"):
        run(engine, case, targets, arrays=(images[..., :32], filters, seen))
    with pytest.raises(EngineError, match="conv_filter_acts: filters see 2 channels, but 3 channels"):
        run(engine, case, targets, arrays=(images, filters[:2], seen))
    with pytest.raises(EngineError, match=r"local_filter_acts: filters of shape .* must have 5 axes"):
        run(engine, case, targets, arrays=(images, filters, seen), local=True)
