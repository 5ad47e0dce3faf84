"""weight_acts.cu: gradients of convolutions to their filters, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.ops import replay_ops
from alexnet2012.record import places
from cuda_convnet.engines.geometry import check_geometry
from cuda_convnet.engines.kernel_engine.launch_table.weight_acts import weight_acts
from cuda_convnet.errors import EngineError

ARCHIVED = {
    "conv_weight_acts": 34,
    "conv_weight_acts_sparse": 4,
    "local_weight_acts": 6,
    "local_weight_acts_sparse": 2,
}


@dataclass(frozen=True)
class Case:
    channels: int = 3
    img: tuple[int, int] = (5, 6)
    images: int = 33
    filters: int = 16
    size: int = 3
    stride: int = 1
    padding: int = 0
    groups: int = 1
    filter_channels: int = 0  # of sparse filters; 0 where filters see their group's share
    partial_sum: int = 0

    def __str__(self):
        return ",".join(f"{name}={value}" for name, value in vars(self).items())

    @property
    def seen(self):
        return self.filter_channels or self.channels // self.groups

    @property
    def modules(self):
        return tuple(1 + -(-(2 * self.padding + n - self.size) // self.stride) for n in self.img)

    @property
    def filter_shape(self):
        return (self.seen, self.size, self.size, self.filters)

    def arrays(self):
        random = np.random.default_rng(5)
        images = random.standard_normal((self.channels, *self.img, self.images), np.float32)
        hid_acts = random.standard_normal((self.filters, *self.modules, self.images), np.float32)
        seen = np.arange(self.groups * self.seen, dtype=np.int32) % self.channels
        if self.filter_channels:
            seen = random.permuted(seen.reshape(-1, self.channels), axis=1)
        return images, hid_acts, seen.reshape(self.groups, self.seen)

    def launch(self, partial_sum=1):
        shapes = ((self.channels, *self.img, self.images), self.filter_shape)
        geometry = check_geometry(
            "conv_weight_acts",
            *shapes,
            (self.filters, *self.modules, self.images),
            self.padding,
            self.stride,
            self.groups,
            sparse=bool(self.filter_channels),
        )
        return weight_acts(geometry, partial_sum, sparse=bool(self.filter_channels))


def sums_in_order(case, images, hid_acts, seen, modules_at_once):
    """The chunks of gradients: module by module, image by image, products rounded before they are added."""
    room = case.padding + case.size + case.stride
    padded = np.pad(images, [(0, 0), (room, room), (room, room), (0, 0)])
    per_group = case.filters // case.groups
    places = [(my, mx) for my in range(case.modules[0]) for mx in range(case.modules[1])]
    chunks = np.zeros((len(places) // modules_at_once, *case.filter_shape), np.float32)
    for m, (my, mx) in enumerate(places):
        y, x = (room - case.padding + at * case.stride for at in (my, mx))
        for group in range(case.groups):
            of_group = slice(group * per_group, (group + 1) * per_group)
            pixels = padded[seen[group], y : y + case.size, x : x + case.size]
            sums = chunks[m // modules_at_once, ..., of_group]
            for n in range(case.images):
                sums += pixels[..., n, None] * hid_acts[of_group, my, mx, n]
    return chunks


def run(engine, case, targets, *, local=False, **scales):
    """What the operation makes of `targets`."""
    images, hid_acts, seen = case.arrays()
    name = "local_weight_acts" if local else "conv_weight_acts"
    options = {"padding": case.padding, "stride": case.stride, "groups": case.groups, **scales}
    if not local:
        options["partial_sum"] = case.partial_sum
    if case.filter_channels:
        name += "_sparse"
        options["color_indices"] = engine.from_host(seen)
    given = engine.from_host(targets)
    getattr(engine, name)(engine.from_host(images), engine.from_host(hid_acts), given, **options)
    return engine.to_host(given)


def assert_in_order(engine, case, *, local=False, scale_targets=0.0, scale_output=1.0):
    modules_at_once = 1 if local else case.partial_sum or case.modules[0] * case.modules[1]
    expected = np.float32(scale_output) * sums_in_order(case, *case.arrays(), modules_at_once)
    targets = np.full(expected.shape, np.nan, np.float32)
    if scale_targets:
        targets = np.random.default_rng(2).standard_normal(expected.shape, np.float32)
        expected = np.float32(scale_targets) * targets + expected
    result = run(engine, case, targets, local=local, scale_targets=scale_targets, scale_output=scale_output)
    np.testing.assert_array_equal(result.view(np.int32), expected.view(np.int32))


TILES = [
    # few colors: 32 filters and others
    Case(channels=1, filters=32, images=64),
    Case(channels=1, filters=48, size=4),
    Case(channels=2, filters=64, size=5, padding=2, stride=2),
    Case(channels=2, filters=16, images=32),
    Case(channels=3, filters=32, size=5, stride=4, padding=1),
    Case(channels=3, filters=48, images=32, size=4, stride=3),
    # many: 8 or 4 colors, 64, 32 or 16 filters of a group
    Case(channels=16, filters=64, images=32, padding=1),
    Case(channels=8, filters=32, padding=1, stride=2),
    Case(channels=24, filters=96, groups=3, images=64, size=2),
    Case(channels=8, filters=48, size=2),
    Case(channels=12, filters=64, size=2),
    Case(channels=4, filters=32, images=32),
    Case(channels=4, filters=16),
]
"""Geometries of the original, one for each of its paths."""


@pytest.mark.parametrize("op", ARCHIVED)
def test_every_archived_case_is_reproduced_bit_for_bit(engine, op, tmp_path):
    part = tmp_path / "part.h5"
    with h5py.File(places.original_path() / "activations" / "ops.h5") as whole, h5py.File(part, "w") as file:
        file.attrs.update(whole.attrs)
        whole.copy(op, file)
    with open_archive(part) as archive:
        cases = list(replay_ops(archive, engine))
    assert len(cases) == ARCHIVED[op]
    assert [case for case in cases if not case.bitwise] == []


@pytest.mark.parametrize("case", TILES, ids=str)
def test_every_tile_sums_in_the_original_s_order(engine, case):
    assert_in_order(engine, case)


@pytest.mark.parametrize("filters", [1, 5, 17, 31, 33, 66])
@pytest.mark.parametrize("channels", [1, 5])
def test_filters_need_be_no_multiple_of_16(engine, channels, filters):
    assert_in_order(engine, Case(channels=channels, filters=filters, images=3, img=(4, 4)))


@pytest.mark.parametrize("channels", [5, 6, 7, 9, 10])
def test_channels_need_be_no_multiple_of_4(engine, channels):
    assert_in_order(engine, Case(channels=channels, filters=16, images=5, img=(4, 4), padding=1))


@pytest.mark.parametrize("channels", [2, 4, 6, 10])
def test_groups_may_be_of_few_channels_and_filters(engine, channels):
    assert_in_order(engine, Case(channels=channels, filters=6, images=7, img=(4, 4), groups=2))


@pytest.mark.parametrize("images", [1, 2, 31, 32, 33, 64, 65])
@pytest.mark.parametrize("channels", [3, 4])
def test_images_may_be_any_number(engine, channels, images):
    assert_in_order(engine, Case(channels=channels, images=images, img=(4, 4)))


def test_of_no_images_the_gradient_is_zero(engine):
    assert_in_order(engine, Case(images=0))
    assert_in_order(engine, Case(images=0), scale_targets=0.5)


@pytest.mark.parametrize("img", [(1, 1), (2, 9), (9, 3), (14, 4)])
def test_images_and_their_padding_may_have_any_shape(engine, img):
    assert_in_order(engine, Case(img=img, padding=2, images=3))
    assert_in_order(engine, Case(img=img, padding=2, images=3, channels=4, size=5, stride=2))


@pytest.mark.parametrize("partial_sum", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("channels", [3, 8])
def test_chunks_of_modules_have_a_sum_each(engine, channels, partial_sum):
    assert_in_order(engine, Case(channels=channels, partial_sum=partial_sum))


@pytest.mark.parametrize(
    "case",
    [
        Case(channels=8, filters=32, groups=2, filter_channels=4, padding=1),
        Case(channels=8, filters=64, groups=4, filter_channels=4, stride=2, partial_sum=2),
        Case(channels=16, filters=128, groups=2, filter_channels=16, images=32, size=2),
        Case(channels=6, filters=8, groups=4, filter_channels=3, size=2),
        Case(channels=4, filters=4, groups=4, filter_channels=1, size=4, stride=3, padding=2),
        Case(channels=5, filters=10, groups=2, filter_channels=5, images=2),
    ],
    ids=str,
)
def test_sparse_filters_see_the_channels_that_are_named(engine, case):
    assert_in_order(engine, case)
    assert_in_order(engine, replace(case, partial_sum=0), local=True)


@pytest.mark.parametrize("case", TILES[::3], ids=str)
def test_unshared_filters_have_a_gradient_for_each_module(engine, case):
    assert_in_order(engine, case, local=True)


@pytest.mark.parametrize(("scale_targets", "scale_output"), [(0, 0.25), (1, 1), (0.5, 2), (-2, -0.5), (1, 0)])
def test_results_are_scaled_and_added(engine, scale_targets, scale_output):
    for channels in (3, 4):
        case = Case(channels=channels, images=2, partial_sum=3)
        assert_in_order(engine, case, scale_targets=scale_targets, scale_output=scale_output)


def test_the_earlier_gradient_is_not_rounded_before_the_sum(engine):
    """3 * 11184811 = 2**25 + 1 has no float32; less 2**25 it is 1 if fused, and 0 if not."""
    case = Case(channels=1, img=(1, 1), images=1, filters=1, size=1)
    images, hid_acts, _ = case.arrays()
    targets = np.full((1, *case.filter_shape), 11184811, np.float32)
    images[...] = 1
    hid_acts[...] = -(2.0**25)
    given = engine.from_host(targets)
    engine.conv_weight_acts(
        engine.from_host(images), engine.from_host(hid_acts), given, padding=0, stride=1, scale_targets=3.0
    )
    assert engine.to_host(given).item() == 1


def test_a_hidden_unit_that_is_not_finite_shows_even_where_its_pixels_are_padding(engine):
    case = Case(img=(3, 3), padding=1, images=1)
    images, hid_acts, _ = case.arrays()
    hid_acts[2, 0, 0] = np.inf
    given = engine.empty((1, *case.filter_shape))
    engine.conv_weight_acts(engine.from_host(images), engine.from_host(hid_acts), given, padding=1, stride=1)
    spoilt = np.isnan(engine.to_host(given))
    assert spoilt[..., 2].any()
    assert not np.delete(spoilt, 2, axis=-1).any()


@pytest.mark.parametrize(
    ("case", "template"),
    [
        (
            Case(channels=3, img=(224, 224), images=128, filters=48, size=11, stride=4),
            (8, 16, 2, 3, 1, 32, False),
        ),
        (
            Case(channels=48, img=(27, 27), images=128, filters=128, size=5, padding=2),
            (4, 32, 1, 8, 2, 32, False),
        ),
        (Case(channels=128, img=(13, 13), images=128, filters=192, padding=1), (4, 32, 1, 8, 2, 32, False)),
        (
            Case(channels=3, img=(32, 32), images=100, filters=32, size=5, padding=2),
            (4, 32, 5, 3, 1, 32, True),
        ),
        (Case(channels=1, img=(8, 8), images=128, filters=64, size=3), (4, 32, 8, 1, 1, 32, False)),
        (Case(channels=1, img=(8, 8), images=128, filters=16, size=3), (8, 16, 5, 1, 1, 32, False)),
        (Case(channels=32, img=(16, 16), images=128, filters=32, size=5), (8, 16, 1, 8, 2, 32, False)),
        (Case(channels=12, img=(8, 8), images=128, filters=48, size=3), (8, 16, 1, 4, 1, 32, False)),
        (Case(channels=32, img=(8, 8), images=128, filters=128, groups=4), (8, 16, 1, 8, 2, 32, False)),
    ],
    ids=str,
)
def test_tiles_are_those_of_2012(case, template):
    launch = case.launch()
    assert launch.template == template
    assert launch.block == (template[1], template[0], 1)


def test_a_sparse_convolution_has_a_kernel_of_its_own():
    case = Case(channels=8, filters=32, groups=2, filter_channels=4)
    assert case.launch().kernel == "conv_weight_acts_sparse"
    assert replace(case, filter_channels=0).launch().kernel == "conv_weight_acts"


def test_the_grid_of_conv2_of_2012_has_a_block_for_each_tile():
    case = Case(channels=48, img=(27, 27), images=128, filters=128, size=5, padding=2)
    chunks, pixel_tiles, color_tiles, filter_tiles = 243, 7, 6, 2
    assert case.launch(partial_sum=3).grid == (chunks * pixel_tiles * color_tiles * filter_tiles, 1, 1)


def test_arrays_of_more_numbers_than_an_int_counts_are_refused(engine):
    many, one = (
        SimpleNamespace(shape=shape, dtype=np.float32, flags=SimpleNamespace(c_contiguous=True))
        for shape in ((1, 1, 1, 2**31), (1, 1, 1, 1, 1))
    )
    with pytest.raises(EngineError, match="images of 2147483648 values are more than the 2147479551"):
        engine.conv_weight_acts(many, many, one, padding=0, stride=1)


def test_arrays_that_do_not_fit_are_refused(engine):
    case = Case(partial_sum=5)
    with pytest.raises(EngineError, match="12 modules cannot be summed 5 at a time"):
        run(engine, case, np.zeros((2, *case.filter_shape), np.float32))
    with pytest.raises(EngineError, match=r"targets hold 2 chunks; 12 modules, 3 at a time, make 4"):
        run(engine, replace(case, partial_sum=3), np.zeros((2, *case.filter_shape), np.float32))
    with pytest.raises(EngineError, match="filters are 17 but hid_acts have 16 maps"):
        run(engine, replace(case, partial_sum=0), np.zeros((1, 3, 3, 3, 17), np.float32))
    with pytest.raises(EngineError, match="unshared filters are for 11 modules but hid_acts have 3x4"):
        run(engine, case, np.zeros((11, *case.filter_shape), np.float32), local=True)


@pytest.mark.parametrize("op", ["conv_weight_acts_sparse", "local_weight_acts_sparse"])
def test_a_connection_to_a_channel_that_is_not_there_is_refused(engine, op):
    case = Case(channels=8, img=(3, 3), filters=4, groups=2, filter_channels=4)
    images, hid_acts, seen = map(engine.from_host, case.arrays())
    seen = engine.to_host(seen)
    seen[1, 2] = 8
    with pytest.raises(EngineError, match=f"{op}: color_indices must lie between 0 and 7"):
        getattr(engine, op)(
            images,
            hid_acts,
            engine.empty((1, *case.filter_shape)),
            color_indices=engine.from_host(seen),
            padding=0,
            stride=1,
            groups=2,
        )
