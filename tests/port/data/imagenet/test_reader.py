"""Reading catalogued images: any process, any order, and what is said when they are not there any more."""

import os
import pickle

import pytest

from cuda_convnet.data.imagenet import reader as reader_module
from cuda_convnet.data.imagenet.catalogue import make_catalogue
from cuda_convnet.data.imagenet.reader import Reader, SourceError
from imagenet_archive import build


@pytest.fixture
def source(tmp_path):
    archive = build(tmp_path, classes=5, sizes=((40, 30),))
    catalogue = make_catalogue(tmp_path)
    return archive, catalogue, catalogue.splits["train"]


def all_of(reader, images):
    return {name.decode(): reader.read(images, i) for i, name in enumerate(images.names)}


def test_the_bytes_are_the_images(source):
    archive, catalogue, images = source
    assert all_of(Reader(catalogue.containers), images) == archive.data("train")


def test_another_process_opens_files_of_its_own(source):
    archive, catalogue, images = source
    used = Reader(catalogue.containers)
    used.read(images, 0)
    copy = pickle.loads(pickle.dumps(used))
    used.close()
    assert all_of(copy, images) == archive.data("train")


def test_a_closed_reader_opens_again(source):
    archive, catalogue, images = source
    reader = Reader(catalogue.containers)
    reader.read(images, 0)
    reader.close()
    assert all_of(reader, images) == archive.data("train")


def test_few_files_are_open_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(reader_module, "OPEN_FILES", 2)
    archive = build(tmp_path, classes=6, sizes=((40, 30),), layout="class tars")
    catalogue = make_catalogue(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    reader = Reader(catalogue.containers)
    assert all_of(reader, catalogue.splits["train"]) == archive.data("train")
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("layout", ["tars", "folders"])
def test_what_is_gone_is_said(tmp_path, layout):
    build(tmp_path, sizes=((40, 30),), layout=layout)
    catalogue = make_catalogue(tmp_path)
    for path in tmp_path.rglob("*.JPEG" if layout == "folders" else "*.tar"):
        path.unlink()
    with pytest.raises(SourceError) as error:
        Reader(catalogue.containers).read(catalogue.splits["train"], 0)
    assert error.value.reason == "is not there any more"


def test_what_was_cut_off_since_is_said(source):
    archive, catalogue, images = source
    last = int(images.offsets.argmax())
    os.truncate(archive.src / "ILSVRC2012_img_train.tar", int(images.offsets[last]) + 100)
    with pytest.raises(SourceError, match=rf"cut off since it was catalogued: 100 of {images.sizes[last]}"):
        Reader(catalogue.containers).read(images, last)


def test_a_file_that_has_changed_since_is_said(tmp_path):
    build(tmp_path, sizes=((40, 30),), layout="folders")
    catalogue = make_catalogue(tmp_path)
    images = catalogue.splits["train"]
    path = tmp_path / "train" / images.names[0].decode()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SourceError, match="has changed since it was catalogued"):
        Reader(catalogue.containers).read(images, 0)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceError, match="has changed"):
        Reader(catalogue.containers).read(images, 0)


def test_a_file_that_cannot_be_read_is_said(source, monkeypatch):
    _, catalogue, images = source

    def failing(file, size, offset):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(reader_module.os, "pread", failing)
    with pytest.raises(SourceError, match=r"cannot be read \(Input/output error\)"):
        Reader(catalogue.containers).read(images, 0)


def test_short_reads_are_completed(source, monkeypatch):
    archive, catalogue, images = source
    pread = os.pread
    monkeypatch.setattr(reader_module.os, "pread", lambda file, size, at: pread(file, min(size, 100), at))
    assert all_of(Reader(catalogue.containers), images) == archive.data("train")
