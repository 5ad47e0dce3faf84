"""A network, images and recipes so small that a whole run takes a fraction of a second."""

import numpy as np

from cuda_convnet.config import parse_network
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.engines import get_engine
from cuda_convnet.training import Trainer, TrainingRecipe

LAYERS = """
[data]
type=data
dataIdx=0

[labels]
type=data
dataIdx=1

[conv1]
type=conv
inputs=data
channels=3
filters=16
padding=1
stride=1
filterSize=3
initW=0.01
partialSum=1
sharedBiases=1
neuron=relu

[hs1]
type=hs
inputs=conv1
keep=0.5

[fc4]
type=fc
inputs=hs1
outputs=4
initW=0.01

[probs]
type=softmax
inputs=fc4

[logprob]
type=cost.logreg
inputs=labels,probs
"""

PARAMS = """
[conv1]
epsW=0.00001
epsB=0.001
momW=0.9
momB=0.9
wc=0.001
schedW=dexp[tgtFactor=4,noiseStdev=0.1,numSteps=3]

[hs1]
enable=1

[fc4]
epsW=0.001
epsB=0.002
momW=0.9
momB=0.9
wc=0.001

[logprob]
coeff=1
topk=2
"""


def make_folder(path, train=(20, 20, 7), test=(9,), size=8, contrast=1.0):
    """A batch folder: each class is a coloured patch at a place of its own, in noise."""
    plan = DatasetPlan(
        recipe={"source": "patches", "seed": 1},
        class_names=("red", "green", "blue", "white"),
        image_shape=(3, size, size),
        counts={"train": tuple(train), "test": tuple(test)},
        augmentation=Augmentation(crop_border=1, crop_chunk=8, reflect=True),
        command="alexnet2012 data patches",
    )
    colors = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [180, 180, 180]])
    writer = BatchWriter(path, plan)
    for split, number in writer.unfinished():
        count = plan.counts[split][number - 1]
        random = np.random.RandomState(100 * number + len(split))
        labels = random.randint(0, 4, count).astype(np.int32)
        images = random.randint(0, 55, (count, 3, size, size))
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 2)
            image[:, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += colors[label][:, None, None]
        writer.write(
            split, number, (contrast * images).astype(np.uint8), labels, [f"{split}{i}" for i in range(count)]
        )
    return writer.finish()


def network(layers=LAYERS, params=PARAMS, size=6):
    return parse_network(layers, params, data_dims={0: 3 * size * size}, num_classes=4)


def recipe(**more):
    """Three batches of 20, 20 and 7 images in minibatches of 8: no batch is a whole number of them."""
    return TrainingRecipe(**{"epochs": 2, "minibatch": 8, "seed": 3, **more})


def start(folder, run, spec=None, **more):
    return Trainer.start(
        spec or network(), folder, recipe(**more), run, engine=get_engine("numpy", threads=1)
    )


def resume(run, **more):
    return Trainer.resume(run, engine=get_engine("numpy", threads=1), **more)


def last_checkpoint(run):
    return sorted((run / "checkpoints").glob("*.h5"))[-1]
