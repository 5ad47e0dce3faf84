"""Batches of JPEGs: one blob with offsets, decoded by whichever decoder is there."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from cuda_convnet.data import jpeg
from cuda_convnet.data.batches import BatchFolder, BatchWriter, verify
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import read_hdf5, write_hdf5


def encode(pixels, **options):
    """A JPEG of (height, width, 3) or (height, width) pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def gradient(i, size=24):
    """A smooth colour picture, of its own for each i."""
    y, x = np.mgrid[:size, :size]
    return np.stack([(x * 10 + i) % 256, (y * 10 + i) % 256, (x * y + i) % 256], axis=-1).astype(np.uint8)


@pytest.fixture(params=["simplejpeg", "pillow"])
def decoder(request, monkeypatch):
    """Leaves only one of the two decoders."""
    if request.param == "pillow":
        monkeypatch.setitem(sys.modules, "simplejpeg", None)
    else:
        pytest.importorskip("simplejpeg")
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
    jpeg._decoder.cache_clear()
    yield request.param
    jpeg._decoder.cache_clear()


@pytest.fixture
def folder(tmp_path, plan):
    wanted = plan(counts=((40, 3), (5,)), shape=(3, 24, 24), encoding="jpeg")
    writer = BatchWriter(tmp_path / "jpegs", wanted)
    for split, number in writer.unfinished():
        count = wanted.counts[split][number - 1]
        pictures = [encode(gradient(i * number)) for i in range(count)]
        writer.write_jpegs(split, number, pictures, np.arange(count) % 4, [f"{i}.jpeg" for i in range(count)])
    return writer.finish()


def test_jpegs_come_back_byte_for_byte(folder):
    assert folder.train[0].read_jpegs().jpegs() == [encode(gradient(i)) for i in range(40)]


def test_jpegs_are_decoded_to_images_last(folder, decoder):
    batch = folder.train[0].read()
    assert batch.images.shape == (40, 3, 24, 24)
    assert batch.images_last.flags.c_contiguous
    for i, image in enumerate(batch.images):
        with Image.open(io.BytesIO(encode(gradient(i)))) as picture:
            np.testing.assert_array_equal(image.transpose(1, 2, 0), np.asarray(picture))


def test_grey_jpegs_have_one_channel(decoder):
    pixels = gradient(3)[..., 0]
    decoded = jpeg.decode_jpegs([encode(pixels)] * 2, (1, 24, 24))
    assert decoded.shape == (2, 1, 24, 24)
    assert np.abs(decoded[1, 0].astype(int) - pixels).max() < 40


def test_jpegs_in_colour_give_a_grey_folder_the_brightness_that_they_hold(decoder):
    jpegs = [encode(gradient(i)) for i in range(4)]
    found = jpeg.decode_jpegs(jpegs, (1, 24, 24))
    for image, data in zip(found, jpegs, strict=True):
        with Image.open(io.BytesIO(data)) as picture:
            picture.draft("YCbCr", picture.size)
            np.testing.assert_array_equal(image[0], np.asarray(picture)[..., 0])


def test_a_picture_that_is_not_a_jpeg_of_the_folders_size_is_named(folder, decoder):
    path = folder.train[1].path
    contents = read_hdf5(path)
    for bad in (encode(gradient(0, 16)), b"not a picture", encode(gradient(0))[:100]):
        pictures = [encode(gradient(0)), bad, encode(gradient(2))]
        write_hdf5(
            path,
            contents.attributes,
            {
                **contents.datasets,
                "jpeg_bytes": np.frombuffer(b"".join(pictures), np.uint8),
                "jpeg_offsets": np.cumsum([0, *map(len, pictures)]),
            },
        )
        with pytest.raises(DataError, match=r"has an image that is not a JPEG of 24x24: '1.jpeg'; run"):
            BatchFolder(folder.path).train[1].read()


@pytest.mark.parametrize(
    "offsets",
    [
        [0, 100, 50, "size"],
        [0, 50, 50, "size"],
        [1, 2, 3, "size"],
        [0, 1, 2, 10**9],
        [0, 1, 2, 3],
        [0.0, 1.0, 2.0, "size"],
        [[0, 1], [2, 3]],
    ],
)
def test_offsets_that_do_not_fit_are_named(folder, offsets):
    path = folder.train[1].path
    contents = read_hdf5(path)
    size = contents.datasets["jpeg_bytes"].size
    offsets = [size if offset == "size" else offset for offset in offsets]
    write_hdf5(path, contents.attributes, {**contents.datasets, "jpeg_offsets": np.array(offsets)})
    with pytest.raises(DataError, match="has offsets that do not fit its JPEG bytes"):
        folder.train[1].read()


def test_a_flipped_bit_in_a_jpeg_is_noticed(folder):
    path = folder.train[1].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"data_batch_0002.h5 is damaged"):
        folder.train[1].read_jpegs()


def test_a_jpeg_folder_verifies(folder, decoder):
    assert not list(verify(folder.path))


def test_without_a_decoder_the_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    jpeg._decoder.cache_clear()
    with pytest.raises(DataError, match=r"needs a decoder: pip install 'alexnet2012\[images\]'"):
        folder.train[0].read()
    assert not list(verify(folder.path))
