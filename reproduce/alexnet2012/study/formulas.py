"""Mathematics as MathML, which browsers draw without help."""

from __future__ import annotations

from functools import cache


@cache
def mathml(tex: str) -> str:
    """A formula in LaTeX as a <math> element that stands on lines of its own."""
    from latex2mathml.converter import convert

    return convert(tex, display="block")
