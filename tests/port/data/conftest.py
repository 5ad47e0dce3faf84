"""Small batch folders of random pixels."""

import numpy as np
import pytest

from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan

COMMAND = "alexnet2012 data example"


@pytest.fixture
def plan():
    """Makes the plan of a dataset of random pixels."""

    def make(
        counts=((20, 20, 7), (9,)), shape=(3, 12, 12), crop_border=2, crop_chunk=8, reflect=True, **more
    ):
        return DatasetPlan(
            recipe={"source": "random pixels", "seed": 1},
            class_names=("cat", "dog", "ship", "Übermut"),
            image_shape=shape,
            counts={"train": counts[0], "test": counts[1]},
            augmentation=Augmentation(crop_border, crop_chunk, reflect),
            **{"command": COMMAND, **more},
        )

    return make


@pytest.fixture
def contents():
    """Makes the images, labels and names of a batch of a plan: always the same ones."""

    def make(plan, split, number):
        random = np.random.RandomState(1000 * number + len(split))
        count = plan.counts[split][number - 1]
        images = random.randint(0, 256, (count, *plan.image_shape)).astype(np.uint8)
        labels = random.randint(0, len(plan.class_names), count).astype(np.int32)
        return images, labels, [f"{split}/Bild {number}-{i} ß" for i in range(count)]

    return make


@pytest.fixture
def build(tmp_path, plan, contents):
    """Makes a whole batch folder, in `tmp_path / name`."""

    def make(name="folder", **options):
        wanted = plan(**options)
        writer = BatchWriter(tmp_path / name, wanted)
        for split, number in writer.unfinished():
            writer.write(split, number, *contents(wanted, split, number))
        return writer.finish()

    return make
