"""The training loop.

    trainer = Trainer.start(spec, BatchFolder("digits"), TrainingRecipe(epochs=40), "runs/first")
    for event in trainer.train():
        if isinstance(event, TestDone):
            print(event.epoch, event.costs)

A run is a folder:

    checkpoints/     checkpoint-EPOCH.BATCH.MINIBATCH.h5, named by where training goes on
    metrics.jsonl    the costs, one JSON object per batch and per test (see `cuda_convnet.metrics`)
    layers.cfg, params.cfg, recipe.json    what was asked for, to read; the checkpoints hold their own copies

The library prints nothing: `Trainer.train` yields typed events.

Answers to `alexnet:convnet.py`, and to `train` of cuda-convnet's gpumodel.py.
"""

from __future__ import annotations

import dataclasses
import fcntl
import gc
import json
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from cuda_convnet.checkpoint import (
    Checkpoint,
    DataIdentity,
    Position,
    check_belongs,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    load_latest,
    prune_checkpoints,
    save_checkpoint,
)
from cuda_convnet.config.specs import DataSpec, NetworkSpec
from cuda_convnet.cost import Cost
from cuda_convnet.data.batches import BatchFolder, Split
from cuda_convnet.data.loader import Loader, Minibatch
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import CheckpointError, DataError, NonFiniteError
from cuda_convnet.evaluation import averages, check_finite, evaluate, silent_floats
from cuda_convnet.hdf5 import write_whole
from cuda_convnet.metrics import MetricsLog, without_timings
from cuda_convnet.network import ConvNet
from cuda_convnet.recipe import Change, Every, TrainingRecipe

__all__ = [
    "BatchDone",
    "Change",
    "CheckpointSaved",
    "EpochDone",
    "Event",
    "Every",
    "MinibatchDone",
    "Stopped",
    "TestDone",
    "TestMinibatchDone",
    "Trainer",
    "TrainingRecipe",
    "data_dims",
    "load_network",
    "make_loader",
    "make_network",
]

NO_COST = Cost(0, {}, {})
RESERVED = ("layers.cfg", "params.cfg", "recipe.json", "metrics.jsonl", "meta.h5")  # nobody's are overwritten
STARTING_STATE = re.compile(r"/(weights\d+|biases|connections\d+)$")


@dataclass(frozen=True)
class MinibatchDone:
    """A step of training: minibatch number `minibatch` (from 0) of `minibatches`, with `cases` images.

    `costs` are averages over the batch so far, `images_per_second` its speed so far, without the time that
    handling events takes.
    """

    epoch: int
    batch: int
    minibatch: int
    minibatches: int
    cases: int
    costs: dict[str, list[float]]
    images_per_second: float


@dataclass(frozen=True)
class BatchDone:
    """A training batch; `costs` are averages over its `cases` images."""

    epoch: int
    batch: int
    cases: int
    costs: dict[str, list[float]]
    images_per_second: float


@dataclass(frozen=True)
class TestMinibatchDone:
    """A step of a test, with `cases` images of batch number `batch` (from 1) of `batches`."""

    batch: int
    batches: int
    cases: int


@dataclass(frozen=True)
class TestDone:
    """A test on all `cases` test images, after training batch `batch` of `epoch`; `costs` are averages."""

    epoch: int
    batch: int
    cases: int
    costs: dict[str, list[float]]


@dataclass(frozen=True)
class EpochDone:
    epoch: int


@dataclass(frozen=True)
class CheckpointSaved:
    path: Path
    position: Position


@dataclass(frozen=True)
class Stopped:
    """`Trainer.stop` was called; all is saved, and `Trainer.resume` will go on at `position`."""

    position: Position


Event = MinibatchDone | BatchDone | TestMinibatchDone | TestDone | EpochDone | CheckpointSaved | Stopped


