"""Mathematics as MathML, which browsers draw without help."""

from __future__ import annotations

from functools import cache


@cache
def mathml(tex: str, *, block: bool = True) -> str:
    """A formula in LaTeX as a <math> element."""
    from latex2mathml.converter import convert

    return convert(tex, display="block" if block else "inline")
