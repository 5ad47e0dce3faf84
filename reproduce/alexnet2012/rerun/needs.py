"""What each experiment needs on this machine, and what it should reach: `reproduce --list`."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alexnet2012 import machine, measure
from alexnet2012.experiment import DigitsExperiment, RecordedExperiment, names, read_experiment
from alexnet2012.words import duration, size
from cuda_convnet.config import NetworkSpec, read_network
from cuda_convnet.engines.operations import Engine
from cuda_convnet.network import ConvNet

DIGITS = 1797
HELD_OUT = 5  # one digit in five
JPEG_BYTES = 41_000  # of an image of 256 x 256 pixels, at quality 95, on average
BATCH = 1024
FORWARD = 1 / 3  # of a training step: a convolution is computed forwards, for its weights and for its input
FEW, MORE = 8, 24  # images; with so few a step of 145 takes about a second
SECONDS = 5.0  # a whole step that takes less is measured as it is


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Of one experiment. Sizes are in bytes; `hours` are of training and tests on this machine, from steps
    that were timed; `made_by` is the command that makes the data, '' where there is nothing to do.
    """

    experiment: str
    title: str
    data: str
    made_by: str
    data_bytes: int
    run_bytes: int
    memory_bytes: int
    images_per_second: float
    hours: float
    then: str
    reach: str
    command: str


def needs(engine: Engine) -> list[Needs]:
    """What each experiment of this package needs; times a few steps with `engine`, for some seconds."""
    program = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [_needs(read_experiment(name), engine, program) for name in names()]


def _needs(what: DigitsExperiment | RecordedExperiment, engine: Engine, program: int) -> Needs:
    recipe = what.recipe
    spec = recipe.spec_at(read_network(*what.files, data_dims=what.data_dims), 1)
    seconds = _step_seconds(spec, engine, recipe.minibatch)
    if isinstance(what, DigitsExperiment):
        test, views = -(-DIGITS // HELD_OUT), 5
        train = DIGITS - test
        bytes_of_image = (what.data["size"] + 2 * what.data["border"]) ** 2
        told: dict[str, Any] = {
            "data": f"none: it packs scikit-learn's {DIGITS:,} digits itself",
            "made_by": "",
            "data_bytes": DIGITS * bytes_of_image,
            "then": "",
            "reach": f"accuracy: at least {what.wanted:.0%} of {test} held-out digits",
            "command": f"alexnet2012 reproduce {what.name}",
        }
    else:
        recorded = what.recorded
        train, test, views = what.train_images, recorded.test_images, recorded.views
        bytes_of_image = 3 * what.image_size**2
        low, high = recorded.days
        told = {
            "data": f"{train:,} images of {what.classes:,} classes to learn from, {test:,} for the test, "
            f"{what.image_size}x{what.image_size} pixels",
            "made_by": what.made_by,
            "data_bytes": (train + test) * JPEG_BYTES,
            "then": f"{low:g} to {high:g} days on {recorded.hardware}",
            "reach": f"top-5 error {recorded.top5_error:.4f} and top-1 error {recorded.top1_error:.4f}, both "
            f"within {what.within:g} ({recorded.where})",
            "command": f"alexnet2012 reproduce {what.name} --data DIR",
        }
    every = recipe.test_every
    tests = recipe.epochs // every.count if every.count and every.epochs else 1
    test_views = tests * (views if recipe.multiview_test else 1) + views
    images = recipe.epochs * train + FORWARD * test_views * test
    state = 8 * spec.num_parameters  # weights and increments
    activations = sum(layer.outputs for layer in spec) * recipe.minibatch
    batches = 2 * min(BATCH, train) * bytes_of_image
    return Needs(
        experiment=what.name,
        title=what.title,
        run_bytes=(recipe.keep + 1) * state,
        # with the gradients, half of it; and twice more where it is copied and saved
        memory_bytes=program + round(3.5 * state) + 8 * activations + batches,
        images_per_second=recipe.minibatch / seconds,
        hours=images * seconds / recipe.minibatch / 3600,
        **told,
    )


def _step_seconds(spec: NetworkSpec, engine: Engine, minibatch: int) -> float:
    """Seconds of a training step: timed, or where that takes long inferred from steps with fewer images."""
    net = ConvNet(spec, engine=engine, seed=0, minibatch_size=minibatch)

    def seconds(images: int) -> float:
        data = measure.random_data(spec, images, spec.num_classes or 10)
        return min(measure.seconds(lambda: net.train_minibatch(data)) for _ in range(2))

    few = seconds(min(FEW, minibatch))
    if minibatch <= MORE or few * minibatch / FEW < SECONDS:
        return seconds(minibatch)
    more = seconds(MORE)
    return few + (minibatch - FEW) * max(0.0, more - few) / (MORE - FEW)


def to_json(found: Sequence[Needs], engine: Engine) -> dict[str, Any]:
    """`reproduce --list --json`."""
    return {
        "machine": machine.describe(),
        "engine": engine.name,
        "experiments": [asdict(one) for one in found],
    }


def told(found: Sequence[Needs], engine: Engine) -> str:
    """`reproduce --list`."""
    lines = [f"Measured on this machine with engine {engine.name}: {machine.describe()}"]
    for one in found:
        lines += ["", f"{one.experiment}: {one.title}"]
        data = one.data + (f"; `{one.made_by}` makes the folder" if one.made_by else "")
        speed = f"{one.images_per_second:,.0f} images/s"
        facts = {
            "data": data,
            "disk": f"{size(one.data_bytes)} for the images, {size(one.run_bytes)} for the run",
            "memory": f"about {size(one.memory_bytes)}",
            "time": f"about {duration(one.hours)}, at {speed}"
            + (f"; in 2012 {one.then}" if one.then else ""),
            "reach": one.reach,
            "run": one.command,
        }
        lines += [f"  {name:<8}{fact}" for name, fact in facts.items()]
    return "\n".join(lines)
