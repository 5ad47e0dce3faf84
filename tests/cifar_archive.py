"""A tiny archive in the exact layout of CIFAR-10's Python archive, pickled as Python 2 did."""

import io
import struct
import tarfile

import numpy as np

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def string(data):
    """A str of Python 2 in protocol 2."""
    data = data.encode("latin1") if isinstance(data, str) else data
    return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data


def integer(n):
    return b"J" + struct.pack("<i", n)


def array(values):
    """A NumPy array of bytes, as cPickle and NumPy 1.6 wrote it."""
    shape = b"".join(integer(n) for n in values.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + string("b") + b"tR"
        b"(K\x01(" + shape + b"tcnumpy\ndtype\n(" + string(values.dtype.str[1:]) + b"K\x00K\x01tR"
        b"(K\x03" + string(values.dtype.str[0]) + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + string(values.tobytes()) + b"tb"
    )  # fmt: skip


def sequence(items):
    return b"](" + b"".join(items) + b"e"


def pickle2(**entries):
    """A dict in protocol 2; the values are pickled already."""
    return b"\x80\x02}(" + b"".join(string(key) + value for key, value in entries.items()) + b"u."


def batch_arrays(name, size):
    """Pixels (size, 3072) and labels of a batch: always the same ones."""
    random = np.random.RandomState(sum(name.encode()))
    return random.randint(0, 256, (size, 3072)).astype(np.uint8), random.randint(0, 10, size)


def members(size=8):
    """The files of the archive by name."""
    files = {
        "batches.meta": pickle2(
            num_cases_per_batch=integer(size),
            label_names=sequence(map(string, CLASSES)),
            num_vis=integer(3072),
        ),
        "readme.html": b"<html></html>",
    }
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        pixels, labels = batch_arrays(name, size)
        files[name] = pickle2(
            batch_label=string(f"batch {name}"),
            labels=sequence(map(integer, labels)),
            data=array(pixels),
            filenames=sequence(string(f"{name}_{i}.png") for i in range(size)),
        )
    return {f"cifar-10-batches-py/{name}": data for name, data in files.items()}


def write_archive(path, files):
    """Write files by name as a .tar.gz; a TarInfo in place of bytes is added as it is."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
