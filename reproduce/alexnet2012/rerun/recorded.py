"""Runs an experiment whose outcome is recorded: images, network, training, ten views, and what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet2012 import machine
from alexnet2012.experiment import RecordedExperiment
from alexnet2012.predictions import GUESSES, predict
from alexnet2012.progress import progress_bar
from alexnet2012.report import RecordedReproduction
from alexnet2012.report.reproduction import first_filters
from alexnet2012.rerun.note import Note, command_to_go_on, open_source
from alexnet2012.rerun.other_classes import with_classes
from alexnet2012.rerun.scale import scaled_folder, scaled_recipe
from cuda_convnet.checkpoint import list_checkpoints
from cuda_convnet.config import NetworkSpec, parse_network, read_network
from cuda_convnet.config.specs import LogregCostSpec
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.data.loader import Loader
from cuda_convnet.engines.operations import Engine
from cuda_convnet.errors import ConfigError, DataError
from cuda_convnet.metrics import read_metrics
from cuda_convnet.recipe import TrainingRecipe
from cuda_convnet.training import Trainer, data_dims, make_loader

DATA = "data"  # in the run folder: the images of a miniature
VIEWS = "views"  # in the run folder: what the network said of each test batch


def make_trainer(what: RecordedExperiment, note: Note, run_folder: Path, engine: Engine) -> Trainer:
    """Start the run, with a miniature's images made first, or take it up where its last checkpoint stands."""
    folder = open_images(what, note, run_folder)
    if list_checkpoints(run_folder / "checkpoints"):
        return Trainer.resume(run_folder, folder=folder, engine=engine)
    recipe = what.recipe
    if note.scale is not None:
        recipe = scaled_recipe(recipe, note.scale, folder.meta.num_images("train"))
    return Trainer.start(read_network_for(what, folder, recipe), folder, recipe, run_folder, engine=engine)


def open_images(what: RecordedExperiment, note: Note, run_folder: Path) -> BatchFolder:
    """The folder to train on: the user's, or the share of it in the run folder, which is made if need be.

    A share that is complete does without the folder that it is of; what is damaged in it is copied again.
    """
    assert note.data is not None
    if note.scale is None:
        return open_source(what, note.data)
    try:
        source = open_source(what, note.data)
    except DataError:
        if not (run_folder / DATA / "meta.h5").exists():
            raise
        return BatchFolder(run_folder / DATA)
    with progress_bar("Copying a share of the images", "images") as progress:
        return scaled_folder(
            source, run_folder / DATA, scale=note.scale, seed=note.seed, minibatch=what.recipe.minibatch,
            command=command_to_go_on(run_folder), progress=progress,
        )  # fmt: skip


def read_network_for(what: RecordedExperiment, folder: BatchFolder, recipe: TrainingRecipe) -> NetworkSpec:
    """The experiment's network for the images of `folder`, with as many outputs as those have classes."""
    layers, params = what.files
    classes = len(folder.meta.class_names)
    images = Loader(folder, "train", seed=recipe.seed, crop_border=recipe.crop_border).data_dims[0]
    spec = read_network(layers, params, data_dims={0: images})
    if any(layer.topk != GUESSES for layer in spec if isinstance(layer, LogregCostSpec)):
        raise ConfigError(
            f"{params}: topk of cost.logreg must be {GUESSES}, for the top-{GUESSES} error is recorded"
        )
    if spec.num_classes == classes:
        return read_network(layers, params, data_dims={0: images}, num_classes=classes)
    return parse_network(
        with_classes(spec, classes, layers.name),
        spec.params_cfg,
        layers_name=str(layers),
        params_name=str(params),
        data_dims={0: images},
        num_classes=classes,
    )


def describe(
    what: RecordedExperiment, note: Note, trainer: Trainer, fidelity: dict[str, Any] | None
) -> RecordedReproduction:
    """Test the trained network on the views of each image, and gather what there is to tell."""
    folder, recipe = trainer.folder, trainer.recipe
    loader = make_loader(folder, "test", recipe, data_dims(trainer.spec), multiview=True)
    keep = trainer.run / VIEWS, trainer.checkpoint().content_hash()
    with progress_bar("Testing on all views", "images") as progress:
        predictions = predict(trainer.net, loader, folder, keep, progress)
    return RecordedReproduction(
        experiment=what,
        scale=note.scale,
        spec=trainer.spec,
        recipe=recipe,
        metrics=read_metrics(trainer.run / "metrics.jsonl"),
        predictions=predictions,
        data=folder,
        num_parameters=trainer.net.num_parameters,
        first_filters=first_filters(trainer.net),
        fidelity=fidelity,
        engine=trainer.engine.name,
        machine=machine.describe(),
        run_folder=trainer.run,
    )
