"""Small data folders in the exact forms of cuda-convnet, 2012 and cuda-convnet2, pickled as Python 2 did."""

import io

import numpy as np
from PIL import Image

from cifar_archive import array, integer, pickle2, sequence, string

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CLASSES = ["tench", "goldfish", "crane", "crane"]
WNIDS = ["n01440764", "n01443537", "n02012849", "n03126707"]


def pair(first, second):
    """A tuple of two; the values are pickled already."""
    return b"(" + first + second + b"t"


def triple(strings, second, third):
    """A tuple of three lists in protocol 2; the values are pickled already."""
    return b"\x80\x02(" + strings + second + third + b"t."


def pixels(seed, count, shape):
    """Images (count, channels, height, width): always the same ones."""
    return np.random.RandomState(seed).randint(0, 256, (count, *shape)).astype(np.uint8)


def jpeg(seed, width=32, height=32, kind="JPEG", mode="RGB"):
    """An image of noise, encoded: always the same bytes."""
    noise = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, kind)
    return file.getvalue()


def meta(names, num_vis, **more):
    return pickle2(label_names=sequence(map(string, names)), num_vis=integer(num_vis), **more)


def matrix_batch(images, labels, columns=True, **more):
    """A batch of cuda-convnet: pixels lie in columns; or of CIFAR-10's Python version: in rows."""
    flat = images.reshape(len(images), -1)
    return pickle2(
        data=array(np.ascontiguousarray(flat.T) if columns else flat),
        labels=sequence(map(integer, labels)),
        **more,
    )


def strings_batch(jpegs, labels):
    """A part of cuda-convnet2: each image has a list of labels."""
    return pickle2(
        data=sequence(map(string, jpegs)), labels=sequence(sequence(map(integer, of)) for of in labels)
    )


def triple_batch(jpegs, labels, ids=WNIDS):
    """A batch of 2012: images, original sizes, pairs of wnid and label (or None)."""
    return triple(
        sequence(map(string, jpegs)),
        sequence(pair(integer(500), integer(375)) for _ in jpegs),
        sequence(
            pair(string("?"), b"N") if label is None else pair(string(ids[label - 1]), integer(label))
            for label in labels
        ),
    )


def write_folder(path, files):
    """Write files by name; folders are made as they are needed."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def cifar_folder(path, size=8, columns=True, **more):
    """cuda-convnet's CIFAR-10: six batches, of which the sixth is for testing."""
    mean = np.mean([pixels(n, size, (3, 32, 32)) for n in range(1, 6)], axis=(0, 1)).astype(np.float32)
    files = {"batches.meta": meta(CIFAR_CLASSES, 3072, data_mean=array(mean.reshape(3072, 1)))}
    for number in range(1, 7):
        files[f"data_batch_{number}"] = matrix_batch(
            pixels(number, size, (3, 32, 32)), [(number + i) % 10 for i in range(size)], columns
        )
    return write_folder(path, {**files, **more})


def convnet2_folder(path, **more):
    """What make-data writes: training batches from 0, in two parts each, and two of validation from 1000."""
    files = {"batches.meta": meta(CLASSES, 3 * 32 * 32)}
    for number in (0, 1, 2, 1000, 1001):
        for part, count in ((0, 4), (1, 3)):
            jpegs = [jpeg(10_000 * number + 10 * part + i) for i in range(count)]
            files[f"data_batch_{number}/data_batch_{number}.{part}"] = strings_batch(
                jpegs, [[(number + part + i) % 4] for i in range(count)]
            )
    return write_folder(path, {**files, **more})


def folder_2012(path, **more):
    """2012's: training batches 1 and 2, validation 2000, the contest's test images 3000; labels from 1."""
    files = {"batches.meta": meta(CLASSES, 3 * 32 * 32, label_offset=integer(-1))}
    for number in (1, 2, 2000):
        jpegs = [jpeg(10 * number + i) for i in range(5)]
        files[f"data_batch_{number}"] = triple_batch(jpegs, [1 + (number + i) % 4 for i in range(5)])
    files["data_batch_3000"] = triple_batch([jpeg(i) for i in range(3)], [None] * 3)
    return write_folder(path, {**files, **more})
