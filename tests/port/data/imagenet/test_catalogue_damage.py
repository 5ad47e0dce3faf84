"""Archives that are cut off or damaged anywhere: what is whole is used, what is not is told."""

import io
import os
import tarfile

import numpy as np
import pytest

from cuda_convnet.data.imagenet import tars, walk
from cuda_convnet.data.imagenet.catalogue import make_catalogue
from cuda_convnet.data.imagenet.reader import Reader
from cuda_convnet.data.imagenet.tars import BLOCK, BrokenTar, members
from cuda_convnet.errors import DataError
from imagenet_archive import build, entry, meta_mat, synsets, tar_bytes

TRAIN = "ILSVRC2012_img_train.tar"


@pytest.fixture
def tiny(tmp_path):
    """A training tar of two classes of two images of 700 bytes, beside a whole validation set."""
    classes = synsets(2)
    images = {
        wnid: [(f"{wnid}_{n}.JPEG", bytes([16 * label + n + 1]) * 700) for n in range(2)]
        for label, (wnid, _) in enumerate(classes)
    }
    data = tar_bytes(
        [entry(f"{wnid}.tar", tar_bytes([entry(*image) for image in of])) for wnid, of in images.items()]
    )
    kit = tmp_path / "ILSVRC2012_devkit_t12/data"
    kit.mkdir(parents=True)
    (kit / "meta.mat").write_bytes(meta_mat(classes))
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n")
    val = [entry(f"ILSVRC2012_val_0000000{n}.JPEG", bytes([n]) * 700) for n in (1, 2)]
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(tar_bytes(val))
    whole = {f"{wnid}/{name}": image for wnid, of in images.items() for name, image in of}
    return tmp_path, data, whole


def catalogue_of(src, data):
    """The catalogue and its training images by name; (None, {}) where a message says why there is none."""
    try:
        return catalogue_and_images(src, data)
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    return None, {}


def catalogue_and_images(src, data):
    (src / TRAIN).write_bytes(data)
    catalogue = make_catalogue(src)
    reader, images = Reader(catalogue.containers), catalogue.splits["train"]
    return catalogue, {name.decode(): reader.read(images, i) for i, name in enumerate(images.names)}


def test_a_training_tar_cut_anywhere_gives_what_is_whole_and_names_the_cut(tiny):
    src, data, whole = tiny
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        end = max(member.offset_data + member.size for member in tar)
    sizes = sorted({*range(1, end, 337), *range(BLOCK, end, BLOCK), end - 1, end})
    counts = []
    for size in sizes:
        catalogue, found = catalogue_of(src, data[:size])
        counts.append(len(found))
        assert found.items() <= whole.items()
        assert catalogue is None or any(
            "not known" in rejection.reason and rejection.split == "train"
            for rejection in catalogue.rejections
        )
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert catalogue_of(src, data)[0].rejections == ()


def test_a_training_tar_with_damaged_headers_stops_at_the_damage(tiny):
    src, data, whole = tiny
    random = np.random.RandomState(0)
    headers = [at for at in range(0, len(data), BLOCK) if data[at + 257 : at + 262] == b"ustar"]
    for _ in range(150):
        damaged = bytearray(data)
        at = random.choice(headers) + random.randint(BLOCK)
        damaged[at] ^= 1 << random.randint(8)
        catalogue, found = catalogue_of(src, bytes(damaged))
        assert found.items() <= whole.items()
        assert catalogue is None or len(found) == 4 or catalogue.rejections


def test_random_bytes_with_right_checksums_never_stop_with_anything_but_a_message(tiny):
    src, data, _ = tiny
    random = np.random.RandomState(1)
    headers = [at for at in range(0, len(data), BLOCK) if data[at + 257 : at + 262] == b"ustar"]
    for _ in range(200):
        damaged = bytearray(data)
        at = int(random.choice(headers))
        for _ in range(4):
            damaged[at + random.randint(BLOCK)] = random.choice(list(b"\x00\x80\xff0123457LKxgSDV/."))
        damaged[at + 148 : at + 156] = b" " * 8
        damaged[at + 148 : at + 156] = b"%06o\0 " % sum(damaged[at : at + BLOCK])
        catalogue_of(src, bytes(damaged))


def listed(path, data):
    path.write_bytes(data)
    file = os.open(path, os.O_RDONLY)
    try:
        yield from members(file, 0, len(data))
    finally:
        os.close(file)


def test_a_header_that_claims_a_name_of_ten_gigabytes_is_not_read(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10 << 30
    with pytest.raises(BrokenTar):
        list(listed(tmp_path / "a.tar", info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 22)))


def test_a_chain_of_long_names_without_end_is_a_broken_tar(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    link = info.tobuf(tarfile.GNU_FORMAT) + b"a\0".ljust(BLOCK, b"\0")
    with pytest.raises(BrokenTar):
        list(listed(tmp_path / "a.tar", link * 5000))


def test_a_member_of_negative_size_is_a_broken_tar(tmp_path):
    info = tarfile.TarInfo("back.JPEG")
    info.size = -2 * BLOCK
    header = info.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(BrokenTar):
        list(listed(tmp_path / "a.tar", tar_bytes([entry("a.JPEG", b"a")])[: 2 * BLOCK] + header * 4))


def test_a_sparse_member_is_no_image(tmp_path):
    data = bytearray(tar_bytes([entry("a.JPEG", b"a" * 10)]))
    data[156:157] = tarfile.GNUTYPE_SPARSE
    data[257:265] = b"ustar  \0"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:BLOCK])
    assert [member.kind for member in listed(tmp_path / "a.tar", bytes(data))] == ["a sparse file"]


