"""What Ctrl-C and SIGTERM do: the first asks the work to stop, a second ends the process at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signal(act: Callable[[int], None]) -> Iterator[None]:
    """While inside, the first of the signals calls `act` with its number; a second ends the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        act(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopped(BaseException):
    """A signal that asks to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def one_line_when_stopped(line: str) -> Iterator[None]:
    """While inside, a signal stops the work, and `line` is printed; the exit status is 130 or 143."""

    def stop(number: int) -> None:
        raise Stopped(number)

    try:
        with on_signal(stop):
            yield
    except Stopped as stopped:
        click.echo(f"\n{line}" if sys.stderr.isatty() else line, err=True)
        sys.exit(128 + stopped.number)