class Trainer:
    """A run: a network, its data, its recipe and the folder that remembers them.

    Made by `start` or `resume`. `net` is the network; it is another object after a change of parameters by
    the recipe's schedule. `spec` is the network before any such change. `position` is that of the next
    minibatch. `warnings` has a line for each thing that `resume` found amiss and could mend.
    """

    def __init__(
        self, spec: NetworkSpec, folder: BatchFolder, recipe: TrainingRecipe, run: Path, engine: Engine
    ) -> None:
        recipe.check(spec)
        self.folder = folder
        self.recipe = recipe
        self.run = run
        self.engine = engine
        self.position = Position()
        self.warnings: list[str] = []
        self._changes: tuple[Change, ...] = ()
        self._partial = NO_COST
        self._records: list[dict[str, Any]] = []
        self._stopping = False
        self._saved_at: Position | None = None
        self._data_dims = data_dims(spec)
        train, test = self._loader("train"), self._loader("test")
        self.num_batches, self.num_test_batches = train.num_batches, test.num_batches
        self.net = make_network(spec, recipe, engine)
        self.spec = self.net.spec

    @classmethod
    def start(
        cls,
        spec: NetworkSpec,
        folder: BatchFolder,
        recipe: TrainingRecipe,
        run: str | Path,
        *,
        engine: Engine | None = None,
        weights_from: str | Path | None = None,
    ) -> Trainer:
        """A new run in the folder `run`, which must not hold one already.

        With `weights_from`, weights and biases are those of that checkpoint and not drawn; increments are
        zero. ConvnetError where network, data and recipe do not go together or the folder cannot be made.
        """
        run = Path(run)
        if list_checkpoints(run / "checkpoints"):
            raise CheckpointError(
                f"{run}: there is a run in this folder; resume it, or choose another folder"
            )
        kept = next((name for name in RESERVED if (run / name).exists()), None)
        if kept is not None:
            raise CheckpointError(f"{run}: it holds a {kept}; choose a new folder for the run")
        recipe = TrainingRecipe.from_dict(recipe.to_dict())
        trainer = cls(spec, folder, recipe, run, engine or get_engine("numpy"))
        if weights_from is not None:
            source = Path(weights_from)
            state = load_checkpoint(source).state
            check_belongs(state, trainer.net, source)
            trainer.net.set_state({name: a for name, a in state.items() if STARTING_STATE.search(name)})
        return trainer

    @classmethod
    def resume(
        cls,
        run: str | Path,
        *,
        folder: BatchFolder | None = None,
        engine: Engine | None = None,
        threads: int | None = None,
        epochs: int | None = None,
        params: tuple[str, str] | None = None,
    ) -> Trainer:
        """The run in the folder `run`, where its last readable checkpoint stands.

        `folder`: the batch folder, where it has moved. `engine`: another than the run's, which otherwise has
        `threads` cores. `epochs`: train to the end of another epoch than the recipe says. `params`: (text,
        name) of a parameter file in place of the one in force. Everything else being the same, training gives
        the same bits as if it had never stopped.

        Damaged checkpoints newer than the one that is used get names that end in `.damaged`.
        """
        run = Path(run)
        warnings: list[str] = []

        def set_aside(path: Path, error: CheckpointError) -> None:
            damaged.append(path)
            warnings.append(f"{error}; it is now called {path.name}.damaged")

        damaged: list[Path] = []
        checkpoint, source = load_latest(run / "checkpoints", set_aside)
        for path in damaged:
            path.rename(path.with_name(path.name + ".damaged"))
        folder = folder or BatchFolder(checkpoint.data.path)
        if folder.meta.dataset != checkpoint.data.fingerprint:
            raise DataError(
                f"{folder.path}: not the data of {run}, which is trained on {checkpoint.data.path}"
            )
        recipe = TrainingRecipe.from_dict(checkpoint.recipe, str(source))
        if epochs is not None:
            recipe = dataclasses.replace(recipe, epochs=epochs)
        spec = checkpoint.spec(source, params)
        trainer = cls(spec, folder, recipe, run, engine or get_engine(checkpoint.engine, threads))
        checkpoint.restore(trainer.net, source)
        trainer.position = checkpoint.position
        trainer.warnings = warnings
        trainer._partial = checkpoint.partial
        trainer._records = [dict(record) for record in checkpoint.costs]
        if trainer.checkpoint().content_hash() == checkpoint.content_hash():
            trainer._saved_at = checkpoint.position
        return trainer

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.position.epoch > self.recipe.epochs

    def stop(self) -> None:
        """Ask `train` to stop after the minibatch that is under way; a signal handler may call this."""
        self._stopping = True

    def train(self) -> Iterator[Event]:
        """Train to the end of the last epoch, or until `stop`, and yield what happens.

        NonFiniteError where a cost or a weight becomes NaN or infinite; the last checkpoint stays. DataError
        where a batch cannot be read; the state before it is saved first. CheckpointError where the
        disk does not take what is saved, or another process trains in the same folder.
        """
        with self._lock():
            # The checkpoint comes first: killed after it, a run can be resumed; before it, begun again.
            first = self._save() if self._saved_at is None else None
            self._open_folder()
            try:
                if first is not None:
                    yield first
                while not self.done:
                    yield from self._train_with_one_loader()
                if self._saved_at != self.position:
                    yield self._save()
            except _StopRequested:
                self._stopping = False
                if self._saved_at != self.position:
                    yield self._save()
                yield Stopped(self.position)

    # --- the loop -----------------------------------------------------------------------------------
    def _train_with_one_loader(self) -> Iterator[Event]:
        """Train while images are prepared in the same way: to the end, or to a change of the colour noise."""
        recipe, (first_epoch, first_batch, first_minibatch) = self.recipe, self.position
        noise = recipe.color_noise_at(first_epoch)
        last_epoch = first_epoch
        while last_epoch < recipe.epochs and recipe.color_noise_at(last_epoch + 1) == noise:
            last_epoch += 1
        loader = self._loader("train")
        with closing(
            loader.minibatches(first_epoch, first_batch, first_minibatch, last_epoch)
        ) as minibatches:
            while self.position.epoch <= last_epoch:
                self._check_stop()
                self._change_parameters()
                yield from self._train_on_batch(minibatches, loader.num_minibatches(self.position.batch))

    def _train_on_batch(self, source: Iterator[Minibatch], minibatches: int) -> Iterator[Event]:
        """What is left of the `minibatches` of a batch, as `source` gives them, and what follows a batch."""
        epoch, number, _ = self.position
        progress = self.progress
        computed, seconds = 0, 0.0
        while (minibatch := self.position.minibatch) < minibatches:
            self._check_stop()
            started = time.perf_counter()
            data = self._next(source).data
            with silent_floats():
                cost = self.net.train_minibatch(data, progress, (epoch, number, minibatch))
            check_finite(cost, self.net, f"epoch {epoch}, batch {number}, minibatch {minibatch}")
            self._partial += cost
            self.position = Position(epoch, number, minibatch + 1)
            seconds += time.perf_counter() - started
            computed += cost.num_cases
            speed, costs = computed / max(seconds, 1e-9), averages(self._partial)
            yield MinibatchDone(epoch, number, minibatch, minibatches, cost.num_cases, costs, speed)
        record: dict[str, Any] = {"kind": "train", "epoch": epoch, "batch": number, "progress": progress}
        if number == 1:
            record["rates"] = self._rates(progress)
            record["color_noise"] = self.recipe.color_noise_at(epoch)
        record = self._log_costs(record, self._partial, computed, seconds)
        yield BatchDone(epoch, number, record["cases"], record["costs"], record["images_per_second"])
        records = [record]
        last = number == self.num_batches
        if self._is_test_due():
            records.append((yield from self._test()))
        self._records += map(without_timings, records)
        self._partial = NO_COST
        is_save_due = self._is_save_due()
        self.position = Position(epoch + 1) if last else Position(epoch, number + 1)
        if last:
            yield EpochDone(epoch)
        if is_save_due:
            yield self._save()

    def _next(self, source: Iterator[Minibatch]) -> Minibatch:
        """The next minibatch; where it cannot be read, what was done before it is saved first."""
        try:
            return next(source)
        except DataError:
            self._save()
            raise

    def _test(self) -> Generator[Event, None, dict[str, Any]]:
        """Test on all test batches; the record of what came out.

        DEVIATION(whole-test): the original by default tests on one batch, the next one each time, and shows
        the mean of the last averages, each batch counting alike. Here a test is of all batches, each image
        counting alike.
        """
        epoch, number, _ = self.position
        loader = self._loader("test")
        cost, seconds, started = NO_COST, 0.0, time.perf_counter()
        for test_batch, minibatch_cost in evaluate(self.net, loader):
            self._check_stop()
            cost += minibatch_cost
            seconds += time.perf_counter() - started
            yield TestMinibatchDone(test_batch, loader.num_batches, minibatch_cost.num_cases)
            started = time.perf_counter()
        record: dict[str, Any] = {"kind": "test", "epoch": epoch, "batch": number, "views": loader.num_views}
        record = self._log_costs(record, cost, cost.num_cases, seconds)
        yield TestDone(epoch, number, record["cases"], record["costs"])
        return record

    @property
    def progress(self) -> float:
        """How much of the training is behind the batch at `position`, from 0 to 1: what schedules go by."""
        batches_before = (self.position.epoch - 1) * self.num_batches + self.position.batch - 1
        return min(1.0, max(0.0, batches_before / (self.recipe.epochs * self.num_batches)))

    def _is_test_due(self) -> bool:
        epoch, number, _ = self.position
        every = self.recipe.test_every
        the_end = epoch == self.recipe.epochs and number == self.num_batches
        return every.is_due(epoch, number, self.num_batches) or (the_end and every.count > 0)

    def _is_save_due(self) -> bool:
        epoch, number, _ = self.position
        if number == self.num_batches and epoch in self.recipe.keep_epochs:
            return True
        if self.recipe.save_every is None:
            return self._is_test_due()
        return self.recipe.save_every.is_due(epoch, number, self.num_batches)

    def _check_stop(self) -> None:
        if self._stopping:
            raise _StopRequested

    # --- network and data -----------------------------------------------------------------------------
    def _change_parameters(self) -> None:
        """Bring the schedule's changes into force: as in 2012, by a new network that takes over the state."""
        changes = self.recipe.changes(self.position.epoch)
        if changes != self._changes:
            state = self.net.get_state()
            self.net = _new_network(
                self.recipe.spec_at(self.spec, self.position.epoch), self.recipe, self.engine
            )
            self.net.set_state(state)
            self._changes = changes
            gc.collect()  # layers know each other, and the old ones hold the memory of a whole network

    def _rates(self, progress: float) -> dict[str, list[float]]:
        return {
            layer.name: [w.schedule.plain_rate(progress) for w in (*layer.weights, layer.biases)]
            for layer in self.net.weight_layers
        }

    def _loader(self, split: Split) -> Loader:
        return make_loader(
            self.folder,
            split,
            self.recipe,
            self._data_dims,
            color_noise=self.recipe.color_noise_at(self.position.epoch),
            multiview=self.recipe.multiview_test and split == "test",
        )

    # --- what stays on the disk -----------------------------------------------------------------------
    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Make the folder, and keep other processes from training in it."""
        try:
            (self.run / "checkpoints").mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.run, os.O_RDONLY)
        except OSError as error:
            raise CheckpointError(
                f"{self.run}: cannot make the folder of the run ({error.strerror})"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise CheckpointError(f"{self.run}: another process is training in this folder") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def _open_folder(self) -> None:
        texts = {
            "layers.cfg": self.spec.layers_cfg,
            "params.cfg": self.spec.params_cfg,
            "recipe.json": json.dumps(self.recipe.to_dict(), indent=1) + "\n",
        }
        with self._writing():
            for name, text in texts.items():
                write_whole(self.run / name, text.encode())
            self._log = MetricsLog(self.run / "metrics.jsonl", self._records)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"{self.run}: cannot write to the folder of the run ({error.strerror or error}); "
                "the checkpoints are intact: mend that, then resume"
            ) from error

    def _log_costs(self, record: dict[str, Any], cost: Cost, computed: int, seconds: float) -> dict[str, Any]:
        """`record` with the averages of `cost` and the timings, written to the log."""
        record = {
            **record,
            "cases": cost.num_cases,
            "costs": averages(cost),
            "seconds": round(seconds, 3),
            "images_per_second": round(computed / max(seconds, 1e-9), 1),
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        with self._writing():
            self._log.append(record)
        return record

    def _save(self) -> CheckpointSaved:
        folder = self.run / "checkpoints"
        path = checkpoint_path(folder, self.position)
        checkpoint = self.checkpoint()
        for name, array in checkpoint.state.items():
            if not np.isfinite(array).all():
                raise NonFiniteError(
                    f"at {self.position} (epoch.batch.minibatch) {name} holds a NaN or an infinity; this was "
                    "not saved, the checkpoints before are intact: lower the learning rates and resume"
                )
        save_checkpoint(path, checkpoint)
        keep_for_good = {Position(epoch + 1) for epoch in self.recipe.keep_epochs}
        prune_checkpoints(folder, self.recipe.keep, keep_for_good.__contains__)
        self._saved_at = self.position
        return CheckpointSaved(path, self.position)

    def checkpoint(self) -> Checkpoint:
        """The run as it is now."""
        return Checkpoint(
            state=self.net.get_state(),
            layers_cfg=self.spec.layers_cfg,
            params_cfg=self.spec.params_cfg,
            data_dims=self._data_dims,
            num_classes=self.spec.num_classes,
            position=self.position,
            seed=self.recipe.seed,
            engine=self.engine.name,
            recipe=self.recipe.to_dict(),
            data=DataIdentity(str(self.folder.path.resolve()), self.folder.meta.dataset),
            partial=self._partial,
            costs=tuple(self._records),
        )


class _StopRequested(Exception):
    """`Trainer.stop` was called."""


def make_network(spec: NetworkSpec, recipe: TrainingRecipe, engine: Engine) -> ConvNet:
    """A new network, with the recipe's changes of its architecture."""
    net = _new_network(spec, recipe, engine)
    for name in recipe.conv_to_local:
        net.conv_to_local(name)
    for name in recipe.unshare_weights:
        net.unshare_weights(name)
    return net


