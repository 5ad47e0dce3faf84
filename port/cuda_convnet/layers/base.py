"""What all layers have in common: their place in the graph, their matrices, what a pass asks of them.

Answers to `alexnet:src/layer.cu` (Layer). Messages, threads and devices of the original are not here: one
engine executes all layers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from cuda_convnet.config.specs import LayerSpec
from cuda_convnet.engines.operations import Array, Engine
from cuda_convnet.errors import ConfigError
from cuda_convnet.passes import PassType
from cuda_convnet.randomness import RandomStreams


class Buffer:
    """Memory that is allocated once and handed out in any shape that fits; it grows when asked for more."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._flat: Array = None

    def view(self, *shape: int) -> Array:
        """The memory as an array of `shape`, with whatever it holds."""
        size = math.prod(shape)
        if self._flat is None or self._flat.shape[0] < size:
            self._flat = self._engine.empty((size,))
        return self._flat[:size].reshape(shape)


@dataclass
class Run:
    """What the layers of a network share while it runs.

    `progress` is the training's, in [0, 1], for the schedules; `position` (epoch, batch, minibatch) keys all
    that is drawn at random. With `wupdate_freq` above 1, gradients of so many minibatches are added before an
    update.
    """

    engine: Engine
    streams: RandomStreams
    minibatch_size: int = 128
    wupdate_freq: int = 1
    progress: float = 0.0
    position: tuple[int, ...] = (0, 0, 0)
    passes: int = 0
    _scratch: dict[str, Buffer] = field(default_factory=dict)

    def scratch(self, name: str, *shape: int) -> Array:
        """Memory for the time of one call; `name` tells apart what is needed at once."""
        return self._scratch.setdefault(name, Buffer(self.engine)).view(*shape)

    def divisor(self, num_cases: int) -> int:
        """By what a sum of gradients over a minibatch of `num_cases` images is divided.

        With accumulation it is the number of images of all minibatches together, full ones, even where one is
        not.
        """
        return num_cases if self.wupdate_freq == 1 else self.wupdate_freq * self.minibatch_size

    def generator(self, stream: str, *path: str) -> np.random.RandomState:
        """The generator of `stream` at this position."""
        return self.streams.at(stream, *self.position, path=path)

    def noise(self, stream: str, *path: str) -> Callable[[], float]:
        """A source of standard normal numbers, which starts anew at each pass forward."""
        drawn_in, generator = -1, np.random.RandomState(0)

        def randn() -> float:
            nonlocal drawn_in, generator
            if drawn_in != self.passes:
                drawn_in, generator = self.passes, self.generator(stream, *path)
            return float(generator.standard_normal())

        return randn


Spec = TypeVar("Spec", bound=LayerSpec)


class Layer(ABC, Generic[Spec]):
    """A layer: `prev` are its inputs in order, `next` its consumers, once for each time they take it.

    `acts` and `acts_grad` are (outputs, cases); gradients are of the objective to be maximised. Both matrices
    stay as they are until the next pass: no two layers share one. `is_grad_consumer`: this layer or one below
    it needs the gradient. `brings_gradient`: one can come down through it.
    """

    passes_gradient: ClassVar[bool] = True  # False for layers that cannot hand a gradient down

    def __init__(self, spec: Spec, run: Run) -> None:
        self.spec = spec
        self.name = spec.name
        self.run = run
        self.engine = run.engine
        self.prev: list[Layer[Any]] = []
        self.next: list[Layer[Any]] = []
        self.is_grad_consumer = False
        self.brings_gradient = False
        self.inputs: list[Array] = []
        self.num_cases = 0
        self.acts: Array = None
        self.acts_grad: Array = None
        self._acts_buffer = Buffer(run.engine)
        self._grad_buffer = Buffer(run.engine)

    # --- the graph ----------------------------------------------------------------------------------
    @property
    def learns(self) -> bool:
        """Whether this layer itself has weights that a gradient changes."""
        return False

    @property
    def is_grad_producer(self) -> bool:
        """Whether this layer hands a gradient to its inputs."""
        return True

    def link_below(self) -> None:
        """Find out whether this layer or one below needs the gradient; those below were asked before."""
        self.is_grad_consumer = self.learns or any(layer.is_grad_consumer for layer in self.prev)

    def link_above(self) -> None:
        """Find out whether a gradient comes down through this layer; those above were asked before.

        It does where a cost that counts is somewhere above, or is the layer itself.
        """
        above = not self.next or any(layer.brings_gradient for layer in self.next)
        self.brings_gradient = above and self.is_grad_producer

    def check(self) -> None:
        """Refuse a graph in which this layer cannot do its part; called once the graph is linked."""
        if not self.passes_gradient and any(layer.is_grad_consumer for layer in self.prev):
            raise ConfigError(
                f"layer '{self.name}': layers of type '{self.spec.type}' cannot propagate a gradient; "
                "put them below all layers that learn"
            )

    # --- a pass forward -----------------------------------------------------------------------------
    @property
    def acts_features(self) -> int:
        """How many rows `acts` has."""
        return self.spec.outputs

    def fprop(self, pass_type: PassType) -> None:
        """Compute `acts` from those of the inputs: the first input writes, the others add."""
        self.inputs = [layer.acts for layer in self.prev]
        self.num_cases = self.prev[0].num_cases
        self.acts = self._acts_buffer.view(self.acts_features, self.num_cases)
        for i in range(len(self.prev)):
            self.fprop_acts(i, float(i > 0), pass_type)

    @abstractmethod
    def fprop_acts(self, i: int, scale_targets: float, pass_type: PassType) -> None:
        """Input i's part of `acts`: acts = scale_targets * acts + part."""

    # --- a pass backward ----------------------------------------------------------------------------
    def start_grad(self) -> None:
        """Make room for the gradient of this layer's acts, before the first contribution is written."""
        self.acts_grad = self._grad_buffer.view(self.spec.outputs, self.num_cases)

    def bprop_common(self, v: Array, pass_type: PassType) -> None:
        """What the layer does with its own gradient `v`, before it hands it down: weights learn here."""

    @abstractmethod
    def bprop_acts(self, v: Array, i: int, scale_targets: float, pass_type: PassType) -> None:
        """Input i's gradient from this layer's `v`: target = scale_targets * target + part."""

    # --- what several layers do -----------------------------------------------------------------------
    def add_scaled(self, part: Array, target: Array, scale_targets: float, scale: float = 1.0) -> None:
        """target = scale_targets * target + scale * part; with scale_targets 0 the target is not read."""
        if scale_targets == 0:
            self.engine.matrix_scale(part, target, scale=scale)
        else:
            self.engine.matrix_add(target, part, target, scale_a=scale_targets, scale_b=scale)

    def image(self, matrix: Array, channels: int, size: int) -> Array:
        """(features, cases) as (channels, size, size, cases)."""
        return matrix.reshape((channels, size, size, self.num_cases))
