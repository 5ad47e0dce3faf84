"""Run 145 of 2012 beside a reproduction, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alexnet2012.report.diagram import place
from alexnet2012.report.reproduction import Reproduction
from alexnet2012.words import number
from cuda_convnet.config.specs import ConvSpec, FCSpec, HiddenSexSpec, NetworkSpec, WeightLayerSpec


@dataclass(frozen=True)
class Compared:
    """A line of the comparison with run 145; `ours` is '' where it is the same."""

    what: str
    original: str
    ours: str


def beside_145(run: Reproduction) -> list[Compared]:
    """The comparison; what is said of the reproduction is read from its network, its recipe and its data."""
    lines = (*_of_images(run), *_of_network(run), *_of_training(run))
    return [Compared(what, original, "" if ours == original else ours) for what, original, ours in lines]


Line = tuple[str, str, str]


def _of_images(run: Reproduction) -> Iterator[Line]:
    first = next(s for s in run.spec if isinstance(s, ConvSpec))
    colour = "in colour" if first.channels[0] == 3 else "grey"
    size = first.img_size[0]
    yield "Images to learn from", "1.2 million photographs", f"{run.train_images:,} scanned digits"
    yield "Classes", "1,000", f"{len(run.predictions.class_names):,}"
    yield "Pixels the network sees", "224 × 224, in colour", f"{size} × {size}, {colour}"


def _of_network(run: Reproduction) -> Iterator[Line]:
    layers = run.spec.layers
    boxes = place(run.spec)
    convs, full = (len({b.row for b in boxes if isinstance(b.layer, kind)}) for kind in (ConvSpec, FCSpec))
    keep = " and ".join(sorted({f"keeps {s.keep:.0%}" for s in layers if isinstance(s, HiddenSexSpec)}))
    weights = [s for s in layers if isinstance(s, WeightLayerSpec)]
    deviations = sorted({w for s in weights for w in s.init_w})
    biases = sorted({s.init_b for s in weights})
    larger = f"normal, σ {deviations[0]:g} to {deviations[-1]:g}: small layers need larger ones"
    yield "Weights and biases", "60,965,224", f"{run.num_parameters:,}"
    yield "Columns", "two, a and b", "two, a and b" if any(s.gpu == 1 for s in layers) else "one"
    yield "Layers with weights", _depth(5, 3), _depth(convs, full)
    yield "After the first convolution", "normalise, pool, rectify", _order(run.spec)
    yield "Dropout", "keeps half of the units", f"{keep} of the units".replace("50%", "half")
    yield "Weights at the start", "normal, σ 0.01 or 0.03", larger
    yield "Biases at the start", "0 or 1", " or ".join(f"{b:g}" for b in biases)


def _of_training(run: Reproduction) -> Iterator[Line]:
    weights = [s for s in run.spec if isinstance(s, WeightLayerSpec)]
    first = next(s for s in weights if isinstance(s, ConvSpec))
    size, width = first.img_size[0], run.data.meta.image_shape[-1]
    views = run.predictions.views
    by_itself = f", falls by itself in {_epochs(run.drops)}" if run.drops else ""
    rates = " or ".join(f"{rate:g}" for rate in sorted({rate for s in weights for rate in s.eps_w}))
    crops = f"random crops, {size} of {width} pixels" if size < width else "none"
    yield "Momentum, weight decay", "0.9, 0.0005", f"{first.mom_w[0]:g}, {first.wc[0]:g}"
    yield "Learning rate", "0.01, divided by ten by hand, three times", rates + by_itself
    yield "Images per step", "128", str(run.recipe.minibatch)
    yield "Times each image is seen", "about 90", str(run.recipe.epochs)
    yield "Variety", "random crops, mirror images, colour noise", crops
    yield "Test", "mean of ten views", f"mean of {number(views)} views" if views > 1 else "one view"
    yield "Training took", "six days on two GTX 580", f"{run.train_seconds:.0f} seconds here"


def _depth(convolutions: int, fully_connected: int) -> str:
    return f"{convolutions} convolutions, {fully_connected} fully connected"


def _order(spec: NetworkSpec) -> str:
    """The steps between the first convolution and the next, as far as they are those of run 145."""
    words = {"cmrnorm": "normalise", "pool": "pool", "neuron": "rectify"}
    steps: list[str] = []
    following = spec.consumers(next(s.name for s in spec if isinstance(s, ConvSpec)))
    while following and following[0].type in words:
        steps.append(words[following[0].type])
        following = spec.consumers(following[0].name)
    return ", ".join(steps)


def _epochs(epochs: list[int]) -> str:
    return ("epoch " if len(epochs) == 1 else "epochs ") + " and ".join(map(str, epochs))
