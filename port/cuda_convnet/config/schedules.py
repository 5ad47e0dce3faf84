"""Learning-rate schedules and quantisers of the parameter file.

A schedule turns a rate into a course of rates by training progress. It is written in one of three ways, of
which the first is what the 2012 release reads:

- `schedW=dexp[tgtFactor=250,noiseStdev=0,numSteps=4]`, in this order, names in any case;
- `schedW=dexp[250,0,4]` or `schedW=dexp[250,4]`, without names, the noise left out or not: the way of the
  release's runs of winter 2012/13, which its own `layer.py` no longer reads;
- `epsW=dexp[base=0.01;tgtFactor=250;numSteps=4]`, with the rate itself inside: cuda-convnet2, where the
  constant schedule is called `const`.

`exp` goes from the rate to the rate divided by tgtFactor, `dexp` does so in numSteps steps, `jdexp` jumps
back a step halfway through each, `linear` goes in a straight line.

Answers to `alexnet:layer.py`, lrs_parsers and quant_parsers, and `cuda-convnet2:layer.py`, lrs_parsers.
"""

from __future__ import annotations

import re

from cuda_convnet.config.specs import Schedule
from cuda_convnet.config.values import Malformed, closest, to_integer, to_number

SCHEDULES: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("tgtFactor", "noiseStdev"),
    "exp": ("tgtFactor", "noiseStdev"),
    "dexp": ("tgtFactor", "noiseStdev", "numSteps"),
    "jdexp": ("tgtFactor", "noiseStdev", "numSteps"),
}
RATES: dict[str, tuple[str, ...]] = {
    "const": ("base",),
    "linear": ("base", "tgtFactor"),
    "exp": ("base", "tgtFactor"),
    "dexp": ("base", "tgtFactor", "numSteps"),
}
QUANTISERS = ("default", "half")

_FORM = re.compile(r"(\w+)\s*(?:\[(.*)\])?\s*\Z", re.DOTALL)


def parse_schedule(text: str) -> Schedule:
    """The schedule that schedW or schedB writes. Raises ValueError with what is wrong and the right form."""
    name, inside = _split(text, SCHEDULES, ",")
    wanted = SCHEDULES[name]
    words = inside.split(",") if inside else []
    if "=" not in inside and len(words) == len(wanted) - 1:
        wanted = tuple(w for w in wanted if w != "noiseStdev")
    named = "=" in inside
    return _schedule(name, _parameters(text, words, wanted, named, usage(name, SCHEDULES[name], ",")))


def parse_rate(text: str) -> tuple[float, Schedule | None]:
    """The rate that an entry of epsW or epsB writes, and its schedule if it carries one, as cuda-convnet2's
    do.

    Raises ValueError with what is wrong and what would be right.
    """
    if "[" not in text:
        try:
            return to_number(text), None
        except Malformed:
            raise ValueError(
                f"must be a number, or a schedule as exp[base=0.01;tgtFactor=10], not '{text}'"
            ) from None
    name, inside = _split(text, RATES, ";")
    values = _parameters(text, inside.split(";"), RATES[name], True, usage(name, RATES[name], ";"))
    return values["base"], _schedule("default" if name == "const" else name, values)


def parse_quantiser(text: str) -> str:
    """The quantiser that quantF or quantB writes. Raises ValueError naming those there are."""
    if text.strip().lower() not in QUANTISERS:
        raise ValueError(f"there is no quantiser '{text}'; there are {' and '.join(QUANTISERS)}")
    return text.strip().lower()


def usage(name: str, parameters: tuple[str, ...], separator: str) -> str:
    """How a schedule is written, as `exp[base=..;tgtFactor=..]`."""
    return f"{name}[{separator.join(f'{p}=..' for p in parameters)}]" if parameters else name


def _split(text: str, known: dict[str, tuple[str, ...]], separator: str) -> tuple[str, str]:
    match = _FORM.match(text.strip())
    name = (match.group(1) if match else text.split("[")[0].strip()).lower()
    if name not in known:
        raise ValueError(
            f"there is no schedule '{name}'; there are {', '.join(known)}{closest(name, list(known))}"
        )
    if match is None:
        raise ValueError(f"schedule '{text}' is not of the form {usage(name, known[name], separator)}")
    return name, match.group(2) or ""


def _parameters(
    text: str, words: list[str], wanted: tuple[str, ...], named: bool, form: str
) -> dict[str, float]:
    if len(words) != len(wanted):
        raise ValueError(f"schedule '{text}' is not of the form {form}")
    values: dict[str, float] = {}
    for name, word in zip(wanted, words, strict=True):
        key, sign, value = word.rpartition("=")
        if bool(sign) != named or (named and key.strip().lower() != name.lower()):
            raise ValueError(f"schedule '{text}' is not of the form {form}")
        try:
            values[name] = to_integer(value.strip()) if name == "numSteps" else to_number(value.strip())
        except Malformed:
            kind = "a whole number" if name == "numSteps" else "a number"
            raise ValueError(f"'{name}' of schedule '{text}' must be {kind}, not '{value.strip()}'") from None
    return values


def _schedule(name: str, values: dict[str, float]) -> Schedule:
    values = {"tgtFactor": 1.0, "noiseStdev": 0.0, "numSteps": 1, **values}
    # DEVIATION(cfg-schedule-range): the original takes these and then computes rates that are no numbers.
    if values["tgtFactor"] <= 0:
        raise ValueError(f"tgtFactor of schedule '{name}' is {values['tgtFactor']:g}; it must be more than 0")
    if values["numSteps"] < 1:
        raise ValueError(f"numSteps of schedule '{name}' is {values['numSteps']:g}; it must be at least 1")
    return Schedule(name, values["tgtFactor"], values["noiseStdev"], int(values["numSteps"]))
