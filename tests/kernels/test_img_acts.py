"""img_acts.cu: gradients of convolutions to their input, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from beside import assert_same_bits, replayed
from hypothesis import given, settings
from hypothesis import strategies as st

from cuda_convnet.engines.geometry import check_geometry
from cuda_convnet.engines.kernel_engine.launch_table.img_acts import img_acts
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "conv_img_acts": 24,
    "conv_img_acts_sparse": 4,
    "local_img_acts": 6,
    "local_img_acts_sparse": 2,
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
    def over_sample(self):
        return self.seen * self.groups // self.channels

    @property
    def modules(self):
        return tuple(
            1 + max(0, -(-(2 * self.padding + pixels - self.size) // self.stride)) + self.more_modules
            for pixels in self.img
        )

    @property
    def shapes(self):
        """Of images, (shared) filters and hid_acts."""
        return (
            (self.channels, *self.img, self.images),
            (self.seen, self.size, self.size, self.filters),
            (self.filters, *self.modules, self.images),
        )

    @property
    def planes(self):
        """The shape of all gradients; there is one plane unless filters are sparse."""
        return (self.over_sample, *self.shapes[0])

    def arrays(self, *, local=False):
        """hid_acts, filters, and the channels that each group sees."""
        random = np.random.default_rng(7)
        _, filters, hid_acts = self.shapes
        if local:
            filters = (self.modules[0] * self.modules[1], *filters)
        seen = np.arange(self.groups * self.seen, dtype=np.int32) % self.channels
        if self.filter_channels:
            seen = random.permuted(seen.reshape(-1, self.channels), axis=1)
        return (
            random.standard_normal(hid_acts, np.float32),
            random.standard_normal(filters, np.float32),
            seen.reshape(self.groups, self.seen),
        )

    def launch(self, *, local=False):
        geometry = check_geometry(
            "conv_img_acts",
            *self.shapes,
            self.padding,
            self.stride,
            self.groups,
            sparse=bool(self.filter_channels),
        )
        return img_acts(geometry, "conv_img_acts", unshared=local)


def sums_in_order(case, hid_acts, filters, seen):
    """Modules in raster order, then filters ascending, one fused multiply-add for each."""
    room = case.padding + (1 + case.more_modules) * case.stride + case.size
    height, width = case.img
    sums = np.zeros((*case.planes[:2], height + 2 * room, width + 2 * room, case.images), np.float32)
    per_group = case.filters // case.groups
    for my, mx in np.ndindex(case.modules):
        top, left = (room - case.padding + m * case.stride for m in (my, mx))
        weights = filters[my * case.modules[1] + mx] if filters.ndim == 5 else filters
        for group in range(case.groups):
            plane = sums[group * case.seen // case.channels]
            at = seen[group], slice(top, top + case.size), slice(left, left + case.size)
            for f in range(group * per_group, (group + 1) * per_group):
                plane[at] = fma(hid_acts[f, my, mx], weights[..., f, None], plane[at])
    return sums[:, :, room : room + height, room : room + width]


def run(engine, case, targets, *, local=False, arrays=None, **scales):
    """What the operation makes of `targets`, planes of gradients."""
    hid_acts, filters, seen = arrays or case.arrays(local=local)
    name = "local_img_acts" if local else "conv_img_acts"
    options = {"padding": case.padding, "stride": case.stride, "groups": case.groups, **scales}
    if case.filter_channels:
        name += "_sparse"
        options["color_indices"] = engine.from_host(seen)
    else:
        targets = targets[0]
    given = engine.from_host(targets)
    getattr(engine, name)(engine.from_host(hid_acts), engine.from_host(filters), given, **options)
    return engine.to_host(given).reshape(case.planes)


def assert_in_order(engine, case, *, local=False, scale_targets=0.0, scale_output=1.0):
    expected = np.float32(scale_output) * sums_in_order(case, *case.arrays(local=local))
    targets = np.full(expected.shape, np.nan, np.float32)
    if scale_targets:
        targets = np.random.default_rng(2).standard_normal(expected.shape, np.float32)
        expected = fma(targets, scale_targets, expected)
    scales = {"scale_targets": scale_targets, "scale_output": scale_output}
    assert_same_bits(run(engine, case, targets, local=local, **scales), expected)


TILES = [
    Case(channels=1, images=32),
    Case(channels=2, images=64, stride=2, padding=1),
    Case(channels=3, images=128, size=4, stride=2),
    Case(channels=4, images=128, size=2, padding=1),
    Case(channels=6, images=64, filters=32, stride=3, padding=3),
    Case(channels=8, images=32, groups=2, filters=32, padding=1),
    Case(channels=8, images=128, stride=2),
    Case(channels=24, images=64),
    Case(channels=16, images=64, size=2, stride=2),
    Case(channels=32, images=128, filters=32, groups=2, padding=1),
    Case(channels=48, images=17, img=(2, 3)),
]
"""Geometries of the original: few, medium and many colors, each number of images and colors of a thread."""

BEYOND = [
    Case(channels=5, images=3),
    Case(channels=9, images=64, size=2),
    Case(channels=3, filters=1, images=1),
    Case(channels=4, filters=5, images=1),
    Case(channels=4, filters=17, images=128),
    Case(channels=16, filters=33, images=2),
    Case(channels=16, filters=30, groups=2, images=128, img=(3, 3)),
    Case(channels=6, filters=6, groups=2, images=7),
    Case(channels=6, filters=6, groups=6, images=7),
    Case(channels=10, filters=64, groups=2, images=31, img=(3, 3)),
]
"""What the original refuses: odd numbers of channels, other than 16 filters, groups of few channels."""

SPARSE = [
    Case(channels=8, filters=32, groups=2, filter_channels=4, padding=1),
    Case(channels=8, filters=64, groups=4, filter_channels=4, images=128, stride=2),
    Case(channels=8, filters=32, groups=2, filter_channels=8, images=64, size=2),
    Case(channels=16, filters=32, groups=2, filter_channels=16, images=64, img=(2, 3)),
    Case(channels=6, filters=8, groups=4, filter_channels=3, size=2),
    Case(channels=4, filters=4, groups=4, filter_channels=1, size=4, stride=3, padding=2),
    Case(channels=5, filters=10, groups=2, filter_channels=5, images=2),
    Case(channels=4, filters=16, groups=2, filter_channels=4, img=(4, 9), images=1),  # regions in a row
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
@pytest.mark.parametrize("channels", [4, 8])
def test_images_may_be_any_number(engine, channels, images):
    assert_in_order(engine, Case(images=images, img=(3, 3), channels=channels))


def test_no_images_are_no_work(engine):
    assert run(engine, Case(images=0), np.empty(Case(images=0).planes, np.float32)).size == 0


@pytest.mark.parametrize("channels", [4, 8])
@pytest.mark.parametrize("img", [(1, 1), (2, 9), (9, 3)])
@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_filters_may_hang_over_an_image_of_any_shape(engine, channels, img, size):
    padding = size if size > 1 else 0
    assert_in_order(engine, Case(img=img, size=size, padding=padding, images=3, filters=2, channels=channels))


@pytest.mark.parametrize("channels", [4, 8])
def test_modules_may_lie_outside_the_image(engine, channels):
    assert_in_order(engine, Case(stride=2, padding=2, more_modules=2, images=2, channels=channels))


@pytest.mark.parametrize("case", SPARSE, ids=str)
def test_sparse_filters_give_to_the_channels_that_are_named(engine, case):
    assert_in_order(engine, case)
    assert_in_order(engine, case, local=True)


@pytest.mark.parametrize("case", [*TILES[::2], *BEYOND[::3]], ids=str)
def test_every_module_has_its_unshared_filters(engine, case):
    assert_in_order(engine, case, local=True)


@pytest.mark.parametrize(("scale_targets", "scale_output"), [(0, 0.25), (1, 1), (0.3, 2), (-2, -0.7), (1, 0)])
@pytest.mark.parametrize("case", [TILES[2], TILES[5], TILES[8], BEYOND[1], SPARSE[0], SPARSE[3]], ids=str)
def test_results_are_scaled_and_added(engine, case, scale_targets, scale_output):
    assert_in_order(engine, case, scale_targets=scale_targets, scale_output=scale_output)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_small_geometry_sums_in_order(engine, data):
    size = data.draw(st.integers(1, 4), "size")
    groups = data.draw(st.integers(1, 3), "groups")
    case = Case(
        channels=groups * data.draw(st.sampled_from([1, 2, 3, 4, 5, 8, 16]), "channels per group"),
        img=data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)), "image"),
        images=data.draw(st.sampled_from([1, 33]), "images"),
        filters=groups * data.draw(st.sampled_from([1, 5, 16, 17]), "filters per group"),
        size=size,
        stride=data.draw(st.integers(1, size), "stride"),
        padding=data.draw(st.integers(0, 4), "padding"),
        groups=groups,
        more_modules=data.draw(st.integers(0, 1), "more modules"),
    )
    assert_in_order(engine, case, local=data.draw(st.booleans(), "local"))


CONV1 = Case(channels=3, img=(224, 224), images=128, filters=48, size=11, stride=4)
CONV2 = Case(channels=48, img=(27, 27), images=128, filters=128, size=5, padding=2)
CIFAR = Case(channels=3, img=(32, 32), images=128, filters=32, size=5, padding=2)

MANY, MEDIUM = "img_acts_manycolor", "img_acts_mediumcolor"
LAUNCHES = {
    "conv1 of 2012": (CONV1, MEDIUM, (8, 3, False, False), 56 * 56),
    "conv2 of 2012": (CONV2, MANY, (4, 32, 4, 4, False, False), 3 * 27 * 27),
    "conv1 of CIFAR-10": (CIFAR, MEDIUM, (8, 3, False, False), 8 * 8),
    "64 images of many colors": (replace(CONV2, images=64), MANY, (4, 32, 2, 4, False, False), 3 * 27 * 27),
    "96 images of many colors": (replace(CONV2, images=96), MANY, (4, 32, 1, 4, False, False), 9 * 27 * 27),
    "100 images of many colors": (replace(CONV2, images=100), MANY, (4, 32, 1, 4, True, False), 12 * 27 * 27),
    "8 colors": (replace(CONV2, channels=8), MANY, (4, 32, 4, 2, False, False), 27 * 27),
    "groups of 8 colors": (
        replace(CONV2, groups=6, filters=96),
        MANY,
        (4, 32, 4, 2, False, False),
        6 * 27 * 27,
    ),
    "64 images of few colors": (replace(CIFAR, images=64), MEDIUM, (4, 3, False, False), 8 * 8),
    "33 images of few colors": (replace(CIFAR, images=33), MEDIUM, (2, 3, True, False), 2 * 8 * 8),
    "1 color": (replace(CIFAR, channels=1), MEDIUM, (8, 1, False, False), 8 * 8),
    "12 colors": (replace(CIFAR, channels=12), MEDIUM, (8, 4, False, False), 3 * 8 * 8),
    "6 colors": (replace(CIFAR, channels=6), MEDIUM, (8, 2, False, False), 3 * 8 * 8),
    "9 colors": (replace(CIFAR, channels=9), MEDIUM, (8, 3, False, False), 3 * 8 * 8),
    "7 colors": (replace(CIFAR, channels=7), MEDIUM, (8, 1, False, False), 7 * 8 * 8),
    "20 filters": (replace(CIFAR, filters=20), MEDIUM, (8, 3, False, True), 8 * 8),
    "regions cut off": (replace(CIFAR, img=(33, 30)), MEDIUM, (8, 3, False, False), 9 * 8),
    "sparse, seen twice": (
        replace(CONV2, groups=2, filter_channels=48),
        MANY,
        (4, 32, 4, 4, False, False),
        2 * 3 * 27 * 27,
    ),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_launches_follow_the_rules_of_2012(name):
    case, kernel, template, blocks = LAUNCHES[name]
    launch = case.launch()
    assert (launch.file, launch.kernel, launch.template) == ("img_acts.cu", kernel, template)
    assert launch.grid == (blocks, 1, 1)
    assert launch.block == ((32, 4, 1) if kernel == MANY else (16, 16, 1))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (replace(CONV1, images=2**14, filters=1), "targets"),
        (replace(CONV1, filters=2**13), "hid_acts"),
        (Case(channels=2**10, filters=2**18, size=3, img=(3, 3), images=1), "filters"),
    ],
)
def test_arrays_too_large_to_be_numbered_are_refused(case, name):
    with pytest.raises(
        EngineError, match=rf"^conv_img_acts: {name} of \d+ values are more .*; take smaller arrays$"
    ):
        case.launch()


def test_unshared_filters_count_once_for_each_module():
    case = Case(channels=64, filters=2**14, size=4, img=(19, 19), images=1)
    case.launch()
    with pytest.raises(EngineError, match="filters of 4294967296 values"):
        case.launch(local=True)


def test_arrays_that_do_not_fit_are_refused(engine):
    case = SPARSE[2]
    hid_acts, filters, seen = case.arrays()
    targets = np.empty(case.planes, np.float32)
    with pytest.raises(EngineError, match=r"^conv_img_acts_sparse: each 8 color_indices in turn must name"):
        run(engine, case, targets, arrays=(hid_acts, filters, np.zeros_like(seen)))
    with pytest.raises(EngineError, match=r"^conv_img_acts_sparse: targets hold 3 gradients; .* make 2$"):
        run(engine, case, np.empty((3, *case.planes[1:]), np.float32))
    with pytest.raises(EngineError, match=r"^local_img_acts: unshared filters are for 1 modules"):
        run(
            engine,
            Case(),
            np.empty(Case().planes, np.float32),
            local=True,
            arrays=(
                np.empty(Case().shapes[2], np.float32),
                np.empty((1, *Case().shapes[1]), np.float32),
                None,
            ),
        )
