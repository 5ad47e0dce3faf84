"""Finds what a kernel file defines: functions, structs and macros, with their lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["function", "struct", "macro"]

# comments, raw strings, strings and characters, in this order
NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"\(.*?\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL | re.MULTILINE
)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
MACRO = re.compile(r"\s*#\s*define\s+(\w+)")
WRAPPED = re.compile(r"(?:namespace\s*\w*|extern)\s*$")
STRUCT = re.compile(r"(?:struct|class|union|enum(?:\s+class)?)\s+(?:alignas\(\w+\)\s+)?(\w+)\s*(?::[^:(]*)?$")
FUNCTION = re.compile(r"\b(?!__attribute__|__launch_bounds__|alignas)(\w+)\s*\(")
KERNEL = re.compile(r"__device__\s+void\s+\w+\s*\(")


@dataclass(frozen=True)
class Definition:
    """A definition, from its template line to its closing brace.

    `head` is all before the opening brace, without the template line.
    """

    kind: Kind
    name: str
    head: str
    first: int
    last: int

    @property
    def is_kernel(self) -> bool:
        """A kernel: a device function that is not inlined into others; a launch makes an entry of it."""
        return self.kind == "function" and KERNEL.match(self.head) is not None


def definitions(text: str) -> list[Definition]:
    """All definitions of a file outside any function or struct, in the order of their lines."""
    code = NO_CODE.sub(_blank, text)
    found = [
        Definition("macro", name[1], directive[0], *_lines(code, directive.start(), directive.end()))
        for directive in DIRECTIVE.finditer(code)
        if (name := MACRO.match(directive[0]))
    ]
    code = DIRECTIVE.sub(_blank, code)
    start: int | None = None  # of the definition that is being read
    brace = depth = 0
    for at, char in enumerate(code):
        if depth == 0:
            if start is None:
                if char.isspace() or char in "};":  # what closes a namespace, or ends a struct
                    continue
                start = at
            if char == ";":
                start = None
            elif char == "{":
                if WRAPPED.match(code, start, at):
                    start = None
                    continue
                brace, depth = at, 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0 and start is not None:
                head = _without_template(code[start:brace]).strip()
                if named := STRUCT.match(head):
                    found.append(Definition("struct", named[1], head, *_lines(code, start, at)))
                elif named := FUNCTION.search(head):
                    found.append(Definition("function", named[1], head, *_lines(code, start, at)))
                start = None
    return sorted(found, key=lambda definition: definition.first)


def lines_of(name: str, found: list[Definition]) -> tuple[int, int] | None:
    """First and last line of the first definition of that name; None where there is none.

    An empty struct that only chooses among functions has those directly below it that take it.
    """
    for i, definition in enumerate(found):
        if definition.name == name:
            last = definition.last
            if definition.kind == "struct":
                for below in found[i + 1 :]:
                    if below.kind != "function" or f"({name}," not in below.head:
                        break
                    last = below.last
            return definition.first, last
    return None


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _lines(code: str, start: int, end: int) -> tuple[int, int]:
    return code.count("\n", 0, start) + 1, code.count("\n", 0, end) + 1


def _without_template(head: str) -> str:
    if not head.startswith("template"):
        return head
    depth = 0
    for at, char in enumerate(head):
        depth += {"<": 1, ">": -1}.get(char, 0)
        if char == ">" and depth == 0:
            return head[at + 1 :]
    return head
