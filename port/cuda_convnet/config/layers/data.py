"""Data layers: type data.

Answers to `alexnet:layer.py`, DataLayerParser.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.specs import DataSpec


def read_data(layer: Draft, drafts: Drafts) -> None:
    """`dataIdx`; cuda-convnet2's `start` and `end` take only some rows of the matrix."""
    section = layer.section
    data_idx = section.integer("dataIdx")
    section.check_range("dataIdx", data_idx, 0)
    start = section.integer("start", 0)
    section.check_range("start", start, 0)
    layer.fields = {"data_idx": data_idx, "start": start}
    size = drafts.data_dims.get(data_idx)
    end = section.integer("end") if section.has("end") else size
    if end is None:
        layer.outputs = None
        return
    if end <= start or (size is not None and end > size):
        wanted = f"after 'start' = {start}" + (
            f" and at most {size}, the size of data {data_idx}" if size else ""
        )
        raise section.error(
            f"the data ends at {end}; it must end {wanted}", "end" if section.has("end") else "start"
        )
    layer.outputs = end - start


KINDS = {"data": Kind(DataSpec, read_data)}
