"""Launches of updates and constraints. alexnet:src/weights.cu, src/layer.cu"""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.launch_table.matrices import elementwise

COLUMNS = 128


def super_update(size: int) -> Launch:
    """Blocks with equal shares of the entries."""
    return elementwise("super_update.cu", "super_update", size)


def constraint(kernel: str, width: int) -> Launch:
    """One thread for each column of weights."""
    return Launch("constraints.cu", kernel, (COLUMNS,), (-(-width // COLUMNS), 1, 1), (COLUMNS, 1, 1))
