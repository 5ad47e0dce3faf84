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
ARGUMENT = re.compile(r"\s*(?:const\s+)?(\w+)")
WRITTEN = re.compile(r"(\w+)(?:\((\w+)\))?")


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
    def tag(self) -> str:
        """The type of a function's first argument, which tells overloads apart; '' without one."""
        if self.kind != "function":
            return ""
        name = FUNCTION.search(self.head)
        named = name and ARGUMENT.match(self.head, name.end())
        return named[1] if named else ""


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

    Of functions of one name, `name(Tag)` is the one whose first argument is a Tag; ValueError names them
    where they differ in it and the name has no tag. An empty struct that only chooses among functions has
    those directly below it that take it.
    """
    written = WRITTEN.fullmatch(name)
    if written is None:
        return None
    word, tag = written.groups()
    named = [d for d in found if d.name == word and tag in (None, d.tag)]
    if not named:
        return None
    tags = dict.fromkeys(d.tag for d in named if d.kind == "function")
    if len(tags) > 1:
        raise ValueError(" or ".join(f"{word}({each})" for each in tags))
    first, last = named[0].first, named[0].last
    if named[0].kind == "struct":
        for below in found[found.index(named[0]) + 1 :]:
            if below.tag != word:
                break
            last = below.last
    return first, last


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
