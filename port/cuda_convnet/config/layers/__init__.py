"""The layer types of the .cfg language, one module per family.

Answers to `alexnet:layer.py`, layer_parsers.
"""

from __future__ import annotations

from cuda_convnet.config.drafts import Kind
from cuda_convnet.config.layers import costs, data, images, normalisation, pooling, units
from cuda_convnet.config.layers.convolution import KINDS as CONVOLUTIONS
from cuda_convnet.config.layers.fully_connected import KINDS as FULLY_CONNECTED

KINDS: dict[str, Kind] = {
    **data.KINDS,
    **FULLY_CONNECTED,
    **CONVOLUTIONS,
    **units.KINDS,
    **pooling.KINDS,
    **normalisation.KINDS,
    **images.KINDS,
    **costs.KINDS,
}
"""Every layer type by name: the thirty of 2012, and those that cuda-convnet2 adds."""
