"""The convolutions as plain float64 loops over modules, and the geometries that the tests go through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Case:
    channels: int = 3
    img: tuple[int, int] = (6, 7)
    images: int = 5
    filters: int = 4
    size: int = 3
    stride: int = 1
    padding: int = 0
    groups: int = 1
    filter_channels: int = 0  # of sparse filters; 0 where filters see their group's share
    more_modules: int = 0  # beyond those of the ceil rule, wholly outside the image

    def __str__(self):
        sparse = f"-sparse{self.filter_channels}" if self.filter_channels else ""
        return (
            f"c{self.channels}-{self.img[0]}x{self.img[1]}-n{self.images}-f{self.filters}x{self.size}"
            f"-s{self.stride}-p{self.padding}-g{self.groups}{sparse}" + "+" * self.more_modules
        )

    @property
    def modules(self):
        return tuple(
            max(1, 1 + -(-(2 * self.padding + pixels - self.size) // self.stride)) + self.more_modules
            for pixels in self.img
        )

    @property
    def seen(self):
        """How many channels a filter sees."""
        return self.filter_channels or self.channels // self.groups

    @property
    def over_sample(self):
        return self.seen * self.groups // self.channels

    @property
    def options(self):
        return {"padding": self.padding, "stride": self.stride, "groups": self.groups}


class Arrays:
    """Random arrays of a case, and the exact results."""

    def __init__(self, case, seed=0):
        self.case = case
        random = np.random.default_rng(seed)
        modules = case.modules
        count = modules[0] * modules[1]
        self.images = random.standard_normal((case.channels, *case.img, case.images), np.float32)
        self.hid_acts = random.standard_normal((case.filters, *modules, case.images), np.float32)
        shape = (case.seen, case.size, case.size, case.filters)
        self.shared = random.standard_normal(shape, np.float32)
        self._unshared_shape = (count, *shape)
        samples = [random.permutation(case.channels) for _ in range(case.over_sample)]
        self.color_indices = np.concatenate(samples).reshape(case.groups, case.seen).astype(np.int32)
        if not case.filter_channels:
            self.color_indices = np.arange(case.channels, dtype=np.int32).reshape(case.groups, case.seen)

    @cached_property
    def unshared(self):
        return np.random.default_rng(1).standard_normal(self._unshared_shape, np.float32)

    def at_modules(self):
        """(module, group, channels seen, filters, y, x) of every module and group."""
        case = self.case
        per_group = case.filters // case.groups
        for my in range(case.modules[0]):
            for mx in range(case.modules[1]):
                for group in range(case.groups):
                    yield (
                        (my, mx),
                        group,
                        self.color_indices[group],
                        slice(group * per_group, (group + 1) * per_group),
                        my * case.stride,
                        mx * case.stride,
                    )

    def padded(self, planes):
        """planes (..., img_y, img_x, N) in float64, with zeros around them for every module to look at."""
        case = self.case
        around = case.padding + case.size * (1 + case.more_modules) + case.stride
        edges = [(0, 0)] * (planes.ndim - 3) + [(case.padding, around), (case.padding, around), (0, 0)]
        return np.pad(planes.astype(np.float64), edges)

    def _filters(self, unshared, module):
        if not unshared:
            return self.shared.astype(np.float64)
        return self.unshared[module[0] * self.case.modules[1] + module[1]].astype(np.float64)

    def filter_acts(self, unshared=False):
        size = self.case.size
        images = self.padded(self.images)
        acts = np.zeros(self.hid_acts.shape)
        for module, _, channels, filters, y, x in self.at_modules():
            patch = images[channels, y : y + size, x : x + size]
            weights = self._filters(unshared, module)[..., filters]
            acts[filters, module[0], module[1]] = np.einsum("cyxf,cyxn->fn", weights, patch)
        return acts

    def img_acts(self, unshared=False):
        """(over_sample, channels, img_y, img_x, N)"""
        case, size = self.case, self.case.size
        grads = self.padded(np.zeros((case.over_sample, *self.images.shape)))
        for module, group, channels, filters, y, x in self.at_modules():
            weights = self._filters(unshared, module)[..., filters]
            share = np.einsum("cyxf,fn->cyxn", weights, self.hid_acts[filters, module[0], module[1]])
            sample = group * case.seen // case.channels
            grads[sample, channels, y : y + size, x : x + size] += share
        p = case.padding
        return grads[:, :, p : p + case.img[0], p : p + case.img[1]]

    def weight_acts(self):
        """(modules, channels seen, size, size, F): the sum over each module's images alone."""
        size = self.case.size
        images = self.padded(self.images)
        grads = np.zeros(self._unshared_shape)
        for module, _, channels, filters, y, x in self.at_modules():
            patch = images[channels, y : y + size, x : x + size]
            hid_acts = self.hid_acts[filters, module[0], module[1]].astype(np.float64)
            grads[module[0] * self.case.modules[1] + module[1], ..., filters] = np.einsum(
                "cyxn,fn->cyxf", patch, hid_acts
            )
        return grads


def assert_close(result, exact, rounding=4e-6):
    """Within `rounding` of the largest exact value, or of 1, the size of products that may cancel in it."""
    assert result.shape == exact.shape
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result, exact, rtol=0, atol=rounding * max(1, np.abs(exact).max()))
