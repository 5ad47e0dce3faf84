"""`metrics.jsonl`: the costs of a run, one JSON object per line.

    {"kind": "train", "epoch": 1, "batch": 3, "cases": 1024, "progress": 0.02, "costs": {"logprob": [2.1, 0.7,
    0.2]}, ...} {"kind": "test", "epoch": 1, "batch": 10, "cases": 1000, "views": 10, "costs": {"logprob":
    [1.9, 0.6, 0.1]}, ...}
 `costs` are averages over the images: for cost.logreg minus the log-probability of the label, top-1 error,
top-k error. The first training line of an epoch has `rates`: for each layer with weights, the learning rates
of its weights and, last, of its biases, without the noise that a schedule may add; and `color_noise`, the
strength of the colour noise. `seconds`, `images_per_second` and `time` differ between runs that are otherwise
equal; the rest does not.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cuda_convnet.hdf5 import write_whole

TIMINGS = ("seconds", "images_per_second", "time")


def without_timings(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMINGS}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a `metrics.jsonl`, up to the first line that is not one, such as a last line cut off."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return list(itertools.takewhile(lambda record: record is not None, map(_record, lines)))


def _record(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


class MetricsLog:
    """Appends to a `metrics.jsonl`."""

    def __init__(self, path: Path, records: Sequence[Mapping[str, Any]] = ()) -> None:
        """Start after `records`, which have no timings: what the file says beyond them is cut off.

        Lines that agree with `records` stay as they are, with their timings. OSError where the disk does not
        take it.
        """
        self.path = path
        old = read_metrics(path) if path.exists() else []
        lines = []
        for number, record in enumerate(records):
            same = number < len(old) and without_timings(old[number]) == without_timings(record)
            lines.append(json.dumps(old[number] if same else record) + "\n")
        write_whole(path, "".join(lines).encode())

    def append(self, record: Mapping[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
