"""Shows on stderr how far work has come: a bar with speed and time left, or a line now and then."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import click

from cuda_convnet.data.batches import Progress

SECONDS_BETWEEN_LINES = 5.0
SECONDS_OF_PACE = 60.0
BAR_WIDTH = 24


class Pace:
    """How fast work goes on, from the last minute of it."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, done: int) -> None:
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > SECONDS_OF_PACE:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """0 while it is not known."""
        if not self._seen:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def told(self, total: int, unit: str) -> str:
        """`512 images/s, 0:41:20 left`; '' while nothing is known."""
        if not self.per_second:
            return ""
        seconds = (total - self._seen[-1][1]) / self.per_second
        speed = f"{self.per_second:,.0f} {unit}/s, " if unit else ""
        return f"{speed}{timedelta(seconds=round(seconds))} left"


@contextmanager
def progress_bar(label: str, unit: str = "") -> Iterator[Progress]:
    """Shows progress, as the function that the library calls with (done, total); `unit`: what it counts."""
    pace = Pace()
    shown = _bar if sys.stderr.isatty() else _lines
    with shown(label, unit, pace) as show:

        def progress(done: int, total: int) -> None:
            pace.add(time.monotonic(), done)
            show(done, total)

        yield progress


@contextmanager
def _bar(label: str, unit: str, pace: Pace) -> Iterator[Progress]:
    """A bar that appears with the first progress, and is done with the last."""
    told: list[str] = []
    bar: Any = None
    with ExitStack() as stack:

        def show(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = stack.enter_context(
                    click.progressbar(
                        length=max(total, 1),
                        label=label,
                        file=sys.stderr,
                        width=BAR_WIDTH,
                        show_eta=False,
                        show_percent=True,
                        item_show_func=lambda _: "".join(told),
                    )
                )
            bar.length = max(total, 1)
            told[:] = [pace.told(total, unit)]
            bar.update(done - bar.pos)
            if done >= total:
                stack.close()

        yield show


@contextmanager
def _lines(label: str, unit: str, pace: Pace) -> Iterator[Progress]:
    last_line = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last_line
        if time.monotonic() - last_line > SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            counted = f" ({done:,} of {total:,} {unit})" if unit else ""
            click.echo(
                f"{label}: {100 * done // max(total, 1)}%{counted}, {pace.told(total, unit)}", err=True
            )

    yield show
