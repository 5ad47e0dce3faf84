"""The operations once more: float64, one loop inside the other, nothing clever."""

import numpy as np

EPS = 2.0**-23


def random(seed, *shape, grid=None):
    """Normal float32 values; on a grid they have ties."""
    values = np.random.RandomState(seed).randn(*shape)
    return (np.round(values * grid) / grid if grid else values).astype(np.float32)


def unread(*shape):
    return np.full(shape, np.nan, np.float32)


def assert_close(ours, plain, roundings):
    """Within `roundings` float32 roundings on both sides, in units of the largest entry."""
    np.testing.assert_allclose(ours, plain, rtol=0, atol=roundings * EPS * np.abs(plain).max())


def assert_same_bits(ours, expected):
    np.testing.assert_array_equal(
        np.ascontiguousarray(ours, np.float32).view(np.int32),
        np.ascontiguousarray(expected, np.float32).view(np.int32),
    )


def regions(pixels, count, size, start, stride):
    """The pixels of each region along one direction."""
    return [range(max(0, start + o * stride), min(pixels, start + o * stride + size)) for o in range(count)]


def window(size, i, length):
    return range(max(0, i - size // 2), min(length, i - size // 2 + size))


def mirror(size, i, length):
    return range(max(0, i - size + size // 2 + 1), min(length, i + size // 2 + 1))


def group(size, i, length):
    return range(i // size * size, min(length, i // size * size + size))


def sum_of(values, axis, which):
    """For each i along the axis the sum over which(i)."""
    length = values.shape[axis]
    parts = [values.take(list(which(i, length)), axis).sum(axis) for i in range(length)]
    return np.stack(parts, axis)


def window_sum(values, size, which=window):
    """Over both directions of images (channels, y, x, N)."""
    values = values.astype(np.float64)
    return sum_of(sum_of(values, 1, lambda i, n: which(size, i, n)), 2, lambda i, n: which(size, i, n))


def channel_sum(values, size, which=window):
    return sum_of(values.astype(np.float64), 0, lambda i, n: which(size, i, n))


def response_undo(images, factor_sum, out_grads, denoms, power):
    return images * factor_sum + out_grads * denoms.astype(np.float64) ** -power
