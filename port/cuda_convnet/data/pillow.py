"""Pillow, which comes with an extra, imported when it is needed."""

from __future__ import annotations

from types import ModuleType

from cuda_convnet.errors import DataError


def import_pillow() -> ModuleType:
    """Pillow's Image module. Raises DataError, with the mend, when it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading and writing images needs Pillow: pip install 'alexnet2012[images]'"
        ) from None
    return Image
