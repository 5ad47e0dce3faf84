"""What a pass through the network is for."""

from __future__ import annotations

from enum import IntFlag


class PassType(IntFlag):
    """The kind of a pass; the values are the original's bits.

    In TRAIN, dropout drops; in every other pass it scales. GRADIENT_CHECK leaves gradients as sums over the
    cases, without learning rate or division. A multiview test is a row of passes over views of the same
    images, the first with MULTIVIEW_TEST_START, the last with MULTIVIEW_TEST_END; costs come from the mean of
    their probabilities.

    Answers to `alexnet:include/util.cuh` (PASS_TYPE).
    """

    TRAIN = 0x1
    TEST = 0x2
    GRADIENT_CHECK = 0x4
    MULTIVIEW_TEST = TEST | 0x8
    MULTIVIEW_TEST_START = MULTIVIEW_TEST | 0x10
    MULTIVIEW_TEST_END = MULTIVIEW_TEST | 0x20
    FEATURE_GEN = 0x40

    def has(self, flags: PassType) -> bool:
        """Whether all bits of `flags` are set."""
        return self & flags == flags
