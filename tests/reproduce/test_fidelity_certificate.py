"""The committed report of the CPU engines: what it holds, and that the README tells the same."""

import json
import re
from pathlib import Path

import pytest

from alexnet2012.record import places

ROOT = Path(__file__).resolve().parents[2]
CONVOLUTION = re.compile(r"(conv|local)_(filter|img|weight)_acts(_sparse)?")


@pytest.fixture(scope="module")
def cases():
    path = places.original_path() / "activations" / "certificates" / "cpu.json"
    return json.loads(path.read_text())["cases"]


def of(cases, archive, engine):
    return [case for case in cases if case["archive"] == archive and case["engine"] == engine]


def test_the_readmes_table_is_that_of_the_report(cases):
    rows = re.findall(
        r"^\| `(\w+\.h5)`.*?\| (\d+) \| (\d+) \| (\d+)% \| (\d+) \| (\d+)% \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == ["ops.h5", "cifar_nets.h5", "alexnet145.h5"]
    for archive, *told in rows:
        numbers = [len(of(cases, archive, "numpy"))]
        for engine in ("numpy", "host"):
            found = of(cases, archive, engine)
            assert len(found) == numbers[0]
            numbers += [
                sum(case["bitwise"] for case in found),
                round(100 * max(case["used"] for case in found)),
            ]
        assert [int(number) for number in told] == numbers, archive


def test_every_archived_convolution_on_host_is_equal_in_every_bit(cases):
    found = [case for case in of(cases, "ops.h5", "host") if CONVOLUTION.fullmatch(case["op"])]
    assert len(found) == 118
    assert all(case["bitwise"] for case in found)
