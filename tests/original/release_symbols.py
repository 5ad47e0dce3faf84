"""What the files of a release define: a scanner of Python 2 and of C++, by indentation and by braces."""

import re
from typing import NamedTuple

CODE = (".py", ".cu", ".cuh", ".cpp", ".h")

NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
DOCSTRING = re.compile(r'""".*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
PYTHON = re.compile(r"([ \t]*)(?:(def|class)[ \t]+(\w+)|(\w+)\s+=\s*lambda\b)")
ACCESS = re.compile(r"\b(?:public|private|protected)\s*:(?!:)")
CLASS = re.compile(r"\b(class|struct|enum)\s+(\w+)\s*(?::[^()=]*)?$")
FUNCTION = re.compile(
    r"((?:\w+\s*(?:<[^<>()]*>)?\s*::\s*)*)(operator\s*(?:\(\s*\)|[^\s\w(]+)|(?<!\w)(?!__\w)~?\w+)\s*\("
)
OPTION = re.compile(
    r"\b(?:op\.add_option|parser\.add_argument)\([\"'](?:--)?([\w-]+)[\"']|\bsys\.(argv\[[1-9]\])"
)


class Symbol(NamedTuple):
    """What is defined, where its name stands, and where it ends."""

    kind: str
    scope: str
    name: str
    line: int
    end: int


def symbols_of(path):
    """The functions and classes of a file, without those inside C++ functions; no declarations."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return python_symbols(text) if path.suffix == ".py" else list(cpp_symbols(text))


def options_of(path):
    """The command-line options that a file declares, each with its lines; arguments as argv[1]."""
    text = path.read_text(encoding="utf-8", errors="replace")
    text = re.sub(r"^\s*#[^\n]*", blanked, text, flags=re.MULTILINE)
    found = {}
    for match in OPTION.finditer(text):
        first = line_of(text, match.start())
        name = match[2] or f"{'-' if len(match[1]) == 1 else '--'}{match[1]}"
        found.setdefault(name, Symbol("option", "", name, first, line_of(text, closed(text, match))))
    return list(found.values())


def closed(text, match):
    """Where the parenthesis is closed that a match opens; its end if it opens none."""
    depth = 0
    for at in range(match.start(), len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and at >= match.end() - 1:
            return at
    return match.end()


def python_symbols(text):
    """By indentation; comments and empty lines end nothing."""
    lines = DOCSTRING.sub(blanked, text).splitlines()
    found, around = [], []  # around: indentation, kind, name, what to complete
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        around = [each for each in around if each[0] < indent]
        for _, _, _, place in around:
            found[place] = found[place]._replace(end=number)
        match = PYTHON.match(line)
        if match:
            in_class = bool(around) and around[-1][1] == "class"
            kind = "class" if match[2] == "class" else "member" if in_class and match[2] else "function"
            name, scope = match[3] or match[4], ".".join(name for _, _, name, _ in around)
            around.append((indent, kind, name, len(found)))
            found.append(Symbol(kind, scope, name, number, number))
    return found


def cpp_symbols(text):
    """By braces; a constructor's initialisers belong to it."""
    text = DIRECTIVE.sub(blanked, NO_CODE.sub(blanked, text))
    around, start, at = [], 0, 0  # around: symbols and None for namespaces
    ends = braces(text)
    while at < len(text):
        char = text[at]
        if char == "{":
            symbol = opened(text, start, at, ends[at], [s for s in around if s])
            if symbol is None or symbol.kind in ("class", "struct"):
                around.append(symbol)
            else:
                at = ends[at]
            if symbol and symbol.name:
                yield symbol
        elif char == "}" and around:
            around.pop()
        if char in "{};":
            start = at + 1
        at += 1


def opened(text, start, brace, end, around):
    """The symbol whose body begins at a brace; None for a namespace, or what has no name."""
    head = ACCESS.sub(blanked, without_angles(text[start:brace]))
    scope, last = "::".join(s.name for s in around), line_of(text, end)
    if named := CLASS.search(head.rstrip()):
        return Symbol(named[1], scope, named[2], line_of(text, start + named.start(2)), last)
    if re.search(r"=\s*$|\bnamespace\b", head) or not (named := FUNCTION.search(head)):
        return None if re.search(r"\b(?:namespace|extern)\b", head) else Symbol("", scope, "", 0, last)
    before = [part.split("<")[0].strip() for part in named[1].split("::")[:-1]]
    name = re.sub(r"operator\s*(.*)", r"operator \1", re.sub(r"\(\s*\)", "()", named[2]))
    return Symbol(
        "function",
        "::".join((*filter(None, [scope]), *before)),
        name,
        line_of(text, start + named.start(2)),
        last,
    )


def without_angles(head):
    """Without a template line, whose classes are no classes."""
    match = re.match(r"\s*template\s*<", head)
    if not match:
        return head
    depth = 1
    for at in range(match.end(), len(head)):
        depth += {"<": 1, ">": -1}.get(head[at], 0)
        if depth == 0:
            return re.sub(r"[^\n]", " ", head[: at + 1]) + head[at + 1 :]
    return head


def braces(text):
    """Where each brace that opens is closed."""
    stack, found = [], {}
    for match in re.finditer(r"[{}]", text):
        if match[0] == "{":
            stack.append(match.start())
        elif stack:
            found[stack.pop()] = match.start()
    return found | {at: len(text) - 1 for at in stack}


def blanked(match):
    return re.sub(r"[^\n]", " ", match[0])


def line_of(text, at):
    return text.count("\n", 0, at) + 1
