"""What the launches of several families have in common: blocks of images, and grids of one row."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from cuda_convnet.engines.kernel_engine.launch import Dim3
from cuda_convnet.errors import EngineError

WARP = 32
MOST = 2**31 - 1 - 2**12
"""Values of an array that kernels index with int.

The rest of int is for threads past the last image: they count up to 511 places on before they find that
there is none.
"""


@dataclass(frozen=True)
class ImageBlocks:
    """How the images of a minibatch are dealt to `blocks` blocks, `per_thread` to each of `width` threads.

    `checked`: the last block has threads without an image.
    """

    images: int
    per_thread: int
    width: int = WARP

    @classmethod
    def of(cls, images: int) -> ImageBlocks:
        """The rule of 2012: 4 images to a thread for multiples of 128, 2 for multiples of 64, else 1."""
        return cls(images, 4 if images % 128 == 0 else 2 if images % 64 == 0 else 1)

    @property
    def blocks(self) -> int:
        return -(-self.images // (self.width * self.per_thread))

    @property
    def checked(self) -> bool:
        return self.images % (self.width * self.per_thread) != 0


def row_of(*counts: int) -> Dim3:
    """A grid of as many blocks as the product of the counts, one after the other."""
    return prod(counts), 1, 1


def check_size(operation: str, **shapes: tuple[int, ...]) -> None:
    """EngineError for an array of more values than kernels count."""
    for name, shape in shapes.items():
        if prod(shape) > MOST:
            raise EngineError(
                f"{operation}: {name} of {prod(shape)} values are more than the {MOST} that kernels count; "
                "take smaller arrays"
            )
