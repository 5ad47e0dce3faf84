"""CIFAR-10 from its Python archive, and archives that are something else."""

import tarfile

import numpy as np
import pytest

from cifar_archive import (
    CLASSES,
    array,
    batch_arrays,
    integer,
    members,
    pickle2,
    sequence,
    string,
    write_archive,
)
from cuda_convnet.data.batches import verify
from cuda_convnet.data.cifar10 import pack_cifar10
from cuda_convnet.errors import DataError

FOLDER = "cifar-10-batches-py/"


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "cifar-10-python.tar.gz", members())


@pytest.fixture
def refused(tmp_path):
    """Packs an archive of these files, and gives the one line that refuses it."""

    def pack(files):
        path = write_archive(tmp_path / "bad.tar.gz", files)
        with pytest.raises(DataError) as error:
            pack_cifar10(path, tmp_path / "out")
        message = str(error.value)
        assert "\n" not in message
        assert message.startswith(str(path))
        assert not (tmp_path / "out" / "meta.h5").exists()
        return message

    return pack


def test_the_archives_batches_become_train_and_test(archive, tmp_path):
    folder = pack_cifar10(archive, tmp_path / "out", command="alexnet2012 data cifar10 --from x")
    assert folder.meta.counts == {"train": (8,) * 5, "test": (8,)}
    assert folder.meta.class_names == tuple(CLASSES)
    assert folder.meta.image_shape == (3, 32, 32)
    names = [f"data_batch_{n}" for n in range(1, 6)]
    for file, name in zip((*folder.train, *folder.test), (*names, "test_batch"), strict=True):
        pixels, labels = batch_arrays(name, 8)
        batch = file.read()
        np.testing.assert_array_equal(batch.images.reshape(8, 3072), pixels)
        np.testing.assert_array_equal(batch.labels, labels)
        assert batch.names[3] == f"{name}_3.png"
    assert not list(verify(folder.path))


def test_cifar_images_are_cropped_and_reflected_one_by_one(archive, tmp_path):
    augmentation = pack_cifar10(archive, tmp_path / "out").meta.augmentation
    assert (augmentation.crop_border, augmentation.crop_chunk, augmentation.reflect) == (4, 1, True)


def test_a_second_run_keeps_what_is_finished(archive, tmp_path):
    folder = pack_cifar10(archive, tmp_path / "out")
    folder.train[3].path.unlink()
    times = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.h5")}
    again = pack_cifar10(archive, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert again.train[3].path.exists()


def test_another_archive_into_the_same_folder_is_refused(archive, tmp_path):
    pack_cifar10(archive, tmp_path / "out")
    other = write_archive(tmp_path / "other.tar.gz", members(size=9))
    with pytest.raises(DataError, match="out holds another dataset"):
        pack_cifar10(other, tmp_path / "out")


def test_a_pickle_that_calls_os_system_is_refused_by_name(refused, tmp_path):
    files = members()
    touched = tmp_path / "touched"
    files[FOLDER + "data_batch_2"] = f"cposix\nsystem\n(S'touch {touched}'\ntR.".encode()
    assert "data_batch_2: it asks for posix.system, " in refused(files)
    assert not touched.exists()


@pytest.mark.parametrize("name", ["../data_batch_1", "/etc/data_batch_1", "a/../../data_batch_1"])
def test_members_that_lead_out_of_the_archive_are_refused(refused, name):
    assert f"'{name}' leads out of the archive" in refused({name: b"", **members()})


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_members_that_are_not_files_are_refused(refused, kind):
    link = tarfile.TarInfo(FOLDER + "data_batch_1")
    link.type, link.linkname = kind, "/etc/passwd"
    assert "data_batch_1' is not a batch of CIFAR-10" in refused({**members(), FOLDER + "data_batch_1": link})


def test_a_member_too_large_to_be_a_batch_is_refused(refused, monkeypatch):
    monkeypatch.setattr("cuda_convnet.data.cifar10.LARGEST_MEMBER", 20_000)
    assert "data_batch_1' is not a batch of CIFAR-10" in refused(members())


@pytest.mark.parametrize("name", ["batches.meta", "data_batch_4", "test_batch"])
def test_a_missing_member_is_named(refused, name):
    files = members()
    del files[FOLDER + name]
    assert f"lacks '{name}': it is not CIFAR-10's Python archive" in refused(files)


PIXELS = array(batch_arrays("data_batch_5", 8)[0])
LABELS = sequence(map(integer, range(8)))
NAMES = sequence(string(str(i)) for i in range(8))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data": array(np.zeros((8, 3071), np.uint8))}, "the images of data_batch_5 are not 8 x 3072 bytes"),
        ({"data": array(np.zeros((7, 3072), np.uint8))}, "the images of data_batch_5 are not 8 x 3072 bytes"),
        ({"data": array(np.zeros((8, 3072), np.int8))}, "the images of data_batch_5 are not 8 x 3072 bytes"),
        ({"data": string("pixels")}, "the images of data_batch_5 are not 8 x 3072 bytes"),
        ({"labels": sequence([integer(10)] * 8)}, "the labels of data_batch_5 are not 8 numbers from 0 to 9"),
        ({"labels": sequence([integer(-1)] * 8)}, "the labels of data_batch_5 are not 8 numbers from 0 to 9"),
        ({"labels": sequence([integer(1)] * 7)}, "the labels of data_batch_5 are not 8 numbers from 0 to 9"),
        ({"labels": sequence([string("1")] * 8)}, "the labels of data_batch_5 are not 8 numbers from 0 to 9"),
        ({"filenames": sequence([integer(1)] * 8)}, "the names of data_batch_5 are not 8 strings"),
    ],
)
def test_a_batch_of_another_form_is_named(refused, changed, reason):
    batch = pickle2(**{"data": PIXELS, "labels": LABELS, "filenames": NAMES, **changed})
    assert reason in refused({**members(), FOLDER + "data_batch_5": batch})


def test_a_batch_that_is_not_a_dictionary_is_named(refused):
    assert "test_batch does not hold a dictionary" in refused({**members(), FOLDER + "test_batch": b"]."})


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        (pickle2(num_cases_per_batch=integer(8)), "batches.meta does not name the classes"),
        (pickle2(num_cases_per_batch=integer(8), label_names=sequence([])), "does not name the classes"),
        (pickle2(label_names=sequence([string("a")])), "does not say how many images a batch has"),
        (pickle2(label_names=sequence([string("a")]), num_cases_per_batch=integer(0)), "how many images"),
    ],
)
def test_a_meta_of_another_form_is_named(refused, meta, reason):
    assert reason in refused({**members(), FOLDER + "batches.meta": meta})


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_an_archive_that_is_cut_short_is_named(archive, tmp_path, share):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError) as error:
        pack_cifar10(archive, tmp_path / "out")
    assert str(error.value) == f"{archive} is cut short or not a .tar.gz archive; get it again"


def test_what_is_not_an_archive_is_named(archive, tmp_path):
    archive.write_bytes(b"<html>404 not found</html>" * 100)
    with pytest.raises(DataError, match=r"is cut short or not a .tar.gz archive"):
        pack_cifar10(archive, tmp_path / "out")


def test_a_missing_archive_is_named_with_where_it_is_published(tmp_path):
    with pytest.raises(DataError, match=r"there is no such file; https://www.cs.toronto.edu/"):
        pack_cifar10(tmp_path / "nowhere.tar.gz", tmp_path / "out")