def make_loader(
    folder: BatchFolder,
    split: Split,
    recipe: TrainingRecipe,
    dims: dict[int, int],
    *,
    color_noise: float = 0.0,
    multiview: bool = False,
    prefetch: int | None = None,
) -> Loader:
    """The images of a split, cropped and cut into minibatches as `recipe` says.

    `dims` are the network's, see `data_dims`; what follows them is as for Loader.
    """
    return Loader(
        folder,
        split,
        seed=recipe.seed,
        minibatch=recipe.minibatch,
        crop_border=recipe.crop_border,
        color_noise=color_noise,
        multiview=multiview,
        scalar_mean=recipe.scalar_mean,
        prefetch=prefetch,
        data_dims=dims,
    )


def load_network(path: str | Path, engine: Engine | None = None) -> ConvNet:
    """The network in the checkpoint `path`, with its weights."""
    path = Path(path)
    checkpoint = load_checkpoint(path)
    recipe = TrainingRecipe.from_dict(checkpoint.recipe, str(path))
    net = make_network(checkpoint.spec(path), recipe, engine or get_engine(checkpoint.engine))
    checkpoint.restore(net, path)
    return net


def _new_network(spec: NetworkSpec, recipe: TrainingRecipe, engine: Engine) -> ConvNet:
    return ConvNet(
        spec, engine, recipe.seed, minibatch_size=recipe.minibatch, wupdate_freq=recipe.wupdate_freq
    )


def data_dims(spec: NetworkSpec) -> dict[int, int]:
    """How many values per image the data layers of `spec` want, by `dataIdx`."""
    layers = [layer for layer in spec if isinstance(layer, DataSpec)]
    return {
        index: max(layer.start + layer.outputs for layer in layers if layer.data_idx == index)
        for index in sorted({layer.data_idx for layer in layers})
    }
