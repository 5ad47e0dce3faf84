"""The examples in the docstrings of both packages are true."""

import doctest
import importlib
from pathlib import Path

import pytest

from alexnet2012 import experiments

ROOT = Path(__file__).resolve().parents[2]
WITH_EXAMPLES = {
    ".".join(path.relative_to(ROOT / room).with_suffix("").parts).removesuffix(".__init__")
    for room in ("port", "reproduce")
    for path in (ROOT / room).rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
}
NEEDS_DATA = {f"cuda_convnet.data.{name}" for name in ("batches", "loader", "imagenet.reader")}
"""Their examples need folders of images and are not run."""


@pytest.mark.parametrize("module", sorted(WITH_EXAMPLES - NEEDS_DATA))
def test_examples_give_what_they_say(monkeypatch, module):
    monkeypatch.chdir(experiments.FOLDER)  # where the layer files of some lie
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_there_are_examples_in_both_packages():
    assert NEEDS_DATA < WITH_EXAMPLES
    assert {module.partition(".")[0] for module in WITH_EXAMPLES} == {"cuda_convnet", "alexnet2012"}
