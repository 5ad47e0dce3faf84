"""Reads pickles of NumPy arrays and plain containers, and refuses everything else by name.

The batches of 2012 and of CIFAR-10 are pickles, and a pickle is a program: it may call whatever it can
import. Here it can import nothing. The few NumPy names that arrays need give inert stand-ins, which record
what they were given; when the pickle has ended, the records are checked and made into arrays. NumPy's own
code for unpickling, which trusts what it is fed, is never run.

Answers to `unpickle` in `cuda-convnet:util.py`.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from cuda_convnet.errors import DataError

OPERATIONS: Final = {operation.code: operation for operation in pickletools.opcodes}
PLAIN_DTYPE = re.compile(r"[biufcS][1-9][0-9]{0,3}")


class _Refused(Exception):
    """What the pickle asked for that arrays and plain containers do not need."""


class _Record:
    """A stand-in on the pickle's stack: inert, and its state can be set once, through its own check."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise _Refused("it gives a state to something that has none")


class _Function(_Record):
    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)


class _ArrayType(_Record):
    """Stands for numpy.ndarray, which pickles name but never call."""

    __slots__ = ()


class _Dtype(_Record):
    __slots__ = ("_order", "_text")

    def __init__(self, text: object, *flags: object) -> None:
        self._text = _latin1(text).decode("latin1")
        self._order = "="

    def __setstate__(self, state: object) -> None:
        # (version, byte order, subarray, names, fields, size, alignment, flags): only the order is needed.
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
            raise _Refused("it has an array whose elements are not plain numbers")
        order = _latin1(state[1]).decode("latin1")
        if order not in ("<", ">", "|", "="):
            raise _Refused(f"it has an array of unknown byte order {order!r}")
        self._order = order

    def build(self) -> np.dtype[Any]:
        if not PLAIN_DTYPE.fullmatch(self._text):
            raise _Refused(f"it has an array of type {self._text!r}, not of plain numbers")
        return np.dtype(self._order + self._text)


class _Array(_Record):
    __slots__ = ("_dtype", "_fortran", "_raw", "_shape")

    def __init__(self) -> None:
        self._shape: object = None
        self._dtype: object = None
        self._fortran: object = False
        self._raw: object = b""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _Refused("it has an array with a state of another form")
        _, self._shape, self._dtype, self._fortran, self._raw = state

    @classmethod
    def of(cls, raw: object, dtype: object, shape: object, order: object) -> _Array:
        array = cls()
        array._shape, array._dtype, array._fortran, array._raw = shape, dtype, order == "F", raw
        return array

    def build(self) -> np.ndarray:
        shape, raw = self._shape, self._raw
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise _Refused("it has an array without a shape")
        if not isinstance(self._dtype, _Dtype) or not isinstance(raw, str | bytes | bytearray):
            raise _Refused("it has an array whose elements are not plain numbers")
        data, dtype = _latin1(raw), self._dtype.build()
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise _Refused(f"it has an array of shape {shape} with {len(data)} bytes")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if self._fortran else "C")


class _Scalar(_Record):
    __slots__ = ("_array",)

    def __init__(self, dtype: object, raw: object = b"") -> None:
        self._array = _Array.of(raw, dtype, (), "C")

    def build(self) -> np.generic:
        return self._array.build().reshape(1)[0]


def _latin1(value: object) -> bytes:
    """The bytes of a Python 2 string (read as latin-1) or of Python 3 bytes."""
    if isinstance(value, str):
        return value.encode("latin1")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise _Refused("it has something else in the place of an array's bytes")


def _reconstruct(subtype: object, shape: object, typecode: object) -> _Array:
    if not isinstance(subtype, _ArrayType):
        raise _Refused("it has an array of another class than numpy.ndarray")
    return _Array()


def _encode(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise _Refused("it calls _codecs.encode for something else than bytes")
    return text.encode("latin1")


_STAND_INS: Final[dict[str, Callable[[], object]]] = {
    "numpy.ndarray": _ArrayType,
    "numpy.dtype": lambda: _Function(_Dtype),
    "numpy.core.multiarray._reconstruct": lambda: _Function(_reconstruct),
    "numpy._core.multiarray._reconstruct": lambda: _Function(_reconstruct),
    "numpy.core.multiarray.scalar": lambda: _Function(_Scalar),
    "numpy._core.multiarray.scalar": lambda: _Function(_Scalar),
    "numpy.core.numeric._frombuffer": lambda: _Function(_Array.of),
    "numpy._core.numeric._frombuffer": lambda: _Function(_Array.of),
    "_codecs.encode": lambda: _Function(_encode),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in _STAND_INS:
            raise _Refused(f"it asks for {full}")
        return _STAND_INS[full]()

    def persistent_load(self, pid: object) -> Any:
        raise _Refused("it refers to objects outside itself")


def loads(data: bytes, name: str | Path) -> Any:
    """The contents of a pickle, of Python 2 or 3, that holds arrays, numbers, strings, lists, tuples, dicts
    and (from protocol 4 on) sets.

    Python 2's strings are read as latin-1. Arrays are read-only. `name` is what errors call the pickle.
    Raises DataError, which names what the pickle asks for (`posix.system`) if that is anything else.
    """
    try:
        _refuse_vast_memo(data)
        return _build(_Unpickler(io.BytesIO(data), encoding="latin1").load(), {})
    except _Refused as refusal:
        raise DataError(
            f"{name}: {refusal}, and a pickle here may hold nothing but arrays and plain containers; "
            "get the data elsewhere"
        ) from None
    # A damaged pickle fails in whatever way its bytes happen to lead to.
    except Exception:
        raise DataError(f"{name}: cannot be read as a pickle; get the file again") from None


def _refuse_vast_memo(data: bytes) -> None:
    """Refuse a place in the memo beyond the pickle's own length.

    A memo is a table as long as its highest place: one damaged byte there asks for tens of gigabytes.
    """
    stream = io.BytesIO(data)
    while code := stream.read(1):
        operation = OPERATIONS.get(code.decode("latin1"))
        if operation is None or operation.name == "STOP":
            return
        if operation.name == "STRING":  # its reader takes ASCII alone, and Python 2's arrays are strings
            stream.readline()
        elif operation.arg is not None:
            argument = operation.arg.reader(stream)
            if operation.name in ("PUT", "LONG_BINPUT") and argument > stream.tell():
                raise _Refused(f"it asks for memory for {argument:,} objects")


def _build(value: Any, built: dict[int, tuple[Any, Any]]) -> Any:
    """`value` with its stand-ins made into arrays; lists and dicts are changed in place, so that cycles
    stay cycles.

    `built` holds what was met and what became of it, by identity; holding both keeps the identities distinct.
    """
    if isinstance(value, _Dtype):
        return value.build()
    if isinstance(value, _Record) and not isinstance(value, _Array | _Scalar):
        raise _Refused("it holds a NumPy function in the place of data")
    if not isinstance(value, _Record | list | dict | tuple | set | frozenset):
        return value
    if id(value) in built:
        return built[id(value)][1]
    built[id(value)] = value, value
    if isinstance(value, _Array | _Scalar):
        built[id(value)] = value, value.build()
    elif isinstance(value, list):
        value[:] = [_build(item, built) for item in value]
    elif isinstance(value, dict):
        items = [(_build(key, built), _build(item, built)) for key, item in value.items()]
        value.clear()
        value.update(items)
    elif isinstance(value, tuple | set | frozenset):
        built[id(value)] = value, type(value)([_build(item, built) for item in value])
    return built[id(value)][1]
