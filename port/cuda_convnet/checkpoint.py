"""Checkpoints: what training needs to go on as if it had never stopped, in one HDF5 file.

    state/LAYER/NAME   weights, momenta and whatever else `ConvNet.get_state` names
    layers_cfg, params_cfg   the two texts that describe the network
    run        JSON: position, seed, engine, recipe, data, the costs of a batch that is under way
    costs      JSON, one line per record: the costs so far
    created    JSON: when, where and by which versions the file was written

Besides the checksums that `cuda_convnet.hdf5` gives every part, the file says the SHA-256 of all of its
content but `created`; reading verifies it, and runs that are equal to the bit have equal ones. The position
is that of the next minibatch, and all that is random is a function of seed and position
(`cuda_convnet.randomness`), so that nothing else is needed to go on.

Answers to `save_state` and `load_checkpoint` of `cuda-convnet:gpumodel.py`.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from cuda_convnet.config import NetworkSpec, parse_network
from cuda_convnet.cost import Cost
from cuda_convnet.errors import CheckpointError
from cuda_convnet.hdf5 import TEMPORARY, UnreadableFile, read_hdf5, write_hdf5

if TYPE_CHECKING:
    from cuda_convnet.network import ConvNet

FORMAT = "cuda_convnet checkpoint"
FORMAT_VERSION = 1
NAME = re.compile(r"checkpoint-(\d+)\.(\d+)\.(\d+)\.h5")


class Position(NamedTuple):
    """The next minibatch: epoch and batch count from 1, as in the original; minibatches of a batch from 0."""

    epoch: int = 1
    batch: int = 1
    minibatch: int = 0

    def __str__(self) -> str:
        return ".".join(map(str, self))


@dataclass(frozen=True)
class DataIdentity:
    """The batch folder that a network is trained on: where it is, and its `DatasetPlan.dataset`."""

    path: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network in training, at one moment.

    state          what `ConvNet.get_state` gave
    layers_cfg, params_cfg, data_dims, num_classes    of what `parse_network` makes the specification;
                   `data_dims` are the values per image, by `dataIdx`
    position, seed, engine
    recipe         `TrainingRecipe.to_dict()`
    data           the batch folder
    partial        sums of the costs of the minibatches before `position` in its batch
    costs          the records of `metrics.jsonl`, without their timings
    created        when, where and by which versions the file was written
    """

    state: Mapping[str, NDArray[Any]]
    layers_cfg: str
    params_cfg: str
    data_dims: Mapping[int, int]
    num_classes: int | None
    position: Position
    seed: int
    engine: str
    recipe: Mapping[str, Any]
    data: DataIdentity
    partial: Cost = field(default_factory=lambda: Cost(0, {}, {}))
    costs: tuple[Mapping[str, Any], ...] = ()
    created: Mapping[str, Any] = field(default_factory=dict)

    def content_hash(self) -> str:
        """SHA-256 of everything but `created`."""
        return _content_hash(self._datasets())

    def spec(self, source: Path, params: tuple[str, str] | None = None) -> NetworkSpec:
        """The network's specification; `params` is (text, name) of another parameter file. ConfigError."""
        params_text, params_name = params or (self.params_cfg, f"params.cfg of {source}")
        return parse_network(
            self.layers_cfg,
            params_text,
            layers_name=f"layers.cfg of {source}",
            params_name=params_name,
            data_dims=self.data_dims,
            num_classes=self.num_classes,
        )

    def restore(self, net: ConvNet, source: Path) -> None:
        """Give `net` this state; CheckpointError names `source` and the first weights that do not fit."""
        check_belongs(self.state, net, source)
        net.set_state(self.state)

    def _datasets(self) -> dict[str, NDArray[Any]]:
        run = {
            "position": self.position._asdict(),
            "seed": self.seed,
            "engine": self.engine,
            "recipe": self.recipe,
            "data": asdict(self.data),
            "data_dims": {str(index): dim for index, dim in self.data_dims.items()},
            "num_classes": self.num_classes,
            "partial": asdict(self.partial),
        }
        texts = {
            "layers_cfg": self.layers_cfg,
            "params_cfg": self.params_cfg,
            "run": json.dumps(run),
            "costs": "\n".join(json.dumps(record) for record in self.costs),
        }
        return {
            **{name: _as_array(text) for name, text in texts.items()},
            **{f"state/{name}": np.ascontiguousarray(array) for name, array in self.state.items()},
        }


