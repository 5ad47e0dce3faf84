"""One seed, named streams, no state: every draw is a function of (seed, stream name, position).

The original seeds its generators from the clock. Here a stream is a Philox4x64-10 generator whose key is the
seed and a hash of the stream's name, and whose counter starts at the position of the draw (for example epoch
and batch). Nothing is carried from one draw to the next, so a run that resumes, or that prepares its data
with other numbers of threads or ranks, draws the same bits.
"""

from __future__ import annotations

import hashlib

import numpy as np

STREAMS = (
    "weights",
    "order",
    "crops",
    "colour noise",
    "dropout",
    "pooling",
    "neuron noise",
    "rates",
    "scales",
    "dummy data",
)


class RandomStreams:
    """The named random streams of one seed.

    >>> streams = RandomStreams(seed=145)
    >>> streams.at("crops", 1, 7).randint(0, 33, size=2).shape
    (2,)
    """

    def __init__(self, seed: int) -> None:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0 to 2**64 - 1")
        self.seed = seed

    def key(self, name: str, *path: str) -> tuple[int, int]:
        """The Philox key (two 64-bit words) of stream `name`, or of a part of it (one layer, say)."""
        if name not in STREAMS:
            raise ValueError(f"no random stream {name!r}; there are {', '.join(STREAMS)}")
        digest = hashlib.sha256("\0".join((name, *path)).encode()).digest()
        return self.seed, int.from_bytes(digest[:8], "little")

    @staticmethod
    def counter(*position: int) -> int:
        """The 256-bit counter at which the draws of `position` (at most three words) start.

        The lowest word is left to the draws themselves: 2**64 blocks for each position.
        """
        if len(position) > 3 or not all(0 <= p < 2**64 for p in position):
            raise ValueError(f"position {position} is not up to three 64-bit words")
        return sum(p << (64 * (i + 1)) for i, p in enumerate(position))

    def at(self, name: str, *position: int, path: tuple[str, ...] = ()) -> np.random.RandomState:
        """A generator at `position` of stream `name`.

        RandomState, because NumPy promises that its draws never change, and because randn and randint are
        what the original drew with.
        """
        bits = np.random.Philox(
            key=np.array(self.key(name, *path), np.uint64), counter=self.counter(*position)
        )
        return np.random.RandomState(bits)
