"""Matrix products, cut into fixed blocks that the pool's cores take one by one."""

from __future__ import annotations

import numpy as np

from cuda_convnet.engines.numpy_engine.panels import ceil_div, spans
from cuda_convnet.engines.numpy_engine.parallel import WorkerPool
from cuda_convnet.engines.numpy_engine.scaling import combine
from cuda_convnet.engines.operations import Array
from cuda_convnet.engines.shapes import check_product

MOST_ROWS, LEAST_ROWS = 256, 64  # of one block of the result
MOST_COLUMNS = 512
WORK_ITEMS = 16
SMALL_PRODUCT = 1 << 20  # multiply-adds that one core has done before a second has woken up


class ProductOperations:
    """The matrix products of the NumPy engine, which supplies `pool`."""

    pool: WorkerPool

    def matrix_add_product(
        self,
        a: Array,
        b: Array,
        result: Array,
        *,
        trans_a: bool = False,
        trans_b: bool = False,
        scale_this: float = 0.0,
        scale_ab: float = 1.0,
    ) -> None:
        """sgemm: result (m, n) = scale_this * result + scale_ab * op(a) op(b), where op transposes if asked.

        With scale_this == 0 result is not read. Raises EngineError for shapes that do not fit
        (cuda-convnet:src/nvmatrix/nvmatrix.cu, addProduct).
        """
        check_product("matrix_add_product", a, b, result, trans_a=trans_a, trans_b=trans_b)
        left, right = (a.T if trans_a else a), (b.T if trans_b else b)
        (rows, inner), columns = left.shape, right.shape[1]
        straight = scale_this == 0 and scale_ab == 1

        def multiply(block: tuple[tuple[int, int], tuple[int, int]]) -> None:
            (y0, y1), (x0, x1) = block
            into = result[y0:y1, x0:x1]
            products = into if straight else self.pool.scratch("sums", into.shape)
            np.matmul(left[y0:y1], right[:, x0:x1], out=products)
            if not straight:
                combine(into, products, scale_this, scale_ab)

        across = spans(columns, ceil_div(columns, MOST_COLUMNS))
        down = min(ceil_div(rows, LEAST_ROWS), ceil_div(WORK_ITEMS, max(1, len(across))))
        blocks = [(y, x) for y in spans(rows, max(down, ceil_div(rows, MOST_ROWS))) for x in across]
        self.pool.map(multiply, blocks, small=rows * columns * inner < SMALL_PRODUCT)