def test_what_follows_a_sparse_member_is_listed(tmp_path):
    zeros = tarfile.TarInfo("zeros.JPEG")
    zeros.pax_headers = {"GNU.sparse.size": str(1 << 30), "GNU.sparse.map": "0,4"}
    data = tar_bytes([(zeros, b"more"), entry("a.JPEG", b"a" * 10)], tarfile.PAX_FORMAT)
    found = list(listed(tmp_path / "a.tar", data))
    assert [(member.name, member.kind) for member in found] == [
        ("zeros.JPEG", "a sparse file"),
        ("a.JPEG", "file"),
    ]
    with pytest.raises(BrokenTar, match="cut off"):
        list(listed(tmp_path / "a.tar", data[: 2 * BLOCK + 3 * BLOCK]))


@pytest.mark.parametrize("inner", [False, True])
def test_zeros_in_place_of_a_header_are_not_the_end(tiny, inner):
    src, data, _ = tiny
    damaged = bytearray(data)
    at = data.index(b"n02119789_1.JPEG" if inner else b"n02100735.tar")
    damaged[at - BLOCK : at + BLOCK] = bytes(2 * BLOCK)
    catalogue, found = catalogue_of(src, bytes(damaged))
    assert len(found) == (3 if inner else 2)
    (rejection,) = catalogue.rejections
    assert rejection.name == ("n02119789.tar" if inner else TRAIN)
    assert "more than padding after it: what followed in it is not known" in rejection.reason


def test_what_follows_the_end_of_a_tar_is_told(tiny):
    src, data, whole = tiny
    for tail in (data, b"garbage", bytes(2 << 20)):
        catalogue, found = catalogue_of(src, data + tail)
        assert found == whole
        (rejection,) = catalogue.rejections
        assert rejection.name == TRAIN
        assert "more than padding" in rejection.reason
    catalogue, found = catalogue_of(src, data + bytes((1 << 20) - len(data)))
    assert (found, catalogue.rejections) == (whole, ())


@pytest.mark.parametrize("name", [TRAIN, "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12", "n02119789.tar"])
def test_a_pipe_in_the_place_of_an_archive_is_named(tiny, name):
    src, data, _ = tiny
    if name != "n02119789.tar":
        (src / TRAIN).write_bytes(data)
    (src / name).rename(src / "away") if (src / name).exists() else None
    os.mkfifo(src / name)
    with pytest.raises(DataError, match=f"{name} is neither a file nor a folder"):
        make_catalogue(src)


def test_an_archive_without_members_is_no_broken_one(tmp_path):
    assert list(listed(tmp_path / "a.tar", tar_bytes([]))) == []


def test_a_disk_that_fails_within_a_class_tar_is_named_and_the_rest_goes_on(tiny, monkeypatch):
    src, data, _ = tiny
    (src / TRAIN).write_bytes(data)
    pread, fails = os.pread, data.index(b"n02119789_1.JPEG")

    def failing(file, size, offset):
        if offset <= fails < offset + size and size < len(data) and sector == "bad":
            raise OSError(5, "Input/output error")
        return pread(file, size, offset)

    sector = "bad"
    monkeypatch.setattr(tars.os, "pread", failing)
    monkeypatch.setattr(tars, "AHEAD", BLOCK)
    catalogue = make_catalogue(src)
    sector = "good"
    assert catalogue.splits["train"].names.tolist() == [
        b"n02100735/n02100735_0.JPEG",
        b"n02100735/n02100735_1.JPEG",
        b"n02119789/n02119789_0.JPEG",
    ]
    (rejection,) = catalogue.rejections
    assert rejection.name == "n02119789.tar"
    assert "cannot be read (Input/output error): what followed in it is not known" in rejection.reason


def test_headers_alone_are_read(tmp_path, monkeypatch):
    """A megabyte an image, of which a few hundred bytes are read."""
    build(tmp_path, sizes=((20, 20),), layout="class tars")
    images = [entry(f"n02119789_{n}.JPEG", bytes(1 << 20)) for n in range(8)]
    (tmp_path / "n02119789.tar").write_bytes(tar_bytes(images))
    read, pread = [], os.pread

    def counting(file, size, offset):
        data = pread(file, size, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(tars.os, "pread", counting)
    catalogue = make_catalogue(tmp_path)
    assert int(catalogue.splits["train"].sizes.sum()) > 8 << 20
    assert sum(read) < 1 << 17


def test_a_file_larger_than_an_image_can_be_is_rejected(tmp_path):
    build(tmp_path, sizes=((20, 20),), layout="own")
    with open(tmp_path / "n02119789/huge.jpg", "wb") as file:
        file.truncate((1 << 28) + 1)
    (rejection,) = make_catalogue(tmp_path).rejections
    assert rejection.name == "n02119789/huge.jpg"
    assert "more than an image can have" in rejection.reason


def test_a_class_tar_that_cannot_be_opened_is_rejected_by_name(tmp_path, monkeypatch):
    build(tmp_path, sizes=((20, 20),), layout="class tars")
    opened = os.open

    def refuse(path, *args, **kwargs):
        if str(path).endswith("n02119789.tar"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(walk.os, "open", refuse)
    (rejection,) = make_catalogue(tmp_path).rejections
    assert (rejection.name, rejection.reason) == ("n02119789.tar", "cannot be read (Permission denied)")
