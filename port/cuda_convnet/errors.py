"""What can go wrong through no fault of this library, each told in one line that names the mend."""

from __future__ import annotations


class ConvnetError(Exception):
    """A mistake in the input, or a machine that cannot do what was asked.

    The message is one line: the file, line, layer or option first, then what is wrong,
    then what would be right. The commands print it as it stands and exit with status 2.
    """


class ConfigError(ConvnetError):
    """A mistake in a network's .cfg files."""


class EngineError(ConvnetError):
    """An operation was asked for with shapes or parameters it does not take, or an engine is not there."""


class DataError(ConvnetError):
    """A batch file, a folder of batches or a source of images that cannot be used."""


class CheckpointError(ConvnetError):
    """A checkpoint that cannot be written, read, or does not belong to this network."""


class NonFiniteError(ConvnetError):
    """A cost became NaN or infinite; the message names the layer in which it first arose."""
