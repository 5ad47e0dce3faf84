"""Pictures of every kind become squares of pixels, or are unusable for a reason."""

import io
import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from cuda_convnet.data.imagenet import pictures
from cuda_convnet.data.imagenet.pictures import Unusable, encode, prepare
from cuda_convnet.errors import DataError
from imagenet_archive import UNDECODABLE, jpeg, pixels, png, troubled_image

simplejpeg = pytest.importorskip("simplejpeg")


@pytest.fixture(scope="module")
def photo():
    """A picture of 320x240 pixels with grain."""
    return pixels((320, 240), 0, np.random.RandomState(0))


def saved(array, kind, mode=None, **options):
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def reason(data):
    with pytest.raises(Unusable) as error:
        prepare(data)
    return error.value.reason


def difference(a, b):
    """The mean and the greatest difference in levels."""
    levels = np.abs(a.astype(int) - b)
    return levels.mean(), levels.max()


def test_a_picture_becomes_a_square_in_c_order(photo):
    square = prepare(jpeg(photo))
    assert (square.shape, square.dtype) == ((256, 256, 3), np.uint8)
    assert square.flags.c_contiguous
    assert prepare(jpeg(photo), 32).shape == (32, 32, 3)


def test_a_picture_of_the_right_height_is_only_cut(photo):
    data = saved(photo[:, :301], "PNG")
    np.testing.assert_array_equal(prepare(data, 240), photo[:, 30:270])


def test_jpegs_are_decoded_as_pillow_decodes_them_exactly(photo):
    for options in ({}, {"subsampling": 0}, {"progressive": True}):
        data = jpeg(photo, quality=92, **options)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(prepare(data, 240), np.asarray(image)[:, 40:280])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_pictures_are_told_by_their_contents(photo, kind):
    np.testing.assert_array_equal(prepare(saved(photo, kind), 240), photo[:, 40:280])


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_lossy_kinds_are_read_too(photo, kind):
    assert difference(prepare(saved(photo, kind), 240), photo[:, 40:280])[0] < 8


def test_grey_pictures_become_colour(photo):
    grey = np.ascontiguousarray(photo[..., 1])
    for data in (saved(grey, "PNG"), troubled_image("grey16_png"), troubled_image("grey_jpeg")):
        square = prepare(data, 240)
        assert (square == square[..., :1]).all()
        assert difference(square[..., 0], grey[:, 40:280])[0] < 2


def test_of_sixteen_bits_the_upper_eight_are_kept():
    values = np.array([[0, 255, 256, 32767, 32768, 65279, 65280, 65535]] * 8, ">u2")
    for data in (
        png((8, 8, 16, 0), [row.tobytes() for row in values]),
        png((8, 8, 16, 2), [row.repeat(3).tobytes() for row in values]),
        saved(values.astype(np.uint16), "TIFF"),
    ):
        assert prepare(data, 8)[0, :, 1].tolist() == [0, 0, 1, 127, 128, 254, 255, 255]


def test_more_than_sixteen_bits_are_unusable():
    assert reason(saved(np.full((8, 8), 70000, np.int32), "TIFF")) == "more than 16 bits per pixel"
    assert reason(saved(np.ones((8, 8), np.float32), "TIFF")) == "floating-point pixels"


def test_palettes_and_bitmaps_are_looked_up(photo):
    with Image.open(io.BytesIO(troubled_image("palette_png"))) as image:
        expected = np.asarray(image.convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(prepare(troubled_image("palette_png"), 240), expected[:, 40:280])
    assert set(prepare(saved(photo, "PNG", "1"), 240).ravel()) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped_and_not_blended(photo, mode):
    image = Image.fromarray(photo).convert(mode)
    image.putalpha(Image.fromarray(np.full((240, 320), 7, np.uint8)))
    file = io.BytesIO()
    image.save(file, "PNG")
    expected = np.asarray(Image.fromarray(photo).convert(mode[:-1]).convert("RGB"))
    np.testing.assert_array_equal(prepare(file.getvalue(), 240), expected[:, 40:280])


@pytest.mark.parametrize("trouble", ["cmyk_jpeg", "ycck_jpeg"])
def test_inks_are_stored_inverted(trouble):
    plain = prepare(troubled_image("exif_orientation"))  # an ordinary JPEG of the same picture
    printed = plain * (235 / 255)  # through 20 of 255 parts of black
    assert difference(prepare(troubled_image(trouble)), printed)[0] < 3


def test_inks_are_converted_as_by_opencv(photo):
    data = jpeg(np.dstack([photo, photo[..., 0]]), quality=90)
    inks = simplejpeg.decode_jpeg(data, colorspace="CMYK").astype(int)
    black = inks[..., 3:]
    expected = black - ((255 - inks[..., :3]) * black >> 8)
    np.testing.assert_array_equal(prepare(data, 240), expected[:, 40:280])


def test_orientation_is_ignored():
    turned = troubled_image("exif_orientation")
    with Image.open(io.BytesIO(turned)) as image:
        np.testing.assert_array_equal(prepare(turned, 240), np.asarray(image)[:, 40:280])


def test_the_thinnest_pictures_make_a_square(photo):
    one = prepare(saved(photo[:1, :1], "PNG"))
    assert (one == photo[0, 0]).all()
    tall = np.resize(photo, (3000, 1, 3))
    square = prepare(saved(tall, "PNG"))
    assert (square == square[:, :1]).all()
    assert (prepare(saved(tall.transpose(1, 0, 2), "PNG")) == square.transpose(1, 0, 2)).all()
    assert difference(square[128, 0], tall[1499:1501, 0].mean(axis=0))[0] < 20


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ("truncated_jpeg", "truncated JPEG"),
        ("truncated_png", "truncated PNG"),
        ("text_named_jpeg", "not an image"),
        ("absurd_png", f"100000 x 100000 pixels: more than {1 << 25}"),
        ("absurd_jpeg", f"65500 x 65500 pixels: more than {1 << 26}"),
    ],
)
def test_what_cannot_be_used_is_told_why(trouble, expected):
    assert reason(troubled_image(trouble)) == expected
    assert trouble in UNDECODABLE


