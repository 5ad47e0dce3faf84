"""What the pages of all reports share: their templates, and sheets of filters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet2012.report import pictures

FILTERS_PER_ROW = 8


def fill(template: str, **values: Any) -> str:
    """A template of this package, filled with `values`."""
    text: str = _environment().get_template(template).render(**values)
    return text


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("alexnet2012"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=1: f"{100 * share:.{digits}f}%"
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment


def filter_sheets(first_filters: Mapping[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
    """A sheet for each column, all on one scale; the scale leaves out the largest percent of the weights."""
    scale = (
        float(np.percentile(np.abs(np.concatenate([f.ravel() for f in first_filters.values()])), 99)) or 1.0
    )
    sheets = []
    for name, filters in first_filters.items():
        sheet = pictures.filter_sheet(filters, FILTERS_PER_ROW, scale)
        alt = (
            f"The {filters.shape[-1]} filters of {name}, each {filters.shape[1]} × {filters.shape[2]} pixels"
        )
        sheets.append(
            {
                "name": name,
                "alt": alt,
                "uri": pictures.png(sheet),
                "height": sheet.shape[0],
                "width": sheet.shape[1],
            }
        )
    return sheets
