"""Launches of softmax and the costs. cuda-convnet:src/layer_kernels.cu, alexnet:src/layer_kernels.cu"""

from __future__ import annotations

from cuda_convnet.engines.kernel_engine.launch import Launch, TemplateArgument

CASES = 128
"""Threads of a block with one thread for each case."""

SET_CASES = 32
"""The same where each has much to do."""

SOFTMAX_X, SOFTMAX_Y = 32, 16
GRAD_X, GRAD_Y = 32, 4


def by_case(file: str, kernel: str, cases: int) -> Launch:
    """One thread for each case."""
    return Launch(file, kernel, (CASES,), (-(-cases // CASES), 1, 1), (CASES, 1, 1))


def softmax(cases: int) -> Launch:
    """16 threads for each case, 32 cases to a block."""
    template, blocks = (SOFTMAX_X, SOFTMAX_Y), -(-cases // SOFTMAX_X)
    return Launch("softmax.cu", "softmax", template, (blocks, 1, 1), (SOFTMAX_X, SOFTMAX_Y, 1))


def by_entry(file: str, kernel: str, classes: int, cases: int, *template: TemplateArgument) -> Launch:
    """One thread for each entry, 32 cases by 4 classes to a block."""
    blocks = -(-cases // GRAD_X) * -(-classes // GRAD_Y)
    return Launch(file, kernel, (GRAD_X, GRAD_Y, *template), (blocks, 1, 1), (GRAD_X, GRAD_Y, 1))


def multi_softmax(kernel: str, cases: int, set_size: int, *template: TemplateArgument) -> Launch:
    """One thread for each case, with a template for each size of the sets."""
    arguments, blocks = (SET_CASES, set_size, *template), -(-cases // SET_CASES)
    return Launch("multi_softmax.cu", kernel, arguments, (blocks, 1, 1), (SET_CASES, 1, 1))
