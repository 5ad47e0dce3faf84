"""What of ours must answer to something in the original, or be marked as new."""

import ast
import re
from functools import cache
from pathlib import Path

from alexnet2012.record.kernel_text import definitions

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "cuda_convnet.engines.operations:Engine"
INLINED = {"inline", "__forceinline__", "__noinline__"}


@cache
def public_symbols():
    """The public functions and classes of every module of the library, and every operation of an engine."""
    found = set(operations())
    for path in (ROOT / "port").rglob("*.py"):
        parts = path.relative_to(ROOT / "port").with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        found |= {f"{module}:{node.name}" for node in defined(path) if not node.name.startswith("_")}
    return tuple(sorted(found))


def operations():
    """Every abstract method of an engine."""
    module, _, name = ENGINE.partition(":")
    path = ROOT / "port" / Path(*module.split(".")).with_suffix(".py")
    (engine,) = (node for node in defined(path) if node.name == name)
    return [
        f"{ENGINE}.{node.name}"
        for node in engine.body
        if any(ast.unparse(each) == "abstractmethod" for each in getattr(node, "decorator_list", []))
    ]


def defined(path):
    """The functions and classes of a module, also those under an `if` or a `try`; no methods."""
    ahead, found = list(ast.parse(path.read_text(encoding="utf-8")).body), []
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node)
        else:
            ahead += ast.iter_child_nodes(node)
    return found


@cache
def kernels():
    """Every kernel of kernels/*.cu."""
    return tuple(
        sorted(
            f"kernels/{path.name}:{definition.name}"
            for path in (ROOT / "kernels").glob("*.cu")
            for definition in definitions(path.read_text(encoding="utf-8"))
            if is_kernel(definition)
        )
    )


def is_kernel(definition):
    """A kernel: a device function that is not inlined into others; a launch makes an entry of it."""
    if definition.kind != "function":
        return False
    before = set(re.findall(r"\w+", re.split(rf"\b{definition.name}\s*\(", definition.head)[0]))
    return {"__device__", "void"} <= before and not before & INLINED
