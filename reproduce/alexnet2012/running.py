"""Runs a trainer in a terminal: progress, signals, exit status."""

from __future__ import annotations

import itertools
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import click

from alexnet2012.stopping import on_signal
from cuda_convnet.recipe import Change, TrainingRecipe
from cuda_convnet.training import (
    BatchDone,
    EpochDone,
    Event,
    MinibatchDone,
    TestDone,
    TestMinibatchDone,
    Trainer,
)

SECONDS_BETWEEN_LINES = 5.0
BAR_WIDTH = 12

Show = Callable[[Event], None]


def run(trainer: Trainer, again: str = "") -> TestDone | None:
    """Train to the end; on stderr a progress bar if that is a terminal, else lines. Gives the last test.

    SIGINT and SIGTERM stop after the minibatch that is under way: all is saved, the command that goes on is
    told (`again`, by default `alexnet2012 resume`), and the process exits with status 130 or 143. A second
    such signal ends the process at once.
    """
    for warning in trainer.warnings:
        click.echo(f"warning: {warning}", err=True)
    last_test: TestDone | None = None
    shown = _progress_bar if sys.stderr.isatty() else _lines
    with _stop_on_signals(trainer) as received, shown(trainer) as show:
        for event in trainer.train():
            show(event)
            if isinstance(event, TestDone):
                last_test = event
    if received:
        again = again or f"alexnet2012 resume {shlex.quote(str(trainer.run))}"
        click.echo(f"Stopped at {trainer.position} (epoch.batch.minibatch), all is saved. To go on: {again}")
        sys.exit(128 + received[0])
    return last_test


def tell_end(trainer: Trainer, last_test: TestDone | None) -> None:
    """Say what came out of a run that is over."""
    found = f"; the last test: {told_costs(last_test.costs)}" if last_test else ""
    click.echo(f"Trained {trainer.recipe.epochs} epochs{found}. The run is in {trainer.run}")


def told_costs(costs: Mapping[str, Sequence[float]]) -> str:
    """Averages in a few words: `logprob 0.2312, error 4.10% / 0.90%` (of the first guess, the first k)."""
    return ", ".join(_told_cost(name, values) for name, values in costs.items())


def _told_cost(name: str, values: Sequence[float]) -> str:
    errors = " / ".join(f"{100 * value:.2f}%" for value in values[1:])
    return f"{name} {values[0]:.4f}" + (f", error {errors}" if errors else "")


@contextmanager
def _stop_on_signals(trainer: Trainer) -> Iterator[list[int]]:
    """While inside, signals stop the trainer, and the first is in the list; a second ends the process."""
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        trainer.stop()
        with suppress(OSError):  # nobody may be there to read it
            os.write(2, b"\nstopping after this minibatch; once more to end at once, without saving\n")

    with on_signal(stop):
        yield received


def told_changes(recipe: TrainingRecipe, epoch: int) -> str:
    """What the schedule changes when `epoch` begins: `epsW x 0.1 in all layers`, say; '' for nothing."""
    return "; ".join(_told_change(change) for change in recipe.schedule if change.epoch == epoch)


def _told_change(change: Change) -> str:
    parts = [f"{name} = {value:g}" for name, value in change.set.items()]
    parts += [f"{name} x {factor:g}" for name, factor in change.multiply.items()]
    told = ", ".join(parts) + f" in {', '.join(change.layers) or 'all layers'}" if parts else ""
    noise = "" if change.color_noise is None else f"colour noise = {change.color_noise:g}"
    return ", ".join(filter(None, (told, noise)))


@contextmanager
def _progress_bar(trainer: Trainer) -> Iterator[Show]:
    """A bar over the images that are left, with speed and costs of the batch under way, and the last test."""
    counts = trainer.folder.meta.counts["train"]
    epoch, batch, minibatch = trainer.position
    done = (epoch - 1) * sum(counts) + sum(counts[: batch - 1]) + minibatch * trainer.recipe.minibatch
    length = max(0, trainer.recipe.epochs * sum(counts) - done)
    status: list[str] = []
    tested: list[str] = []
    with click.progressbar(  # type: ignore[var-annotated]
        length=length,
        file=sys.stderr,
        width=BAR_WIDTH,
        bar_template="[%(bar)s] %(info)s",
        info_sep=" ",
        item_show_func=lambda _: _what_fits([*status, *tested]),
    ) as bar:

        def show(event: Event) -> None:
            if isinstance(event, MinibatchDone):
                status[:] = [f"{event.images_per_second:.0f} images/s", f"epoch {event.epoch}"]
                status.extend(told_costs(event.costs).split(", "))
                bar.update(event.cases)
            elif isinstance(event, TestMinibatchDone):
                tested[:] = [f"testing batch {event.batch}/{event.batches}"]
                bar.render_progress()
            elif isinstance(event, TestDone):
                tested[:] = [f"test: {told_costs(event.costs)}"]
                bar.render_progress()
            elif isinstance(event, EpochDone) and (changes := told_changes(trainer.recipe, event.epoch + 1)):
                click.echo(f"\r\x1b[Kepoch {event.epoch + 1}: {changes}", err=True)

        yield show


def _what_fits(parts: Sequence[str]) -> str:
    """As many of the parts, from the first on, as have room on the terminal's line beside the bar."""
    columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
    room = columns - BAR_WIDTH - len("[] 100% 00:00:00  ")
    lengths = itertools.accumulate(len(part) + 2 for part in parts)
    return ", ".join(part for part, length in zip(parts, lengths, strict=True) if length - 2 <= room)


@contextmanager
def _lines(trainer: Trainer) -> Iterator[Show]:
    """A line for each test, and one for a batch where none came for some seconds."""
    epochs, batches = trainer.recipe.epochs, trainer.num_batches
    last_line = 0.0

    def show(event: Event) -> None:
        nonlocal last_line
        if isinstance(event, EpochDone):
            if changes := told_changes(trainer.recipe, event.epoch + 1):
                click.echo(f"epoch {event.epoch + 1}/{epochs}: {changes}", err=True)
            return
        if isinstance(event, TestDone):
            what = f"test: {told_costs(event.costs)}"
        elif isinstance(event, BatchDone) and time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
            what = f"{told_costs(event.costs)}, {event.images_per_second:.0f} images/s"
        else:
            return
        click.echo(f"epoch {event.epoch}/{epochs}, batch {event.batch}/{batches}: {what}", err=True)
        last_line = time.monotonic()

    yield show
