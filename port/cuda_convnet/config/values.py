"""Values of options, read and checked: numbers, words, and lists with one entry per input.

Every mistake is a ConfigError of one line: `layers.cfg:45: layer 'conv2a': ...` and what would be right. A
mistake in the entry for one input names it as the original does, `conv3a[1]`.

Answers to `alexnet:layer.py`, classes MyConfigParser (safe_get and its family) and LayerParser (verify_*).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from cuda_convnet.config.lexer import CfgFile, CfgSection, mistake
from cuda_convnet.errors import ConfigError

T = TypeVar("T")

TRUE_WORDS = ("1", "yes", "true", "on")
FALSE_WORDS = ("0", "no", "false", "off")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\Z")
_C_INT = 2**31


class Malformed(ValueError):
    """A word that is not what the option needs."""


def to_integer(word: str) -> int:
    """A whole number that fits a C int, or Malformed."""
    # int() would take '1_000' and other alphabets' digits, and have an opinion on very long ones
    if not _INTEGER.match(word) or len(word.lstrip("+-0")) > 10 or abs(int(word)) >= _C_INT:
        raise Malformed
    return int(word)


def to_number(word: str) -> float:
    """A finite number, or Malformed."""
    # DEVIATION(cfg-finite-numbers): the original takes 'nan' and 'inf' for numbers.
    if not _NUMBER.match(word) or math.isinf(float(word)):
        raise Malformed
    return float(word)


def _boolean(word: str) -> bool:
    if word.lower() not in TRUE_WORDS + FALSE_WORDS:
        raise Malformed
    return word.lower() in TRUE_WORDS


def _flag(word: str) -> bool:
    # DEVIATION(cfg-truth-lists): here the original takes "true" and "1" and silently reads every other
    # word, 'yes' and 'on' too, as false; here those are refused.
    if word.lower() in ("true", "1"):
        return True
    if word.lower() in ("false", "0", "no", "off", ""):
        return False
    raise Malformed


class ParameterSection(Protocol):
    """What a layer asks of its section of the parameter file, or of NoParameters."""

    def has(self, option: str) -> bool: ...
    def text(self, option: str, default: str | None = None) -> str: ...
    def integer(self, option: str, default: int | None = None) -> int: ...
    def number(self, option: str, default: float | None = None) -> float: ...
    def boolean(self, option: str, default: bool | None = None) -> bool: ...
    def numbers(self, option: str, count: int, default: float | None = None) -> tuple[float, ...]: ...
    def entries(self, option: str, count: int) -> tuple[str, ...]: ...
    def check_range(
        self,
        option: str,
        values: float | Sequence[float],
        low: float | None = None,
        high: float | None = None,
    ) -> None: ...
    def error(self, text: str, option: str = "", index: int | None = None) -> ConfigError: ...


class Section:
    """One layer's section of a file, read option by option; remembers which options were asked for."""

    def __init__(self, file: CfgFile, section: CfgSection) -> None:
        self.file = file
        self.section = section
        self.name = section.name
        self.line = section.line
        self._asked: set[str] = set()

    def error(self, text: str, option: str = "", index: int | None = None) -> ConfigError:
        """The mistake `text` at `option` or the section's start, in the entry of input `index` if given."""
        found = self.file.option(self.section, option) if option else None
        line = found.line if found else self.line
        label = self.name if index is None else f"{self.name}[{index}]"
        return mistake(self.file.name, line, f"layer '{label}': {text}")

    def has(self, option: str) -> bool:
        self._asked.add(option.lower())
        return self.file.option(self.section, option) is not None

    def text(self, option: str, default: str | None = None) -> str:
        self._asked.add(option.lower())
        value = self.file.value(self.section, option)
        if value is None:
            if default is None:
                raise self.error(f"'{option}' is missing{self._like(option)}")
            return default
        return value

    def integer(self, option: str, default: int | None = None) -> int:
        return self._one(option, default, to_integer, "a whole number")

    def number(self, option: str, default: float | None = None) -> float:
        return self._one(option, default, to_number, "a number")

    def boolean(self, option: str, default: bool | None = None) -> bool:
        return self._one(option, default, _boolean, "true or false (1, yes, on; 0, no, off)")

    def words(self, option: str, default: str | None = None) -> list[str]:
        return [word.strip() for word in self.text(option, default).split(",")]

    def integers(self, option: str, count: int, default: int | None = None) -> tuple[int, ...]:
        return self._many(option, count, default, to_integer, "whole numbers")

    def numbers(self, option: str, count: int, default: float | None = None) -> tuple[float, ...]:
        return self._many(option, count, default, to_number, "numbers")

    def flags(self, option: str, count: int, default: bool | None = None) -> tuple[bool, ...]:
        return self._many(option, count, default, _flag, "true (1) or false (0)")

    def entries(self, option: str, count: int) -> tuple[str, ...]:
        """The words of a list with one entry per input."""
        return self._per_input(option, self.words(option), count)

    def _per_input(self, option: str, values: Sequence[T], count: int) -> tuple[T, ...]:
        """`values` if there is one per input; a single value stands for all inputs, as in cuda-convnet2."""
        if len(values) == 1:
            return tuple(values) * count
        if len(values) != count:
            raise self.error(
                f"'{option}' has {len(values)} entries for {_inputs(count)}; give one per input", option
            )
        return tuple(values)

    def unread(self) -> list[str]:
        """A remark on each option written in this section that nothing asked for."""
        names = [name for name in self.section.options if name not in self._asked]
        return [str(self.error(f"option '{name}' is not read", name)) for name in names]

    # --- rules ------------------------------------------------------------------------------------

    def check_range(
        self,
        option: str,
        values: float | Sequence[float],
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """Each of `values` lies between `low` and `high`, both included, None for no limit."""
        several = isinstance(values, Sequence)
        for index, value in enumerate(values if isinstance(values, Sequence) else [values]):
            if (low is not None and value < low) or (high is not None and value > high):
                if low is not None and high is not None:
                    rule = (
                        f"from {low:g} to {high:g}"
                        if low <= high
                        else f"at least {low:g}, and no value can be"
                    )
                else:
                    rule = f"at least {low:g}" if low is not None else f"at most {high:g}"
                raise self.error(
                    f"'{option}' is {value:g}; it must be {rule}", option, index if several else None
                )

    def check_divisible(
        self, what: str, value: int, divisor: int, by: str = "", option: str = "", index: int | None = None
    ) -> None:
        """`value` is a multiple of `divisor`, which is called `by`."""
        if value % divisor:
            name = f"{by} = {divisor}" if by else f"{divisor}"
            raise self.error(
                f"{what} is {value}; it must be divisible by {name}", option or what.strip("'"), index
            )

    def check_among(self, option: str, value: object, choices: Iterable[object]) -> None:
        choices = list(choices)
        if value not in choices:
            listed = ", ".join(str(c) for c in choices)
            hint = closest(str(value), [str(c) for c in choices])
            raise self.error(f"'{option}' is {value!r}; it must be one of {listed}{hint}", option)

    # --- helpers ----------------------------------------------------------------------------------

    def _one(self, option: str, default: T | None, convert: Callable[[str], T], kind: str) -> T:
        if default is not None and not self.has(option):
            return default
        text = self.text(option)
        try:
            return convert(text.strip())
        except Malformed:
            raise self.error(f"'{option}' must be {kind}, not {quote(text)}", option) from None

    def _many(
        self, option: str, count: int, default: T | None, convert: Callable[[str], T], kind: str
    ) -> tuple[T, ...]:
        if default is not None and not self.has(option):
            return (default,) * count
        text = self.text(option)
        try:
            values = [convert(word.strip()) for word in text.split(",")]
        except Malformed:
            raise self.error(
                f"'{option}' must be {kind} with commas between them, not {quote(text)}", option
            ) from None
        return self._per_input(option, values, count)

    def _like(self, option: str) -> str:
        written = [name for name in self.section.options if name not in self._asked]
        # epsW and epsB, or filters and filterSize, are less alike than this
        return closest(option.lower(), written, "; is '{}' meant to be it?", likeness=0.85)


class NoParameters:
    """Stands for a section of a parameter file that was not given: defaults, else zeros and true.

    Enough to look at a network, not to run it.
    """

    def has(self, option: str) -> bool:
        return False

    def text(self, option: str, default: str | None = None) -> str:
        return "0" if default is None else default

    def integer(self, option: str, default: int | None = None) -> int:
        return 0 if default is None else default

    def number(self, option: str, default: float | None = None) -> float:
        return 0.0 if default is None else default

    def boolean(self, option: str, default: bool | None = None) -> bool:
        return True if default is None else default

    def numbers(self, option: str, count: int, default: float | None = None) -> tuple[float, ...]:
        return (self.number(option, default),) * count

    def entries(self, option: str, count: int) -> tuple[str, ...]:
        return ("0",) * count

    def check_range(
        self,
        option: str,
        values: float | Sequence[float],
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """There is nothing to check."""

    def error(self, text: str, option: str = "", index: int | None = None) -> ConfigError:
        return ConfigError(text)


def quote(text: str) -> str:
    """A value for a message: on one line, with a word about how it came to have several."""
    if "\n" in text:
        return f"'{' '.join(text.split())}' (indented lines go on with the value above them)"
    return f"'{text}'"


def closest(
    word: str, choices: Sequence[str], form: str = "; did you mean '{}'?", likeness: float = 0.7
) -> str:
    """A hint at the choice that looks like `word`, '' where none does."""
    found = difflib.get_close_matches(word, choices, n=1, cutoff=likeness)
    return form.format(found[0]) if found else ""


def _inputs(count: int) -> str:
    return "1 input" if count == 1 else f"{count} inputs"
