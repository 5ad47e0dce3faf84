"""Functions of the user that draw a layer's weights, biases or sparse connections.

`initWFunc=module.function(param1,param2)` in a layer file calls `function` of the module, found as Python
finds modules, with the parameters as words:

    def makew(name, idx, shape, params): ...    # initWFunc: float32 matrix of `shape` for input `idx`
    def makeb(name, shape, params): ...         # initBFunc: float32 matrix of `shape`
    def makec(name, idx, shape, params): ...    # initCFunc: list of channels; shape is (groups, channels,
    filterChannels)

`shape` of weights and biases is that of the original's matrices: WeightLayerSpec.matrix_shapes and
bias_matrix_shape.

Answers to `alexnet:layer.py`, call_init_func, make_weights, make_biases and gen_rand_conns.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_convnet.errors import ConfigError

_FORM = re.compile(r"([^.]+)\.([^()]+?)\s*(?:\(([^,]+(?:,[^,]+)*)\))?\Z")


def split_init_func(text: str) -> tuple[str, str, list[str]]:
    """(module, function, parameters) that `text` names. Raises ValueError with the form it should have."""
    match = _FORM.match(text)
    if not match:
        raise ValueError(
            f"must have the form module.function(param1,param2,..), not '{' '.join(text.split())}'"
        )
    return match.group(1), match.group(2), match.group(3).split(",") if match.group(3) else []


def init_weights(layer: str, index: int, text: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The weights of input `index` of `layer` from the function that `text` names, C order, float32, `shape`.

    Raises ConfigError where the function is not found, fails, or returns something else.
    """
    return _matrix(f"layer '{layer}[{index}]': initWFunc={text}", (layer, index, shape), text, shape)


def init_biases(layer: str, text: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The biases of `layer` from the function that `text` names; as init_weights."""
    return _matrix(f"layer '{layer}': initBFunc={text}", (layer, shape), text, shape)


def init_connections(
    layer: str, index: int, text: str, groups: int, channels: int, filter_channels: int
) -> NDArray[np.int32]:
    """The channels that each group of input `index` of `layer` sees, int32 (groups, filter_channels).

    The function returns them as one list of groups * filter_channels channels, of which each run of
    `channels` holds every channel once. Raises ConfigError where the function is not found, fails, or returns
    something else.
    """
    where = f"layer '{layer}[{index}]': initCFunc={text}"
    found = call_init_func(where, text, (layer, index, (groups, channels, filter_channels)))
    count = groups * filter_channels
    try:
        connections = np.asarray(list(found))
    except (TypeError, ValueError):
        connections = np.empty(0)
    if connections.shape != (count,) or not np.issubdtype(connections.dtype, np.integer):
        got = f"{len(found)} things" if hasattr(found, "__len__") else f"a {type(found).__name__}"
        raise ConfigError(
            f"{where} must return a list of groups * filterChannels = {count} channels, not {got}"
        )
    if connections.min() < 0 or connections.max() >= channels:
        raise ConfigError(f"{where} must return channels from 0 to {channels - 1}")
    if any(len(set(part)) != channels for part in connections.reshape(-1, channels)):
        raise ConfigError(f"{where} must return every channel once in each run of {channels}")
    return connections.astype(np.int32).reshape(groups, filter_channels)


def call_init_func(where: str, text: str, arguments: tuple[Any, ...]) -> Any:
    """What the function that `text` names returns for `arguments` and its parameters.

    Raises ConfigError, starting with `where`, when it cannot be found or raises anything.
    """
    module_name, name, params = split_init_func(text)
    # the module is the user's own code: whatever goes wrong in it is named, not traced back
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{where}: {error}; put the folder of {module_name}.py into PYTHONPATH") from error
    except Exception as error:
        raise ConfigError(f"{where}: module '{module_name}': {_named(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{where}: module '{module_name}' has no function '{name}'")
    try:
        return function(*arguments, params=params)
    except Exception as error:
        raise ConfigError(f"{where}: {_named(error)}") from error


def _named(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _matrix(where: str, arguments: tuple[Any, ...], text: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    found = call_init_func(where, text, arguments)
    if type(found) is not np.ndarray:
        raise ConfigError(f"{where} must return a numpy.ndarray, not a {type(found).__name__}")
    if found.dtype != np.float32:
        raise ConfigError(f"{where} must return float32, not {found.dtype}")
    if found.shape != shape:
        raise ConfigError(f"{where} must return a matrix of shape {shape}, not {found.shape}")
    return np.ascontiguousarray(found)
