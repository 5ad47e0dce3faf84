"""The report of a reproduction: one page that needs nothing but itself.

`write_report` makes it; it wants the extras `study` (jinja2) and `plots` (matplotlib).
"""

from __future__ import annotations

from pathlib import Path

from alexnet2012.report import digits, recorded
from alexnet2012.report.reproduction import RecordedReproduction, Reproduction
from cuda_convnet.errors import ConvnetError
from cuda_convnet.hdf5 import write_whole

__all__ = ["RecordedReproduction", "Reproduction", "render", "write_report"]


def write_report(run: Reproduction | RecordedReproduction, path: Path) -> None:
    """Write the page of `run` as `path`, whole or not at all; ConvnetError where it cannot be written."""
    page = render(run).encode()
    try:
        write_whole(path, page)
    except OSError as error:
        raise ConvnetError(
            f"{path} cannot be written ({error.strerror or error}); mend that and run the command again: "
            "what was trained is kept"
        ) from None


def render(run: Reproduction | RecordedReproduction) -> str:
    """The page of `run` as HTML."""
    return digits.render(run) if isinstance(run, Reproduction) else recorded.render(run)
