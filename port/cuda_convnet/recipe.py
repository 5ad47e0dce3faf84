"""How a network is trained: everything but the network and the data, as plain values.
 Answers to the options of `alexnet:convnet.py` and to what its author did by hand: stop, edit the parameter
file, go on. Here such changes are data, by epoch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cuda_convnet.config.specs import NetworkSpec, WeightLayerSpec
from cuda_convnet.errors import ConfigError

PARAMETERS = {
    "epsW": "eps_w",
    "epsB": "eps_b",
    "momW": "mom_w",
    "momB": "mom_b",
    "wc": "wc",
    "wball": "wball",
}
"""The parameters of layers with weights that a schedule may change, as the .cfg language calls them."""


@dataclass(frozen=True)
class Every:
    """A frequency: every `count` batches or, where `epochs`, every `count` epochs; never where `count` is 0.

    >>> str(Every.parse("50")), str(Every.parse("1 epoch")), str(Every.parse("never"))
    ('50 batches', '1 epoch', 'never')
    """

    WRITTEN: ClassVar[str] = "a number of batches, 'N epochs' or 'never'"

    count: int
    epochs: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Every:
        """The frequency written `50` or `50 batches`, `2 epochs` or `never`; ValueError for anything else."""
        if str(text) in ("never", "0"):
            return cls(0)
        match = re.fullmatch(r"([1-9]\d*)(?: (?:batch(?:es)?|(epochs?)))?", str(text))
        if match is None:
            raise ValueError(f"{text!r} is not {cls.WRITTEN}")
        return cls(int(match.group(1)), epochs=match.group(2) is not None)

    def __str__(self) -> str:
        if not self.count:
            return "never"
        if self.epochs:
            return f"{self.count} epoch{'s' * (self.count > 1)}"
        return f"{self.count} batch{'es' * (self.count > 1)}"

    def is_due(self, epoch: int, batch: int, batches: int) -> bool:
        """Whether it is time after batch number `batch` (from 1) of the `batches` of `epoch` (from 1)."""
        if not self.count:
            return False
        if self.epochs:
            return batch == batches and epoch % self.count == 0
        return ((epoch - 1) * batches + batch) % self.count == 0


@dataclass(frozen=True)
class Change:
    """What changes when `epoch` begins.

    `set` gives parameters new values, `multiply` multiplies them; both name them as the .cfg language does
    and hold for all inputs of the layers in `layers` (empty: of every layer with weights). `color_noise`,
    where given, is the strength of the colour noise from then on.
    """

    epoch: int
    layers: tuple[str, ...] = ()
    set: Mapping[str, float] = field(default_factory=dict)
    multiply: Mapping[str, float] = field(default_factory=dict)
    color_noise: float | None = None

    def apply(self, layer: WeightLayerSpec) -> WeightLayerSpec:
        """`layer` with its changed parameters."""
        changes: dict[str, Any] = {}
        for name, attribute in PARAMETERS.items():
            old = getattr(layer, attribute)
            if name in self.set:
                new = self.set[name]
                changes[attribute] = (new,) * len(old) if isinstance(old, tuple) else new
            elif name in self.multiply:
                factor = self.multiply[name]
                changes[attribute] = (
                    tuple(v * factor for v in old) if isinstance(old, tuple) else old * factor
                )
        return dataclasses.replace(layer, **changes)


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a network is trained; where 2012 had an option, its default is the default.

    epochs          passes over the training batches
    minibatch       images per step; the last minibatch of a batch holds what is left
    test_every      when to test on all test batches; unless never, the last batch is followed by a test too
    save_every      when to save a checkpoint; None: after every test. In any case one is saved before the
                    first batch, after the last, and when training is stopped
    seed            of every random stream
    wupdate_freq    minibatches whose gradients make one update
    crop_border, color_noise, scalar_mean    of the images: see `cuda_convnet.data.loader.Loader`
    multiview_test  whether tests average the predictions for several views of each image
    keep            how many of the last checkpoints stay
    keep_epochs     epochs at whose end a checkpoint is saved that stays for good
    schedule        changes of parameters, by epoch
    conv_to_local   convolutional layers that become local: each place gets its own copy of the filters
    unshare_weights weight matrices (`layer` or `layer[input]`) that stop being shared

    Two differ: 2012 trained for 50,000 epochs, until it was stopped, and tested every 50 batches.
    """

    epochs: int = 1
    minibatch: int = 128
    test_every: Every = Every(1, epochs=True)
    save_every: Every | None = None
    seed: int = 0
    wupdate_freq: int = 1
    crop_border: int | None = None
    color_noise: float = 0.0
    scalar_mean: bool = False
    multiview_test: bool = False
    keep: int = 2
    keep_epochs: tuple[int, ...] = ()
    schedule: tuple[Change, ...] = ()
    conv_to_local: tuple[str, ...] = ()
    unshare_weights: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "recipe") -> TrainingRecipe:
        """The recipe that `values` (from TOML or JSON) describes; ConfigError names source, key, mend."""
        return cls(**_read(values, _RECIPE, source, "the recipe"))

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `from_dict` makes the same recipe."""
        values = dataclasses.asdict(self)
        values["test_every"] = str(self.test_every)
        values["save_every"] = None if self.save_every is None else str(self.save_every)
        return {name: value for name, value in values.items() if value is not None}

    def check(self, spec: NetworkSpec) -> None:
        """ConfigError where the schedule names a layer that `spec` has not, or that has no weights."""
        for change in self.schedule:
            for name in change.layers:
                layer = spec.by_name.get(name)
                if not isinstance(layer, WeightLayerSpec):
                    has = ", ".join(s.name for s in spec if isinstance(s, WeightLayerSpec))
                    what = "there is no layer" if layer is None else "no weights are in layer"
                    raise ConfigError(
                        f"schedule, epoch {change.epoch}: {what} {name!r}; layers with weights: {has}"
                    )

    def changes(self, epoch: int) -> tuple[Change, ...]:
        """The changes in force in `epoch`, in the order in which they apply."""
        return tuple(sorted((c for c in self.schedule if c.epoch <= epoch), key=lambda change: change.epoch))

    def next_change(self, epoch: int) -> int | None:
        """The first epoch after `epoch` in which something changes."""
        return min((c.epoch for c in self.schedule if c.epoch > epoch), default=None)

    def spec_at(self, spec: NetworkSpec, epoch: int) -> NetworkSpec:
        """`spec` with the parameters of `epoch`."""
        layers = spec.layers
        for change in self.changes(epoch):
            layers = tuple(
                change.apply(layer)
                if isinstance(layer, WeightLayerSpec) and (not change.layers or layer.name in change.layers)
                else layer
                for layer in layers
            )
        return dataclasses.replace(spec, layers=layers)

    def color_noise_at(self, epoch: int) -> float:
        """The strength of the colour noise in `epoch`."""
        given = [change.color_noise for change in self.changes(epoch) if change.color_noise is not None]
        return given[-1] if given else self.color_noise


Reader = Callable[[Any], Any]


def _integer(low: int, high: int = 2**63 - 1) -> tuple[Reader, str]:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError
        return value

    return read, f"a whole number of at least {low}"


def _number(low: float) -> tuple[Reader, str]:
    def read(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value < float("inf"):
            raise ValueError
        return float(value)

    return read, f"a number of at least {low:g}"


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _every(value: Any) -> Every:
    if type(value) not in (int, str):
        raise ValueError
    return Every.parse(value)


def _words(value: Any) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Iterable)
        or not all(isinstance(word, str) for word in value)
    ):
        raise ValueError
    return tuple(value)


def _epochs(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or not all(type(epoch) is int and epoch > 0 for epoch in value):
        raise ValueError
    return tuple(value)


def _parameters(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value.keys() <= PARAMETERS.keys():
        raise ValueError
    return {name: _number(0)[0](v) for name, v in value.items()}


_EVERY = (_every, Every.WRITTEN)
_PARAMETERS = (_parameters, "a table of numbers of at least 0 under " + ", ".join(PARAMETERS))

_CHANGE: dict[str, tuple[Reader, str]] = {
    "epoch": _integer(1),
    "layers": (_words, "a list of names of layers"),
    "set": _PARAMETERS,
    "multiply": _PARAMETERS,
    "color_noise": _number(0),
}


def _schedule(value: Any) -> tuple[Change, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(change, Mapping) for change in value):
        raise ValueError
    changes = []
    for number, change in enumerate(value, 1):
        given = {name: v for name, v in change.items() if v is not None}
        where = f"change {number} of the schedule"
        if "epoch" not in given:
            raise ConfigError(f"{where}: epoch is missing; add the epoch in which it comes into force")
        changes.append(Change(**_read(given, _CHANGE, where, "a change")))
    return tuple(changes)


_RECIPE: dict[str, tuple[Reader, str]] = {
    "epochs": _integer(1),
    "minibatch": _integer(1),
    "test_every": _EVERY,
    "save_every": _EVERY,
    "seed": _integer(0, 2**64 - 1),
    "wupdate_freq": _integer(1),
    "crop_border": _integer(0),
    "color_noise": _number(0),
    "scalar_mean": (_boolean, "true or false"),
    "multiview_test": (_boolean, "true or false"),
    "keep": _integer(1),
    "keep_epochs": (_epochs, "a list of epochs, counted from 1"),
    "schedule": (_schedule, "a list of changes"),
    "conv_to_local": (_words, "a list of names of layers"),
    "unshare_weights": (_words, "a list of names of layers"),
}


def _read(
    values: Mapping[str, Any], readers: Mapping[str, tuple[Reader, str]], source: str, what: str
) -> dict[str, Any]:
    """`values` by name, each read; ConfigError where a name is unknown or a value is of the wrong kind."""
    result = {}
    for name, value in values.items():
        if name not in readers:
            raise ConfigError(f"{source}: {what} has no {name!r}; it has {', '.join(readers)}")
        reader, wanted = readers[name]
        try:
            result[name] = reader(value)
        except ValueError:
            raise ConfigError(f"{source}: {name} must be {wanted}, not {value!r}") from None
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None
    return result