def test_a_jpeg_of_more_scans_than_a_photograph_has_is_unusable(photo):
    data = jpeg(photo, progressive=True)
    last = data.rindex(b"\xff\xda")
    most = 500 - data.count(b"\xff\xda")
    assert reason(data[:last] + data[last:-2] * (most + 2) + data[-2:]) == "a JPEG of more than 500 scans"
    prepare(data[:last] + data[last:-2] * (most + 1) + data[-2:])


def test_nothing_is_not_an_image():
    assert reason(b"") == "empty"
    assert reason(b"RIFF\x24\0\0\0WAVEfmt ") == "not an image"
    assert reason(b"\xff\xd8\xff\xe0") in ("truncated JPEG", "damaged JPEG")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_pictures_cut_off_anywhere_are_unusable_by_their_kind(photo, kind):
    data = saved(photo[:50, :50], kind)
    for end in (len(data) // 4, len(data) // 2, len(data) * 3 // 4):
        assert reason(data[:end]) in (f"truncated {kind}", f"damaged {kind}")


def test_a_jpeg_cut_off_is_truncated_even_with_an_end_mark(photo):
    data = jpeg(photo, quality=90)
    for half in (data[: len(data) // 2], data[:-2], data[: len(data) // 2] + b"\xff\xd9"):
        assert reason(half) == "truncated JPEG"


def test_what_libjpeg_only_warns_of_is_used(photo):
    data = jpeg(photo, quality=90)
    whole = prepare(data)
    tables = data.index(b"\xff\xdb")
    scan = data.index(b"\xff\xda")
    for harmless in (
        data + b"more",
        data[:-2] + b"\0\1\2" + data[-2:],
        data[:tables] + b"\0\0\0" + data[tables:],
        data[:scan] + b"\0\0\0" + data[scan:],
        data[:2] + b"\xff\xe1\0\x0aExif\0\0II" + data[2:],
    ):
        np.testing.assert_array_equal(prepare(harmless), whole)


def test_what_libjpeg_warns_of_while_it_decodes_is_used(photo):
    data = jpeg(photo, quality=90, restart_marker_blocks=4)
    marker = data.index(b"\xff\xd2")
    noisy = data[:marker] + b"\0\1\2" + data[marker:]
    with pytest.raises(ValueError, match="extraneous bytes before marker 0xd2"):
        simplejpeg.decode_jpeg(noisy)
    np.testing.assert_array_equal(prepare(noisy), prepare(data))


def test_a_jpeg_that_promises_the_limit_passes_the_check_of_its_size(photo):
    def of(width, height):
        data = bytearray(jpeg(photo))
        at = data.index(b"\xff\xc0")
        data[at + 5 : at + 9] = struct.pack(">HH", height, width)
        return bytes(data)

    assert reason(of(9000, 9000)) == f"9000 x 9000 pixels: more than {1 << 26}"
    small = of(400, 300)
    assert reason(small) == "truncated JPEG"


def test_no_warning_of_pillow_leaks_from_any_thread():
    files = [
        png((9000, 12000, 8, 2), [bytes(300)]),  # Pillow warns of more than 89 million pixels
        troubled_image("palette_png"),
        troubled_image("truncated_png"),
        troubled_image("grey16_png"),
    ]

    def outcome(data):
        try:
            return prepare(data, 64).sum()
        except Unusable as error:
            return error.reason

    expected = [outcome(data) for data in files]
    assert expected[0] == f"9000 x 12000 pixels: more than {1 << 25}"
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(outcome, files * 8)) == expected * 8


def test_unusable_travels_between_processes():
    assert pickle.loads(pickle.dumps(Unusable("truncated JPEG"))).reason == "truncated JPEG"


def test_squares_are_stored_with_halved_colours_at_the_quality_asked_for(photo):
    square = prepare(jpeg(photo))
    good, poor = encode(square, 95), encode(square, 50)
    assert simplejpeg.decode_jpeg_header(good) == (256, 256, "YCbCr", "420")
    assert len(poor) < len(good) / 2
    assert difference(simplejpeg.decode_jpeg(good), square)[0] < 2


def test_squares_are_encoded_with_the_accurate_transform(photo):
    square = prepare(jpeg(photo))
    other = simplejpeg.encode_jpeg(square, 96, colorsubsampling="420")  # accurate from 96 on only
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(encode(square, 96)), simplejpeg.decode_jpeg(other))
    fast = simplejpeg.encode_jpeg(square, 95, colorsubsampling="420")
    accurate, fast = (difference(simplejpeg.decode_jpeg(d), square)[0] for d in (encode(square, 95), fast))
    assert accurate < fast


def test_the_libraries_that_decide_about_pixels_are_named():
    assert pictures.libraries() == {"simplejpeg": simplejpeg.__version__, "pillow": Image.__version__}


@pytest.mark.parametrize(
    ("missing", "data"), [("simplejpeg", "exif_orientation"), ("PIL.PngImagePlugin", "png_named_jpeg")]
)
def test_a_missing_decoder_is_named_and_no_picture_is_blamed(monkeypatch, missing, data):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DataError, match=r"needs simplejpeg and Pillow: pip install 'alexnet2012\[images\]'"):
        prepare(troubled_image(data))


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(DataError, match="needs simplejpeg and Pillow"):
        pictures.libraries()
