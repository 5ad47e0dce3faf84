"""The convolutions of the NumPy engine agree with plain loops, whatever the geometry."""

from __future__ import annotations

import tracemalloc
from functools import partial

import numpy as np
import pytest
from convolution_by_loops import Arrays, Case, assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from cuda_convnet.engines import get_engine

CASES = [
    Case(),
    Case(images=1),
    Case(images=1, channels=20, filters=33, size=5, padding=2, img=(9, 8)),
    Case(padding=1),
    Case(padding=2, size=5, img=(5, 4)),
    Case(padding=3, size=3, stride=3, img=(3, 3)),
    Case(size=1),
    Case(size=4, stride=2, padding=1, img=(7, 10)),
    Case(size=3, stride=2, img=(8, 6)),  # the last modules hang over the edge
    Case(size=5, stride=3, padding=2, img=(12, 13)),
    Case(size=11, stride=4, img=(23, 19), filters=5),
    Case(size=2, stride=2, channels=4, groups=2, images=200),
    Case(size=3, padding=1, channels=6, filters=9, groups=3),
    Case(size=3, padding=1, channels=40, filters=6, images=130, img=(9, 5)),  # pixels copied once
    Case(size=3, padding=1, channels=64, filters=80, images=33, groups=2),
    Case(size=3, stride=2, channels=40, filters=50, images=64, padding=1),
    Case(size=2, channels=200, filters=20, images=70, padding=1),
    Case(size=3, channels=3, filters=3, images=1200, padding=1),  # images taken in blocks
    Case(size=3, channels=2, filters=400, images=20, padding=1),  # filters taken in blocks
    Case(size=3, padding=1, more_modules=2),
    Case(size=7, padding=3, img=(2, 3)),  # filters larger than the image
]
LARGER = [  # whose unshared filters plain loops would be too slow for
    Case(size=3, padding=1, channels=48, filters=64, images=40, img=(13, 14)),
    Case(size=5, padding=2, channels=96, filters=80, images=64, img=(11, 9), groups=2),
    Case(size=3, padding=0, channels=64, filters=400, images=32, img=(4, 19)),
    Case(size=5, padding=1, channels=40, filters=48, images=600, img=(5, 4)),  # images taken in blocks
    Case(size=3, padding=4, channels=64, filters=48, images=48, img=(9, 12), more_modules=1),
]
SCALED = [CASES[1], CASES[9], CASES[13], CASES[14], CASES[17]]
SPARSE = [
    Case(channels=8, filters=6, groups=2, filter_channels=4, padding=1),
    Case(channels=8, filters=8, groups=4, filter_channels=4, padding=1, stride=2),
    Case(channels=6, filters=8, groups=4, filter_channels=3, size=2, images=40),
    Case(channels=64, filters=12, groups=3, filter_channels=64, padding=1, images=36),
    Case(channels=4, filters=4, groups=4, filter_channels=1, size=4, stride=3, padding=2),
]
SCALES = [(0.0, 1.0), (0.0, 0.25), (1.0, 1.0), (0.5, 2.0), (1.0, -0.5)]


def scaled(call, shape, exact, scale_targets, scale_output):
    """Makes the call on targets of earlier content, NaN where it must not be read, and checks the result."""
    before = np.random.default_rng(1).standard_normal(shape, np.float32)
    targets = before.copy() if scale_targets else np.full(shape, np.nan, np.float32)
    call(targets, scale_targets=scale_targets, scale_output=scale_output)
    assert_close(targets, scale_targets * before + scale_output * exact)


def operations(engine, arrays, *, unshared):
    """The three operations with shared or unshared filters: (name, call on targets, shape of targets)."""
    case = arrays.case
    kind, filters = ("local", arrays.unshared) if unshared else ("conv", arrays.shared)
    suffix, options = "", case.options
    if case.filter_channels:
        suffix, options = "_sparse", {**options, "color_indices": arrays.color_indices}

    def filter_acts(targets, **scales):
        operation = getattr(engine, f"{kind}_filter_acts{suffix}")
        operation(arrays.images, filters, targets, **options, **scales)

    def img_acts(targets, **scales):
        operation = getattr(engine, f"{kind}_img_acts{suffix}")
        operation(arrays.hid_acts, filters, targets if suffix else targets[0], **options, **scales)

    def weight_acts(targets, **scales):
        operation = getattr(engine, f"{kind}_weight_acts{suffix}")
        operation(arrays.images, arrays.hid_acts, targets, **options, **scales)

    yield "filter_acts", filter_acts, arrays.hid_acts.shape
    yield "img_acts", img_acts, (case.over_sample, *arrays.images.shape)
    yield "weight_acts", weight_acts, filters.shape if unshared else (1, *filters.shape)


def exact_results(arrays, *, unshared):
    by_module = arrays.weight_acts()
    return {
        "filter_acts": arrays.filter_acts(unshared),
        "img_acts": arrays.img_acts(unshared),
        "weight_acts": by_module if unshared else by_module.sum(axis=0, keepdims=True),
    }


def check(engine, case, scales, *, unshared):
    arrays = Arrays(case)
    exact = exact_results(arrays, unshared=unshared)
    for name, call, shape in operations(engine, arrays, unshared=unshared):
        for pair in scales:
            scaled(call, shape, exact[name], *pair)


@pytest.mark.parametrize("case", CASES + LARGER + SPARSE, ids=str)
def test_shared_filters_agree_with_plain_loops(engine, case):
    check(engine, case, [(0.0, 1.0)], unshared=False)


