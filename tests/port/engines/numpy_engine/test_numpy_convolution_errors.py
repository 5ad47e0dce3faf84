"""Arrays that do not fit one another are refused in one line that says what would fit."""

from __future__ import annotations

import numpy as np
import pytest

from cuda_convnet.errors import EngineError


def zeros(*shape):
    return np.zeros(shape, np.float32)


def indices(*rows):
    return np.array(rows, np.int32)


IMAGES, FILTERS, ACTS = (4, 6, 6, 2), (4, 3, 3, 8), (8, 4, 4, 2)

REFUSED = {
    "cases differ": ((4, 6, 6, 3), FILTERS, ACTS, {}, "images hold 3 cases but hid_acts 2"),
    "images without an axis": ((4, 36, 2), FILTERS, ACTS, {}, "images of shape (4, 36, 2) must have 4 axes"),
    "filters are not square": (IMAGES, (4, 3, 2, 8), ACTS, {}, "3 by 2 pixels; they must be square"),
    "filters and maps differ": (IMAGES, (4, 3, 3, 6), ACTS, {}, "filters are 6 but hid_acts have 8 maps"),
    "channels differ": (
        IMAGES,
        (3, 3, 3, 8),
        ACTS,
        {},
        "filters see 3 channels, but 4 channels in 1 groups are 4",
    ),
    "channels not divided": (
        IMAGES,
        FILTERS,
        ACTS,
        {"groups": 3},
        "8 filters cannot be divided into 3 groups",
    ),
    "groups see too much": (IMAGES, FILTERS, ACTS, {"groups": 2}, "4 channels in 2 groups are 2 each"),
    "stride beyond the filter": (
        IMAGES,
        FILTERS,
        (8, 2, 2, 2),
        {"stride": 4},
        "stride 4 is larger than the filter",
    ),
    "stride zero": (IMAGES, FILTERS, ACTS, {"stride": 0}, "stride 0"),
    "negative padding": (IMAGES, FILTERS, ACTS, {"padding": -1}, "padding -1"),
    "rows unvisited": (
        IMAGES,
        FILTERS,
        (8, 3, 4, 2),
        {},
        "along y reach pixel 5 of 6 and leave the rest unvisited; 4",
    ),
    "columns unvisited": (
        IMAGES,
        FILTERS,
        (8, 4, 2, 2),
        {"stride": 1},
        "2 modules along x reach pixel 4 of 6",
    ),
    "padding moves modules away": (IMAGES, FILTERS, ACTS, {"padding": 1}, "reach pixel 5 of 6"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_shapes_that_do_not_fit_are_refused_by_all_three_operations(engine, reason):
    images, filters, acts, options, message = REFUSED[reason]
    options = {"padding": 0, "stride": 1, **options}
    calls = {
        "conv_filter_acts": lambda: engine.conv_filter_acts(
            zeros(*images), zeros(*filters), zeros(*acts), **options
        ),
        "conv_img_acts": lambda: engine.conv_img_acts(
            zeros(*acts), zeros(*filters), zeros(*images), **options
        ),
        "conv_weight_acts": lambda: engine.conv_weight_acts(
            zeros(*images), zeros(*acts), zeros(1, *filters), **options
        ),
    }
    for name, call in calls.items():
        with pytest.raises(EngineError) as refusal:
            call()
        assert str(refusal.value).startswith(name + ": ")
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_modules_beyond_the_image_are_allowed(engine):
    acts = np.full((8, 9, 9, 2), np.nan, np.float32)
    engine.conv_filter_acts(
        np.ones(IMAGES, np.float32), np.ones(FILTERS, np.float32), acts, padding=0, stride=1
    )
    assert not acts[:, 6:].any()
    assert acts[0, 0, 0, 0] == 36


def test_unshared_filters_must_be_one_set_for_each_module(engine):
    with pytest.raises(EngineError, match="unshared filters are for 15 modules but hid_acts have 4x4"):
        engine.local_filter_acts(zeros(*IMAGES), zeros(15, *FILTERS), zeros(*ACTS), padding=0, stride=1)


@pytest.mark.parametrize(
    ("chunks", "partial_sum", "message"),
    [
        (3, 5, "16 modules cannot be summed 5 at a time"),
        (2, 4, "targets hold 2 chunks; 16 modules, 4 at a time, make 4"),
        (2, 0, "targets hold 2 chunks; 16 modules, 16 at a time, make 1"),
        (1, -1, "16 modules cannot be summed -1 at a time"),
    ],
)
def test_chunks_of_weight_gradients_must_come_out_even(engine, chunks, partial_sum, message):
    with pytest.raises(EngineError, match=message):
        engine.conv_weight_acts(
            zeros(*IMAGES),
            zeros(*ACTS),
            zeros(chunks, *FILTERS),
            padding=0,
            stride=1,
            partial_sum=partial_sum,
        )


@pytest.mark.parametrize(
    ("filter_channels", "groups", "color_indices", "message"),
    [
        (3, 4, indices((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)), "4 channels must be a multiple of the 3"),
        (1, 2, indices((0,), (1,)), "do not see each of the 4 channels equally often"),
        (2, 2, indices((0, 1)), r"color_indices of shape \(1, 2\) must be \(2, 2\)"),
        (2, 2, indices((0, 1), (2, 4)), "color_indices must lie between 0 and 3"),
        (2, 2, indices((0, 1), (-1, 3)), "color_indices must lie between 0 and 3"),
    ],
)
def test_sparse_connections_must_name_channels_that_are_there(
    engine, filter_channels, groups, color_indices, message
):
    options = {"padding": 0, "stride": 1, "groups": groups, "color_indices": color_indices}
    with pytest.raises(EngineError, match=message):
        engine.conv_filter_acts_sparse(
            zeros(*IMAGES), zeros(filter_channels, 3, 3, 8), zeros(*ACTS), **options
        )
    with pytest.raises(EngineError, match=message):
        engine.local_weight_acts_sparse(
            zeros(*IMAGES), zeros(*ACTS), zeros(16, filter_channels, 3, 3, 8), **options
        )


def test_image_gradients_of_sparse_filters_need_every_channel_once_in_each_sample(engine):
    options = {"padding": 0, "stride": 1, "groups": 2}
    for name, filters in (("conv", (2, 3, 3, 8)), ("local", (16, 2, 3, 3, 8))):
        img_acts = getattr(engine, f"{name}_img_acts_sparse")
        with pytest.raises(EngineError, match="each 4 color_indices in turn must name every channel once"):
            img_acts(
                zeros(*ACTS),
                zeros(*filters),
                zeros(1, *IMAGES),
                color_indices=indices((0, 1), (1, 2)),
                **options,
            )
        with pytest.raises(
            EngineError, match="targets hold 2 gradients; 2 groups that see 2 of 4 channels make 1"
        ):
            img_acts(
                zeros(*ACTS),
                zeros(*filters),
                zeros(2, *IMAGES),
                color_indices=indices((0, 1), (2, 3)),
                **options,
            )


def test_arrays_of_another_type_or_order_are_refused(engine):
    with pytest.raises(EngineError, match="images is float64; it must be float32 in C order"):
        engine.conv_filter_acts(np.zeros(IMAGES), zeros(*FILTERS), zeros(*ACTS), padding=0, stride=1)
    with pytest.raises(EngineError, match="targets is float32, not in C order"):
        engine.conv_filter_acts(
            zeros(*IMAGES), zeros(*FILTERS), np.asfortranarray(zeros(*ACTS)), padding=0, stride=1
        )
