"""`alexnet2012 show`: the pictures hold the very pixels that the network is given; mistakes are one line."""

import re
from functools import partial
from itertools import combinations

import numpy as np
import pytest
from matplotlib.image import imread

from alexnet2012 import machine
from alexnet2012.showing import image_sheets, sheets
from alexnet2012.showing.sheets import families, one_line, shown_size, text_width, wrapped
from cuda_convnet.data import augmentation
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.data.loader import Loader

CLASSES = (
    "tench, Tinca tinca",
    "hen-of-the-woods, hen of the woods, Polyporus frondosus",
    "Zwergstrauchheidelandschaftsspinnenmännchen",
    "天壇大白鮫と非常に長い名前の動物, temple",
    "$x_1$ {a} \\frac",
)


def pack(path, *, size=12, channels=3, border=2, reflect=True, counts=((20, 6), (9,), (3,)), jpegs=None):
    """A batch folder of random pixels with names of all kinds."""
    random = np.random.RandomState(1)
    splits = dict(zip(("train", "test", "unlabelled"), counts, strict=False))
    plan = DatasetPlan(
        recipe={"source": "random pixels"},
        class_names=CLASSES,
        image_shape=(channels, size, size),
        counts=splits,
        augmentation=Augmentation(border, 4, reflect),
        encoding="jpeg" if jpegs else "raw",
    )
    writer = BatchWriter(path, plan)
    for split, number in writer.unfinished():
        count = splits[split][number - 1]
        pixels = random.randint(0, 256, (count, channels, size, size)).astype(np.uint8)
        labels = np.full(count, -1) if split == "unlabelled" else np.arange(count) % len(CLASSES)
        names = [f"n0{number}/n0{number}_{'längs' * (i % 20)}{i:03d}.JPEG" for i in range(count)]
        if jpegs:
            images = [jpegs.encode_jpeg(np.ascontiguousarray(each.transpose(1, 2, 0))) for each in pixels]
            writer.write_jpegs(split, number, images, labels.astype(np.int32), names)
        else:
            writer.write(split, number, pixels, labels.astype(np.int32), names)
    return writer.finish()


@pytest.fixture
def folder(tmp_path):
    return pack(tmp_path / "photos")


@pytest.fixture
def show(monkeypatch, typed, tmp_path):
    """Runs `alexnet2012 show ...` in an empty folder: (status, stdout, stderr)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return partial(typed, "show")


@pytest.fixture
def drawn(show, monkeypatch):
    """Runs a command; gives its PNG's pixels, and what was written: (text, x, y, width, size)."""
    texts = []
    write = sheets.Sheet.write

    def noted(self, text, x, y, size, *, color=sheets.INK, bold=False):
        texts.append((text, x, y, text_width(text, size, bold), size))
        write(self, text, x, y, size, color=color, bold=bold)

    monkeypatch.setattr(sheets.Sheet, "write", noted)

    def run(*arguments):
        texts.clear()
        status, out, err = show(*arguments)
        assert (status, err) == (0, "")
        return pixels_of(out.strip()), list(texts)

    return run


def pixels_of(path):
    return np.rint(imread(path)[..., :3] * 255).astype(np.uint8)