def check_belongs(state: Mapping[str, NDArray[Any]], net: ConvNet, source: Path) -> None:
    """CheckpointError where `state`, read from `source`, has not the weights and biases that `net` has."""

    def told(name: str) -> str:
        layer, _, part = name.rpartition("/")
        return f"layer '{layer}': {part}"

    stored = {name: array.shape for name, array in state.items() if re.search(r"/(weights\d+|biases)$", name)}
    wanted = {name: tuple(weights.w.shape) for name, weights in net.named_weights()}
    for name, shape in wanted.items():
        if name not in stored:
            raise CheckpointError(f"{source} is of another network: {told(name)}, {shape} here, is not in it")
        if stored[name] != shape:
            raise CheckpointError(
                f"{source} is of another network: {told(name)} has shape {stored[name]} in it, {shape} here"
            )
    for name in stored:
        if name not in wanted:
            raise CheckpointError(f"{source} is of another network: {told(name)} is in it and not here")


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint` as `path`, whole or not at all; CheckpointError where the disk does not take it."""
    datasets = checkpoint._datasets()
    attributes: dict[str, int | float | str] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": _content_hash(datasets),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_hdf5(path, attributes, {**datasets, "created": _as_array(json.dumps(_creation()))})
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot save the checkpoint ({error.strerror or error}); "
            "those saved before are intact: mend that, then resume"
        ) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and verify the checkpoint `path`; CheckpointError says in one line what is wrong with the file."""
    try:
        contents = read_hdf5(path)
        attributes, datasets = contents.attributes, contents.datasets
        if attributes.get("format") != FORMAT:
            raise UnreadableFile("is not a checkpoint")
        if (found := attributes.get("format_version")) != FORMAT_VERSION:
            raise UnreadableFile(f"has format version {found}; this program reads version {FORMAT_VERSION}")
        created = datasets.pop("created", _as_array("{}"))
        if attributes.get("sha256") != _content_hash(datasets):
            raise UnreadableFile(
                "is damaged: its content is not what its SHA-256 says; use an earlier checkpoint"
            )
        return _checkpoint(datasets, json.loads(_as_text(created)))
    except UnreadableFile as reason:
        raise CheckpointError(f"{path} {reason}") from None
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path} does not hold what a checkpoint holds; use an earlier one") from None


def _checkpoint(datasets: Mapping[str, NDArray[Any]], created: Mapping[str, Any]) -> Checkpoint:
    run = json.loads(_as_text(datasets["run"]))
    return Checkpoint(
        state={name.removeprefix("state/"): a for name, a in datasets.items() if name.startswith("state/")},
        layers_cfg=_as_text(datasets["layers_cfg"]),
        params_cfg=_as_text(datasets["params_cfg"]),
        data_dims={int(index): dim for index, dim in run["data_dims"].items()},
        num_classes=run["num_classes"],
        position=Position(**run["position"]),
        seed=run["seed"],
        engine=run["engine"],
        recipe=run["recipe"],
        data=DataIdentity(**run["data"]),
        partial=_cost(run["partial"]),
        costs=tuple(json.loads(line) for line in _as_text(datasets["costs"]).splitlines()),
        created=created,
    )


def checkpoint_path(folder: Path, position: Position) -> Path:
    """The file in `folder` of the checkpoint at `position`."""
    return folder / f"checkpoint-{position.epoch:04}.{position.batch:04}.{position.minibatch:04}.h5"


def list_checkpoints(folder: Path) -> list[tuple[Position, Path]]:
    """The checkpoints in `folder` by their names, the first position first; none without such a folder."""
    matches = ((NAME.fullmatch(path.name), path) for path in folder.glob("checkpoint-*.h5"))
    return sorted((Position(*map(int, match.groups())), path) for match, path in matches if match)


def load_latest(folder: Path, on_damaged: Callable[[Path, CheckpointError], None]) -> tuple[Checkpoint, Path]:
    """The newest checkpoint in `folder` that can be read.

    `on_damaged` hears of each newer one that cannot. CheckpointError where none can be read, or where there
    is none.
    """
    found = list_checkpoints(folder)
    for _, path in reversed(found):
        checkpoint = _loaded(path, on_damaged)
        if checkpoint is not None:
            return checkpoint, path
    if found:
        raise CheckpointError(f"{folder}: none of the {len(found)} checkpoints can be read; train anew")
    raise CheckpointError(f"{folder}: there is no checkpoint here; train first, or name another folder")


def _loaded(path: Path, on_damaged: Callable[[Path, CheckpointError], None]) -> Checkpoint | None:
    try:
        return load_checkpoint(path)
    except CheckpointError as error:
        on_damaged(path, error)
        return None


def prune_checkpoints(folder: Path, keep: int, keep_for_good: Callable[[Position], bool]) -> None:
    """Remove checkpoints but the last `keep` and those that `keep_for_good` names; and temporary files."""
    for position, path in list_checkpoints(folder)[:-keep]:
        if not keep_for_good(position):
            path.unlink(missing_ok=True)
    for path in folder.glob(f"checkpoint-*.h5{TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _content_hash(datasets: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(datasets):
        array = datasets[name]
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _as_array(text: str) -> NDArray[Any]:
    """UTF-8 bytes, ended by a line feed, so that there is always one."""
    return np.frombuffer(f"{text}\n".encode(), np.uint8)


def _as_text(array: NDArray[Any]) -> str:
    return array.tobytes().decode()[:-1]


def _cost(values: Mapping[str, Any]) -> Cost:
    return Cost(
        values["num_cases"], {name: tuple(v) for name, v in values["values"].items()}, values["coeffs"]
    )


def _creation() -> dict[str, str]:
    try:
        release = version("alexnet2012")
    except PackageNotFoundError:  # a checkout that is not installed
        release = "unknown"
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": platform.node(),
        "alexnet2012": release,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "h5py": h5py.__version__,
    }
