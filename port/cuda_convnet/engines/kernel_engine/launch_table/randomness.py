"""Launches of the random numbers."""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch

THREADS = 128
MASK_ENTRIES, NORMAL_ENTRIES = 8, 4
"""Entries that one value of the counter is enough for."""


def random(kernel: str, size: int, entries: int) -> Launch:
    """One thread for each value of the counter."""
    blocks = -(-size // (THREADS * entries))
    return Launch("philox.cu", kernel, (THREADS,), (blocks, 1, 1), (THREADS, 1, 1))