@pytest.mark.parametrize("case", CASES + SPARSE, ids=str)
def test_unshared_filters_agree_with_plain_loops(engine, case):
    check(engine, case, [(0.0, 1.0)], unshared=True)


@pytest.mark.parametrize("case", [*SCALED, *LARGER[:2], *SPARSE[:2]], ids=str)
def test_results_are_scaled_into_targets_that_are_not_read_when_their_scale_is_zero(engine, case):
    check(engine, case, SCALES, unshared=False)
    if case not in LARGER:
        check(engine, case, SCALES, unshared=True)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_small_geometry_agrees_with_plain_loops(engine, data):
    size = data.draw(st.integers(1, 5), "size")
    groups = data.draw(st.integers(1, 3), "groups")
    case = Case(
        channels=groups * data.draw(st.integers(1, 4), "channels per group"),
        img=data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)), "image"),
        images=data.draw(st.sampled_from([1, 2, 7, 50, 130]), "images"),
        filters=groups * data.draw(st.integers(1, 4), "filters per group"),
        size=size,
        stride=data.draw(st.integers(1, size), "stride"),
        padding=data.draw(st.integers(0, 4), "padding"),
        groups=groups,
        more_modules=data.draw(st.integers(0, 1), "more modules"),
    )
    scales = data.draw(st.sampled_from(SCALES), "scales")
    check(engine, case, [scales], unshared=data.draw(st.booleans(), "unshared"))


@pytest.mark.parametrize("partial_sum", [1, 2, 3, 4, 6, 8, 12, 24])
@pytest.mark.parametrize("images", [1, 70, 150], ids=lambda images: f"n{images}")
def test_weight_gradients_are_summed_over_chunks_of_consecutive_modules(engine, images, partial_sum):
    for sees, channels in (({"groups": 2}, 4), ({}, 40), ({"groups": 2, "filter_channels": 4}, 4)):
        case = Case(channels=channels, img=(4, 6), images=images, padding=1, **sees)
        arrays = Arrays(case)
        exact = arrays.weight_acts()
        exact = exact.reshape(-1, partial_sum, *exact.shape[1:]).sum(axis=1)
        operation, options = engine.conv_weight_acts, {**case.options, "partial_sum": partial_sum}
        if case.filter_channels:
            operation, options["color_indices"] = engine.conv_weight_acts_sparse, arrays.color_indices
        call = partial(operation, arrays.images, arrays.hid_acts, **options)
        for scales in SCALES[1:4]:
            scaled(call, exact.shape, exact, *scales)


def test_no_images_make_no_gradients(engine):
    for unshared in (False, True):
        for _, call, shape in operations(engine, Arrays(Case(images=0)), unshared=unshared):
            targets = np.full(shape, np.nan, np.float32)
            call(targets)
            assert not targets.any()


THREADED = [
    Case(channels=3, img=(64, 60), images=32, filters=16, size=7, stride=2),  # a panel for each core
    Case(channels=32, img=(15, 17), images=48, filters=40, size=3, padding=1),  # cores share panels
    Case(channels=64, img=(15, 17), images=48, filters=48, size=5, padding=2),
    Case(channels=32, img=(15, 9), images=3, filters=40, size=5, padding=2, groups=2),  # patches
    Case(channels=8, img=(20, 20), images=40, filters=8, groups=4, filter_channels=4, size=3, padding=1),
]


@pytest.mark.parametrize("case", THREADED, ids=str)
def test_results_are_the_same_bits_with_any_number_of_threads(case):
    arrays = Arrays(case)

    def results(threads):
        engine = get_engine("numpy", threads=threads)
        for unshared in (False, True):
            for _, call, shape in operations(engine, arrays, unshared=unshared):
                targets = np.ones(shape, np.float32)
                call(targets, scale_targets=0.5, scale_output=1.0)
                yield targets.tobytes()
                call(targets)
                yield targets.tobytes()
        if not case.filter_channels:
            targets = np.empty((case.modules[0], *arrays.shared.shape), np.float32)
            options = {**case.options, "partial_sum": case.modules[1]}
            engine.conv_weight_acts(arrays.images, arrays.hid_acts, targets, **options)
            yield targets.tobytes()

    alone = list(results(1))
    for threads in (2, 3):
        assert list(results(threads)) == alone


RUN_145 = {
    "conv1": Case(3, (224, 224), 128, 48, 11, 4, 0),
    "conv2": Case(48, (27, 27), 128, 128, 5, 1, 2),
    "conv3": Case(128, (13, 13), 128, 192, 3, 1, 1),
    "conv4": Case(192, (13, 13), 128, 192, 3, 1, 1),
}


@pytest.mark.parametrize("layer", RUN_145)
def test_a_convolution_of_run_145_takes_less_than_64_mib_beyond_its_arrays(layer):
    case = RUN_145[layer]
    engine = get_engine("numpy", threads=2)
    images = np.zeros((case.channels, *case.img, case.images), np.float32)
    filters = np.zeros((case.channels, case.size, case.size, case.filters), np.float32)
    hid_acts = np.zeros((case.filters, *case.modules, case.images), np.float32)
    grads = np.zeros((1, *filters.shape), np.float32)
    calls = [
        lambda: engine.conv_filter_acts(images, filters, hid_acts, **case.options),
        lambda: engine.conv_filter_acts(images, filters, hid_acts, scale_targets=1.0, **case.options),
        lambda: engine.conv_weight_acts(images, hid_acts, grads, **case.options),
        lambda: engine.conv_img_acts(hid_acts, filters, images, **case.options),
    ]
    for call in calls if layer != "conv1" else calls[:3]:
        tracemalloc.start()
        try:
            call()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert 0 < peak < 64 << 20
