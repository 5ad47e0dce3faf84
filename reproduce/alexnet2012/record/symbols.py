"""Finds a symbol of ours: its file and its lines.

A symbol is written as one of

    cuda_convnet.layers.conv:ConvLayer.fprop     a function, class, method or constant of a module of ours
    kernels/filter_acts.cu:filterActs            a function, struct or macro of a kernel file
    kernels/matrix_sums.cu:aggregate(Max)        of functions of one name, the one that takes a Max first
    cli:data.imagenet                            a command
    cli:data.imagenet--store                     an option of a command

Modules are read, not imported, so that no optional package is needed; the commands' tree alone is loaded.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click

from alexnet2012.record.kernel_text import Definition, definitions, lines_of
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.errors import DataError

ROOMS = {"cuda_convnet": "port", "alexnet2012": "reproduce"}
"""The folder of a checkout in which each package lies."""

KERNELS = "kernels/"
COMMANDS = "cli:"

Defined = ast.FunctionDef | ast.ClassDef
Node = Defined | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Place:
    """Lines `first` to `last` of a file; `shown` is its path in the repository."""

    path: Path
    shown: str
    first: int
    last: int


@cache
def find(symbol: str) -> Place:
    """The place of a symbol. Raises DataError if there is no such symbol."""
    if symbol.startswith(COMMANDS):
        return _find_command(symbol)
    if symbol.startswith(KERNELS):
        return _find_in_kernels(symbol)
    return _find_in_module(symbol)


@cache
def written(symbol: str) -> str:
    """A symbol as users may write it: with the path of its file, and a command also as it is typed.

    Modules are not read. Raises DataError where there is no such module or command.
    """
    if symbol.startswith(COMMANDS):
        return f"{find(symbol).shown} {_typed(symbol)}"
    if symbol.startswith(KERNELS):
        return symbol
    module, _, name = symbol.partition(":")
    return f"{_shown(_module_file(module), module.partition('.')[0])}:{name}"


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _kernel_definitions(path: Path) -> list[Definition]:
    return definitions(path.read_text(encoding="utf-8"))


@cache
def _package(name: str) -> Path:
    """The folder of one of our packages."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{name}: the package is not installed; install alexnet2012 again")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def _module_file(module: str) -> Path:
    package, *parts = module.split(".")
    if package not in ROOMS:
        raise DataError(f"{module}: no module of ours; they are in {' and '.join(ROOMS)}")
    path = _package(package).joinpath(*parts)
    for file in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if file.is_file():
            return file
    raise DataError(f"{module}: there is no such module")


def _members(node: ast.AST) -> Iterator[tuple[str, Node]]:
    """What a module or class defines, by name; what stands under an `if` or a `try` is not found."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Defined):
            yield child.name, child
        elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
            yield child.target.id, child
        elif isinstance(child, ast.Assign):
            yield from ((target.id, child) for target in child.targets if isinstance(target, ast.Name))


@cache
def _qualified(path: Path) -> dict[str, tuple[int, int]]:
    """First and last line of all that a module defines, by qualified name."""
    found: dict[str, tuple[int, int]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for name, member in _members(node):
            found.setdefault(prefix + name, _lines(member))
            if isinstance(member, ast.ClassDef):
                visit(member, f"{prefix}{name}.")

    visit(_tree(path), "")
    return found


def _lines(node: Node | ast.Call) -> tuple[int, int]:
    """With the decorators."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return first, node.end_lineno or node.lineno


def _shown(path: Path, package: str) -> str:
    return "/".join((ROOMS[package], package, *path.relative_to(_package(package)).parts))


def _find_in_module(symbol: str) -> Place:
    module, colon, name = symbol.partition(":")
    if not colon or not name:
        raise DataError(
            f"{symbol}: not a symbol; write module:name, kernels/file.cu:name, cli:command or "
            "cli:command--option"
        )
    path = _module_file(module)
    lines = _qualified(path).get(name)
    package = module.partition(".")[0]
    if lines is None:
        raise DataError(f"{symbol}: {_shown(path, package)} does not define {name}")
    return Place(path, _shown(path, package), *lines)


def _find_in_kernels(symbol: str) -> Place:
    shown, _, name = symbol.partition(":")
    path = kernels_folder() / shown.removeprefix(KERNELS)
    if not path.is_file():
        raise DataError(f"{symbol}: there is no file {shown}")
    try:
        lines = lines_of(name, _kernel_definitions(path))
    except ValueError as error:
        raise DataError(f"{symbol}: {shown} defines {name} for several types; write {error}") from error
    if lines is None:
        raise DataError(f"{symbol}: {shown} does not define {name}")
    return Place(path, shown, *lines)


def _typed(symbol: str) -> str:
    """A command, with its option if there is one, as it is typed."""
    path, dashes, option = symbol.removeprefix(COMMANDS).partition("--")
    return " ".join(["alexnet2012", *path.split("."), *([dashes + option] if dashes else [])])


def _find_command(symbol: str) -> Place:
    from alexnet2012.cli import cli

    path, dashes, option = symbol.removeprefix(COMMANDS).partition("--")
    command: click.Command = cli
    typed = _typed(COMMANDS + path)
    for word in path.split("."):
        group = command if isinstance(command, click.Group) else None
        below = group and group.get_command(click.Context(group), word)
        if below is None:
            raise DataError(f"{symbol}: there is no command `{typed}`")
        command = below
    callback = inspect.unwrap(command.callback) if command.callback is not None else None
    if callback is None:
        raise DataError(f"{symbol}: the command has no function")
    place = find(f"{callback.__module__}:{callback.__qualname__}")
    if not dashes:
        return place
    word = dashes + option
    if not any(word in (*parameter.opts, *parameter.secondary_opts) for parameter in command.params):
        raise DataError(f"{symbol}: `{typed}` has no option {word}")
    return _declaration(word, place)


def _declaration(option: str, function: Place) -> Place:
    """Where an option is declared: at its command's function or elsewhere in that file; else the function."""
    calls = [
        _lines(node)
        for node in ast.walk(_tree(function.path))
        if isinstance(node, ast.Call) and option in _words(node.args)
    ]
    at_function = [lines for lines in calls if function.first <= lines[0] <= function.last]
    if not calls:
        return function
    return Place(function.path, function.shown, *(at_function or calls)[0])


def _words(arguments: Iterable[ast.expr]) -> set[str]:
    """The strings among the arguments of a call; of `--a/--no-a`, both."""
    texts = (a.value for a in arguments if isinstance(a, ast.Constant))
    return {word for text in texts if isinstance(text, str) for word in text.split("/")}
