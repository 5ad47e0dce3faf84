"""The lines of a .cfg file: sections, options and comments, each with its line number.

The rules are those of the ConfigParser that Python 2 had in 2012, through which the original reads:

- `[name]` starts a section; what follows the bracket on that line is ignored. A name that comes again goes on
  with the same section, and a later option replaces an earlier one of the same name.
- `option = value` or `option: value`. Option names know no upper and lower case, section names do.
- A line that starts with `#`, `;` or the word `rem` is a comment. Behind a value only `;` after a space
  starts one (`#` does not, it belongs to the value), and the first `;` alone decides.
- An indented line goes on with the value above it, even if it looks like an option or a comment.
- `""` is the empty value.
- `%(option)s` stands for another option of the section, of `[DEFAULT]`, or `__name__`, the section's name;
  `%%` is a percent sign. Options in `[DEFAULT]` hold for every section.

Answers to `alexnet:layer.py`, class MyConfigParser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cuda_convnet.errors import ConfigError

DEFAULT_SECTION = "DEFAULT"
MAX_DEPTH = 10  # how deep references to other options may nest

_HEADER = re.compile(r"\[([^]]+)\]")
_OPTION = re.compile(r"([^:=\s][^:=]*)[:=]\s*(.*)")
_REFERENCE = re.compile(r"%\(([^)]+)\)s")


@dataclass(slots=True)
class Option:
    """An option as written: its text before references are put in, and the line where it starts."""

    text: str
    line: int


@dataclass(slots=True)
class CfgSection:
    """A section: options by name in lower case; `line` and `last_line` are its first and last header's."""

    name: str
    line: int
    last_line: int
    options: dict[str, Option] = field(default_factory=dict)


@dataclass(slots=True)
class CfgFile:
    """A whole file. `remarks` are the things that were read, but not as their writer may think."""

    name: str
    sections: dict[str, CfgSection] = field(default_factory=dict)
    defaults: CfgSection = field(default_factory=lambda: CfgSection(DEFAULT_SECTION, 0, 0))
    remarks: list[str] = field(default_factory=list)

    def option(self, section: CfgSection, name: str) -> Option | None:
        """Option `name` of `section`, else the one in [DEFAULT]."""
        name = name.lower()
        return section.options.get(name) or self.defaults.options.get(name)

    def value(self, section: CfgSection, name: str) -> str | None:
        """The value of an option with all references put in; None where there is no such option."""
        option = self.option(section, name)
        if option is None:
            return None
        return self._expand(section, option, option.text, 1)

    def _expand(self, section: CfgSection, option: Option, text: str, depth: int) -> str:
        if "%" not in text:
            return text

        def wrong(text: str) -> ConfigError:
            return mistake(self.name, option.line, f"[{section.name}]: {text}")

        if depth > MAX_DEPTH:
            raise wrong(f"references nest more than {MAX_DEPTH} deep; do they refer to themselves?")
        parts = []
        while text:
            before, sign, text = text.partition("%")
            parts.append(before)
            if not sign:
                break
            if text.startswith("%"):
                parts.append("%")
                text = text[1:]
                continue
            reference = _REFERENCE.match("%" + text)
            if reference is None:
                raise wrong("'%' must be followed by '%' or by '(option)s'; write '%%' for the sign")
            text = text[reference.end() - 1 :]
            name = reference.group(1).lower()
            if name == "__name__":
                parts.append(section.name)
                continue
            target = self.option(section, name)
            if target is None:
                raise wrong(f"there is no option '{reference.group(1)}' to refer to")
            parts.append(self._expand(section, option, target.text, depth + 1))
        return "".join(parts)


def mistake(file: str, line: int, text: str) -> ConfigError:
    """The error for line `line` of `file`, on one line whatever names and values it quotes."""
    return ConfigError(" ".join(f"{file}:{line}: {text}".split()))


def _strip_comment(value: str) -> str:
    semicolon = value.find(";")
    if semicolon != -1 and value[semicolon - 1].isspace():
        value = value[:semicolon]
    value = value.strip()
    return "" if value == '""' else value


def _is_comment(line: str) -> bool:
    return (
        not line.strip() or line[0] in "#;" or (line[0] in "rR" and line.split(None, 1)[0].lower() == "rem")
    )


def lex(text: str, name: str) -> CfgFile:
    """Read the text of the file called `name`.

    Raises ConfigError with the line where something is neither section nor option nor comment.
    """
    file = CfgFile(name)
    section: CfgSection | None = None
    option: Option | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if _is_comment(line):
            continue
        if line[0].isspace() and section is not None and option is not None:
            option.text = f"{option.text}\n{line.strip()}"
            continue
        header = _HEADER.match(line)
        if header:
            section, option = _section(file, header.group(1), number), None
            continue
        if section is None:
            raise mistake(
                name, number, f"'{_short(line)}' stands before the first section; start that with [name]"
            )
        match = _OPTION.match(line)
        if not match:
            text = f"'{_short(line)}' is no option; write option=value, or # before a comment"
            raise mistake(name, number, f"[{section.name}]: {text}")
        option = Option(_strip_comment(match.group(2)), number)
        _add(file, section, match.group(1).rstrip().lower(), option)
    return file


def _section(file: CfgFile, name: str, line: int) -> CfgSection:
    if name == DEFAULT_SECTION:
        return file.defaults
    if name not in file.sections:
        return file.sections.setdefault(name, CfgSection(name, line, line))
    section = file.sections[name]
    file.remarks.append(
        f"{file.name}:{line}: section [{name}] again, after line {section.last_line}; it goes on here"
    )
    section.last_line = line
    return section


def _add(file: CfgFile, section: CfgSection, name: str, option: Option) -> None:
    before = section.options.get(name)
    if before is not None and before.line > section.last_line:
        text = f"[{section.name}]: option '{name}' again, after line {before.line}; this one counts"
        file.remarks.append(f"{file.name}:{option.line}: {text}")
    section.options[name] = option


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 40 else line[:37] + "..."
