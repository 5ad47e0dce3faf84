"""Scikit-learn's digits as a batch folder."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cuda_convnet.data.batches import verify
from cuda_convnet.data.digits import enlarge, pack_digits
from cuda_convnet.data.loader import Loader
from cuda_convnet.errors import DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pack_digits(tmp_path_factory.mktemp("digits"), command="alexnet2012 data digits")


def read(files):
    """All names and labels of batch files, and their images."""
    batches = [file.read() for file in files]
    return (
        [name for batch in batches for name in batch.names],
        np.concatenate([batch.labels for batch in batches]),
        np.concatenate([batch.images for batch in batches]),
    )


def plain_enlarge(image, size):
    """One image, pixel by pixel, in exact fractions of source pixels."""
    out = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = min(max((i + 0.5) * 8 / size - 0.5, 0), 7)
            x = min(max((j + 0.5) * 8 / size - 0.5, 0), 7)
            y0, x0 = min(int(y), 6), min(int(x), 6)
            rows = image[y0] * (1 - (y - y0)) + image[y0 + 1] * (y - y0)
            out[i, j] = rows[x0] * (1 - (x - x0)) + rows[x0 + 1] * (x - x0)
    return out * 255 / 16


def test_every_digit_is_there_once(folder):
    names, labels, images = read([*folder.train, *folder.test])
    assert sorted(names, key=lambda name: int(name.split()[1])) == [f"digit {i}" for i in range(1797)]
    digits = load_digits()
    indices = [int(name.split()[1]) for name in names]
    np.testing.assert_array_equal(labels, digits.target[indices])
    wanted = enlarge(digits.images.astype(np.uint8), 16)[indices]
    np.testing.assert_array_equal(images[:, 0, 2:-2, 2:-2], wanted)
    images[:, 0, 2:-2, 2:-2] = 0
    assert not images.any()


def test_a_fifth_of_each_class_is_held_out(folder):
    train, test = (np.bincount(read(files)[1]) for files in (folder.train, folder.test))
    assert (train.sum(), test.sum()) == (1437, 360)
    assert (np.abs(test - (train + test) / 5) < 1).all()


def test_the_digits_are_shuffled(folder):
    for files in (folder.train, folder.test):
        indices = [int(name.split()[1]) for name in read(files)[0]]
        assert 0.4 < (np.diff(indices) > 0).mean() < 0.6


def test_the_folder_says_how_digits_are_varied(folder):
    meta = folder.meta
    assert meta.image_shape == (1, 20, 20)
    assert meta.class_names == tuple("0123456789")
    assert (meta.augmentation.crop_border, meta.augmentation.reflect) == (2, False)
    training = Loader(folder, "train", seed=0)
    assert training.data_dims == {0: 256, 1: 1}
    assert Loader(folder, "test", seed=0, multiview=True).num_views == 5
    assert not list(verify(folder.path))


def test_seed_and_sizes_make_another_dataset(folder, tmp_path):
    other = pack_digits(tmp_path / "other", size=24, border=3, seed=7, batch_size=1000)
    assert other.meta.image_shape == (1, 30, 30)
    assert other.meta.counts == {"train": (1000, 437), "test": (360,)}
    assert set(read(other.test)[0]) != set(read(folder.test)[0])
    with pytest.raises(DataError, match="holds another dataset"):
        pack_digits(other.path)


def test_packing_twice_gives_the_same_bytes(folder, tmp_path):
    again = pack_digits(tmp_path, command="alexnet2012 data digits")
    for file in folder.path.rglob("*.h5"):
        assert (again.path / file.relative_to(folder.path)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("size", [8, 11, 16, 24])
def test_digits_are_enlarged_bilinearly(size):
    images = load_digits().images[:20]
    for image, found in zip(images, enlarge(images.astype(np.uint8), size), strict=True):
        assert np.abs(found - plain_enlarge(image, size)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("name", "value"), [("size", 7), ("border", -1), ("seed", -1), ("batch_size", 0), ("crop_chunk", 0)]
)
def test_sizes_that_make_no_sense_are_named(tmp_path, name, value):
    with pytest.raises(DataError, match=f"digits with {name} {value} cannot be made; {name} is at least"):
        pack_digits(tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()


def test_without_scikit_learn_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'alexnet2012\[digits\]'"):
        pack_digits(tmp_path)
