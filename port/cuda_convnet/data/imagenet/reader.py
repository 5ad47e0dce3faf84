"""Reads the bytes of catalogued images, in any process and any order."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from cuda_convnet.data.imagenet.images import Images

OPEN_FILES = 16


class SourceError(Exception):
    """Why the bytes of an image cannot be had (any more), as a phrase for a list of rejections."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Reader:
    """Reads images out of the containers of a catalogue; keeps a few of them open.

    It can be sent to other processes, each of which opens files of its own.

    >>> reader = Reader(catalogue.containers)                   # doctest: +SKIP
    >>> data = reader.read(catalogue.splits["train"], 0)        # doctest: +SKIP
    """

    def __init__(self, containers: Sequence[str]) -> None:
        self._containers = tuple(containers)
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, images: Images, index: int) -> bytes:
        """The bytes of image `index`. Raises SourceError: they are gone, cut off, or cannot be read."""
        container, offset, size = (
            int(array[index]) for array in (images.containers, images.offsets, images.sizes)
        )
        try:
            if offset == 0:
                name = images.names[index].decode()
                return self._whole_file(os.path.join(self._containers[container], name), size)
            data = _read(self._file(container), size, offset)
        except FileNotFoundError:
            raise SourceError("is not there any more") from None
        except OSError as error:
            raise SourceError(f"cannot be read ({error.strerror})") from None
        if len(data) < size:
            raise SourceError(f"has been cut off since it was catalogued: {len(data)} of {size} bytes")
        return data

    def close(self) -> None:
        """Close what is open. The reader can still be used."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __reduce__(self) -> tuple[type[Reader], tuple[tuple[str, ...]]]:
        return Reader, (self._containers,)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            self.close()

    def _file(self, container: int) -> int:
        if container in self._open:
            self._open.move_to_end(container)
        else:
            while len(self._open) >= OPEN_FILES:
                os.close(self._open.popitem(last=False)[1])
            self._open[container] = os.open(self._containers[container], os.O_RDONLY | os.O_CLOEXEC)
        return self._open[container]

    @staticmethod
    def _whole_file(path: str, size: int) -> bytes:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            now = os.fstat(file).st_size
            if now != size:
                raise SourceError(f"has changed since it was catalogued: {now} bytes, not {size}")
            return _read(file, size, 0)
        finally:
            os.close(file)


def _read(file: int, size: int, offset: int) -> bytes:
    """`size` bytes from `offset` on, or fewer where the file ends."""
    data = os.pread(file, size, offset)
    while len(data) < size:
        more = os.pread(file, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
