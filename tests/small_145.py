"""Run 145 in small: its experiment with the network of `digits` in colour, and images for it."""

import numpy as np

from alexnet2012 import experiments
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan

SIZE, BORDER = 20, 2
NAMES = ("tench, Tinca tinca", "goldfish", "cock", "hen", "ostrich", "brambling", "house finch", "junco")


SHORT = tuple(
    (f"epoch = {then}\n", f"epoch = {here}\n") for then, here in ((25, 2), (51, 3), (67, 4), (72, 5), (79, 6))
)
SHORT += (("epochs = 90\n", "epochs = 6\n"),)  # six epochs, one for each phase


def make_experiment(folder, *changes, classes=1000, train_images=1281167, test_images=50000):
    """An experiment folder; `changes` are (old, new) texts of its experiment.toml."""
    folder.mkdir(parents=True)
    digits = experiments.path("digits")
    layers = (digits / "layers.cfg").read_text()
    (folder / "layers.cfg").write_text(
        layers.replace("channels=1\n", "channels=3\n").replace("outputs=10\n", f"outputs={classes}\n")
    )
    (folder / "params.cfg").write_text((digits / "params.cfg").read_text().replace("topk=2", "topk=5"))
    text = (experiments.path("145") / "experiment.toml").read_text()
    for old, new in (
        ("fc2048", "fc64"),
        ("fc1000", "fc10"),
        ("classes = 1000", f"classes = {classes}"),
        ("train_images = 1281167", f"train_images = {train_images}"),
        ("test_images = 50000", f"test_images = {test_images}"),
        ("image_size = 256", f"image_size = {SIZE}"),
        ("crop_border = 16", f"crop_border = {BORDER}"),
        *changes,
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "experiment.toml").write_text(text)
    return folder


def make_images(path, *, classes=8, per_class=16, tests=4, size=SIZE, encoding="raw", batch=40, seed=0):
    """A batch folder like ImageNet's: each class is a colour and a direction of stripes, in noise."""
    random = np.random.RandomState(seed)
    labels = {
        split: random.permutation(np.repeat(np.arange(classes), count)).astype(np.int32)
        for split, count in (("train", per_class), ("test", tests))
    }
    counts = {
        split: tuple(min(batch, len(each) - first) for first in range(0, len(each), batch))
        for split, each in labels.items()
    }
    plan = DatasetPlan(
        recipe={"source": "stripes", "seed": seed},
        class_names=tuple(NAMES[i % len(NAMES)] for i in range(classes)),
        class_ids=tuple(f"n{i:08}" for i in range(classes)),
        image_shape=(3, size, size),
        counts=counts,
        augmentation=Augmentation(crop_border=size // 10, crop_chunk=32, reflect=True),
        encoding=encoding,
        command="alexnet2012 data imagenet SRC",
    )
    y, x = np.mgrid[:size, :size] / size
    writer = BatchWriter(path, plan)
    for split, number in writer.unfinished():
        of_batch = labels[split][(number - 1) * batch : number * batch]
        images = np.empty((len(of_batch), 3, size, size), np.uint8)
        for image, label in zip(images, of_batch, strict=True):
            angle = np.pi * label / classes
            wave = np.sin(20 * (np.cos(angle) * x + np.sin(angle) * y) + random.rand())
            colour = 0.5 + 0.5 * np.cos(2 * np.pi * label / classes + np.array([0, 2, 4]))
            image[:] = 90 + 70 * wave * colour[:, None, None] + random.randint(0, 60, (3, size, size))
        names = [f"{split}_{(number - 1) * batch + i:05}.JPEG" for i in range(len(of_batch))]
        if encoding == "jpeg":
            import simplejpeg

            jpegs = [
                simplejpeg.encode_jpeg(np.ascontiguousarray(image.transpose(1, 2, 0)), quality=95)
                for image in images
            ]
            writer.write_jpegs(split, number, jpegs, of_batch, names)
        else:
            writer.write(split, number, images, of_batch, names)
    return writer.finish()
