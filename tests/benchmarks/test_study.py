"""Building the reading room, for pytest-benchmark.

pytest tests/benchmarks/test_study.py --benchmark-enable
"""

from alexnet2012.study.fidelity import read_fidelity
from alexnet2012.study.site import build


def test_whole_site(benchmark, tmp_path):
    room, pages = benchmark.pedantic(
        lambda: build(tmp_path / "site", read_fidelity(), cache=tmp_path / "cache"), rounds=3
    )
    assert pages > len(room.parts)