def mistake(result):
    """The one line that a user's mistake is told in."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    return err.splitlines()[-1]


def place(sheet, pixels):
    """The upper left corner (y, x) of an image in a sheet, each pixel enlarged alike; None if it is not."""
    colors = np.repeat(pixels, 3 // len(pixels), axis=0).transpose(1, 2, 0)
    everything, width = sheet.tobytes(), 3 * sheet.shape[1]
    for times in range(1, 50):
        block = colors.repeat(times, 0).repeat(times, 1)
        start = everything.find(block[0].tobytes())
        while start >= 0:
            y, x = start // width, start % width // 3
            if np.array_equal(sheet[y : y + len(block), x : x + len(block)], block):
                return y, x
            start = everything.find(block[0].tobytes(), start + 1)
    return None


def for_the_eye(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def boxes_overlap(a, b):
    (_, ax, ay, aw, ah), (_, bx, by, bw, bh) = a, b
    return ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah


def test_a_contact_sheet_holds_every_pixel_of_every_image_in_order(drawn, folder):
    sheet, _ = drawn("batch", folder.path)
    places = [place(sheet, image) for image in folder.train[0].read().images]
    assert None not in places
    assert places == sorted(places)


def test_a_contact_sheet_of_grey_images_is_grey(drawn, tmp_path):
    grey = pack(tmp_path / "grey", channels=1, reflect=False, counts=((3,), (2,)))
    sheet, _ = drawn("batch", grey.path)
    assert None not in [place(sheet, image) for image in grey.train[0].read().images]


def test_a_contact_sheet_shows_jpegs_as_they_are_decoded(drawn, tmp_path):
    jpegs = pytest.importorskip("simplejpeg")
    folder = pack(tmp_path / "jpegs", counts=((3,), (2,)), jpegs=jpegs)
    sheet, _ = drawn("batch", folder.path)
    assert None not in [place(sheet, image) for image in folder.train[0].read().images]


def test_a_contact_sheet_starts_and_ends_where_it_is_told_to(drawn, folder):
    sheet, texts = drawn("batch", folder.path, "--from", 3, "--images", 2)
    images = folder.train[0].read().images
    shown = [i for i in range(8) if place(sheet, images[i])]
    assert shown == [3, 4]
    assert any(text.startswith("images 3 to 4 of 20") for text, *_ in texts)


def test_labels_name_class_and_image_and_overlap_nothing(drawn, folder):
    sheet, texts = drawn("batch", folder.path)
    words = [text for text, *_ in texts]
    assert "tench" in words
    assert "Tinca tinca" not in " ".join(words)
    assert any(re.match("0: ?n01/n01_000.JPEG", word) for word in words)
    assert [word for word in words if word.endswith("019.JPEG")]
    assert not [pair for pair in combinations(texts, 2) if boxes_overlap(*pair)]
    height, width = (side / sheets.PIXELS_PER_POINT for side in sheet.shape[:2])
    assert all(x >= 0 and x + wide <= width and y + size <= height for _, x, y, wide, size in texts)


def test_text_stays_off_the_pictures(drawn, folder):
    sheet, texts = drawn("batch", folder.path)
    side = 2 * shown_size(12, 64)
    for image in folder.train[0].read().images:
        y, x = place(sheet, image)
        picture = ("", x / 2, y / 2, side / 2, side / 2)
        assert not [text for text in texts if boxes_overlap(text, picture)]


def test_images_without_labels_show_their_names_alone(drawn, folder):
    _, texts = drawn("batch", folder.path, "--split", "unlabelled")
    assert [text[:3] for text, *_ in texts if re.match(r"\d: ", text)] == ["0: ", "1: ", "2: "]
    assert {size for *_, size in texts} == {image_sheets.TITLE, image_sheets.SUBTITLE, image_sheets.SMALL}


@pytest.mark.parametrize("reflect", [True, False])
def test_views_are_what_the_loader_gives(drawn, tmp_path, reflect):
    folder = pack(tmp_path / "views", reflect=reflect)
    sheet, texts = drawn("views", folder.path, "--image", 4)
    loader = Loader(folder, "test", seed=0, multiview=True)
    views = [view[0] for view in next(loader.minibatches()).views]
    assert len(views) == (10 if reflect else 5)
    mean = augmentation.crop_mean(folder.meta.statistics.mean_image, 2)
    seen = [view[:, 4].reshape(3, 8, 8) for view in views]
    largest = max(np.abs(view).max() for view in seen)
    for view in seen:
        assert place(sheet, for_the_eye(view + mean))
        assert place(sheet, for_the_eye(127.5 + 127.5 / largest * view))
    titles = [text for text, *_ in texts if re.match(r"\d+ (upper|lower|centre)", text)]
    assert titles[:5] == ["1 upper left", "2 upper right", "3 centre", "4 lower left", "5 lower right"]
    assert titles[5:] == [f"{i} {name[2:]}, mirrored" for i, name in enumerate(titles[:5], 6) if reflect]
    assert not [pair for pair in combinations(texts, 2) if boxes_overlap(*pair)]


def test_frames_lie_where_the_views_are_cut():
    image = np.random.RandomState(0).randint(0, 256, (3, 20, 20, 1)).astype(np.uint8)
    nothing = np.zeros((3, 14, 14), np.float32)
    for view, (y, x) in enumerate(image_sheets.corners(border=3)):
        seen = augmentation.view_images(image, nothing, 3, view)
        assert np.array_equal(seen, image[:, y : y + 14, x : x + 14])


def test_images_that_are_not_cropped_have_no_views(show, tmp_path):
    folder = pack(tmp_path / "whole", border=0)
    assert "are not cropped" in mistake(show("views", folder.path, "--image", 0))


@pytest.mark.parametrize("channels", [3, 1])
def test_noise_is_what_the_loader_gives_epoch_by_epoch(drawn, tmp_path, channels):
    folder = pack(tmp_path / "noise", channels=channels, border=0)
    sheet, texts = drawn("noise", folder.path, "--image", 7, "--seed", 5, "--scale", 0.2, "--draws", 3)
    assert place(sheet, folder.train[0].read().images[7])
    loader = Loader(folder, "train", seed=5, crop_border=0, color_noise=0.2)
    mean = folder.meta.statistics.mean_image
    for epoch in (1, 2, 3):
        minibatch = next(loader.minibatches(start_epoch=epoch))
        image = minibatch.data[0][:, 7].reshape(channels, 12, 12)
        assert place(sheet, for_the_eye(image + mean))
    captions = [text for text, *_ in texts if text.startswith("epoch ")]
    assert len(captions) == 3
    assert not [text for text, *_ in texts if "…" in text or "−0" in text.split()]
    assert any("/ 1.2" in text for text, *_ in texts)
    assert not [pair for pair in combinations(texts, 2) if boxes_overlap(*pair)]


def test_the_principal_directions_come_largest_first(drawn, folder):
    _, texts = drawn("noise", folder.path, "--image", 0)
    found = [re.match(r"eigenvalue ([\d,.]+),", text) for text, *_ in texts]
    values = [float(match[1].replace(",", "")) for match in found if match]
    assert values == sorted(folder.meta.statistics.color_eigenvalues.round(1), reverse=True)


def test_the_name_of_the_picture_says_what_it_shows(show, folder, tmp_path):
    assert show("batch", folder.path)[1] == "photos-train-1.png\n"
    assert show("batch", folder.path, "--batch", 2, "--from", 1)[1] == "photos-train-2-from-1.png\n"
    assert show("views", folder.path, "--image", 0)[1] == "photos-views-n01-n01_000.png\n"
    assert show("noise", folder.path, "--image", 0)[1] == "photos-noise-n01-n01_000.png\n"
    assert {path.suffix for path in (tmp_path / "here").iterdir()} == {".png"}


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_command_writes_the_same_bytes_and_nothing_else(show, folder, tmp_path, kind):
    out = tmp_path / "here" / f"sheet.{kind}"
    assert show("views", folder.path, "--image", 1, "--out", out) == (0, f"{out}\n", "")
    once = out.read_bytes()
    show("views", folder.path, "--image", 1, "--out", out)
    assert out.read_bytes() == once
    assert list((tmp_path / "here").iterdir()) == [out]


def test_an_image_is_found_by_name_by_file_and_by_place(drawn, folder):
    image = folder.train[1].read().images[5]
    name = folder.train[1].read().names[5]
    for wanted in (name, name.split("/")[1], name.split("/")[1][:-5]):
        sheet, _ = drawn("noise", folder.path, "--image", wanted)
        assert place(sheet, image)
    sheet, _ = drawn("noise", folder.path, "--image", 5, "--batch", 2)
    assert place(sheet, image)


def test_an_image_that_is_not_there_brings_up_near_ones(show, folder):
    line = mistake(show("noise", folder.path, "--image", "n01_00"))
    assert "train has no image 'n01_00'; near it are 'n01/n01_000.JPEG'" in line
    assert "train has no image '007'" in mistake(show("noise", folder.path, "--image", "007"))
    line = mistake(show("noise", folder.path, "--image", 20, "--batch", 1))
    assert "batch 1 of train has no image '20'; give a name such as" in line
    assert "a number from 0 to 19" in line


def test_a_name_that_several_images_have_is_asked_about(show, tmp_path):
    plan = DatasetPlan(
        recipe={},
        class_names=("cat", "dog"),
        image_shape=(3, 8, 8),
        counts={"train": (2,), "test": (1,)},
        augmentation=Augmentation(1, 1, True),
    )
    writer = BatchWriter(tmp_path / "pets", plan)
    for split, number in writer.unfinished():
        count = plan.counts[split][0]
        names = ["cat/1.jpg", "dog/1.jpg"][:count]
        writer.write(
            split, number, np.zeros((count, 3, 8, 8), np.uint8), np.arange(count, dtype=np.int32), names
        )
    writer.finish()
    line = mistake(show("noise", tmp_path / "pets", "--image", "1.jpg"))
    assert "'1.jpg' may be 'cat/1.jpg' (batch 1, 0), 'dog/1.jpg' (batch 1, 1)" in line


def test_a_batch_that_is_not_there_is_told(show, folder):
    assert "train has no batch 3; there is 1 to 2" in mistake(show("batch", folder.path, "--batch", 3))
    test = mistake(show("batch", folder.path, "--split", "test", "--batch", 3))
    assert "test has no batch 3; there is batch 1 alone" in test


def test_a_split_that_is_not_there_is_told(show, tmp_path):
    folder = pack(tmp_path / "two", counts=((3,), (2,)))
    line = mistake(show("batch", folder.path, "--split", "unlabelled"))
    assert "has no unlabelled images; it has train and test" in line


def test_a_start_behind_the_last_image_is_told(show, folder):
    assert "--from 20 is too far; its images go from 0 to 19" in mistake(
        show("batch", folder.path, "--from", 20)
    )


@pytest.mark.parametrize("command", [("batch",), ("views", "--image", "0"), ("noise", "--image", "n01_000")])
def test_a_damaged_batch_is_named(show, folder, command):
    for file in (folder.train[0], folder.test[0]):
        damaged = bytearray(file.path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        file.path.write_bytes(damaged)
    assert "data_batch_0001.h5" in mistake(show(command[0], folder.path, *command[1:]))


def test_a_folder_that_is_none_is_told(show, tmp_path):
    assert "there is no such folder" in mistake(show("batch", tmp_path / "nowhere"))


def test_a_picture_of_an_unknown_kind_or_in_an_unknown_folder_is_told(show, folder, tmp_path):
    line = mistake(show("batch", folder.path, "--out", "sheet.doc"))
    assert line.startswith("alexnet2012: sheet.doc: pictures are written as .png, .pdf or .svg")
    out = tmp_path / "nowhere" / "sheet.png"
    assert f"{out}: cannot be written: No such file" in mistake(show("batch", folder.path, "--out", out))


def test_without_matplotlib_the_command_that_installs_it_is_told(show, folder, monkeypatch):
    monkeypatch.setattr(machine, "extra", lambda name: machine.Check(name, False, "none"))
    line = mistake(show("batch", folder.path))
    assert "`show` needs matplotlib" in line
    assert "pip install" in line


def test_a_sheet_too_large_to_draw_is_refused(monkeypatch, show, folder):
    monkeypatch.setattr(sheets, "LARGEST", 100)
    assert "is too large to draw; show fewer pictures at once" in mistake(show("batch", folder.path))


@pytest.mark.parametrize("scale", ["nan", "inf", "0", "-1"])
def test_noise_of_no_scale_is_refused(show, folder, scale):
    assert "--scale" in mistake(show("noise", folder.path, "--image", 0, "--scale", scale))


def test_images_that_are_neither_grey_nor_rgb_are_refused(show, tmp_path):
    folder = pack(tmp_path / "pairs", channels=2)
    assert "images of 2 channels cannot be drawn" in mistake(show("batch", folder.path))


def test_lines_fit_their_width_and_say_what_was_left_out():
    for text in (*CLASSES, "n01440764/" + "x" * 200 + "_10026.JPEG"):
        for head in (None, 4):
            lines = wrapped(text, 60, 2, 7, head=head)
            assert 1 <= len(lines) <= 2
            assert all(text_width(line, 7) <= 60 for line in lines)
            whole = "".join(lines).replace(" ", "")
            assert whole == one_line(text).replace(" ", "") or "…" in whole


def test_a_line_breaks_at_a_space_or_mark_before_it_breaks_a_word():
    assert wrapped("great white shark", 64, 2, 7.5) == ["great white", "shark"]
    assert wrapped("hen-of-the-woods", 64, 2, 7.5) == ["hen-of-the-", "woods"]


def test_a_shortened_name_keeps_its_number_and_its_end():
    lines = wrapped("12: " + "n01440764/" * 20 + "n01440764_10026.JPEG", 90, 2, 6, head=4)
    assert lines[0].startswith("12: …")
    assert lines[-1].endswith("10026.JPEG")


def test_control_characters_and_line_breaks_are_spaces():
    assert one_line("a\tb\n\x07c  d") == "a b c d"


def test_characters_that_the_usual_typeface_lacks_are_looked_for_in_others():
    assert families(["tench"]) == ["DejaVu Sans"]
    assert len(families(["ᶄ"])) == 2  # matplotlib's own STIXGeneral has it


def test_pixels_cover_whole_pixels_of_the_sheet():
    assert shown_size(16, 64) == 64
    assert shown_size(20, 64) == 60
    assert shown_size(256, 128) == 128
    assert shown_size(500, 128) == 128


def test_lines_are_as_wide_as_they_are_measured():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    for text in ("n01440764/n01440764_10026.JPEG", "Zwergstrauchheide, AVAToYo", "great white shark"):
        font = FontProperties(family=["DejaVu Sans"], size=7)
        width = text_to_path.get_text_width_height_descent(text, font, False)[0]
        assert 0.99 * width <= text_width(text, 7) <= 1.05 * width
