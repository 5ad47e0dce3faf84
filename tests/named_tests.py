"""Tests that the record names, as `tests/port/test_network.py::TestSeeds::test_...`."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def found_test(name):
    """The marks of a test and of its module, as they are written; None where there is no such test."""
    path, *names = name.split("::")
    if not names or not (ROOT / path).is_file():
        return None
    body = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    marks = [ast.unparse(node) for node in body if ast.unparse(node).startswith("pytestmark")]
    for name in names:
        node = next((node for node in body if getattr(node, "name", None) == name), None)
        if node is None:
            return None
        marks += [ast.unparse(each) for each in node.decorator_list]
        body = node.body
    return " ".join(marks)
