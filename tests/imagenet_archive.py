"""Small archives in the exact shape of ILSVRC2012, and in the shapes in which people keep it, with troubles.

    archive = build(folder, classes=3, images=4, val=6, test=0, troubles=("cmyk_jpeg", "zero_bytes"), seed=0)
    archive.src                  the folder to give to `data imagenet`
    archive.fine("train")        {name: label} of the images that must be in the batches
    archive.undecodable("train") {name: trouble}: catalogued, and rejected when they are decoded
    archive.rejected("train")    {name: trouble}: rejected while the archives are catalogued
    archive.data("train")        {name: bytes} of all that the catalogue must hold (fine and undecodable)

Splits are "train", "test" (the validation set) and "unlabelled" (the contest's test set). The label of a
class is its place in `archive.wnids`: the order of ILSVRC2012_ID, which is not that of the names; or, without
a development kit, that of the names.

layout="tars"      ILSVRC2012_img_train.tar (a tar of class tars), ILSVRC2012_img_val.tar, and if asked for
                   ILSVRC2012_img_test.tar; with the development kit as devkit="tar", "folder" or None
layout="class tars" the same, with the class tars themselves in place of the training tar
layout="folders"   train/<wnid>/*.JPEG, val/<wnid>/*.JPEG, test/*.JPEG
layout="flat val"  train/<wnid>/*.JPEG, val/*.JPEG, test/*.JPEG
layout="own"       <class>/*.JPEG alone: one image in ten of each class is held out for testing

Image troubles: each adds one image to the training set (its name ends in the trouble's, as in
"n02119789/n02119789_cmyk_jpeg.JPEG") and one to the validation set, at the next free number;
`troubled_val=False` leaves that set alone.

    must be used:
        png_named_jpeg      a PNG under the name of a JPEG
        cmyk_jpeg           four channels, as Adobe writes them (inverted)
        ycck_jpeg           four channels, the first three as YCC
        grey_jpeg           one channel
        grey16_png          16 bits, one channel
        rgb16_png           16 bits, three channels
        palette_png         a palette with a transparent entry
        exif_orientation    EXIF says "turn by 90 degrees": ignored, as in 2012
        progressive_jpeg    a progressive JPEG
        one_pixel           1x1 pixels
        thin                1x3000 pixels
    must be rejected when they are decoded:
        truncated_jpeg      the second half is missing
        truncated_png       the second half is missing
        text_named_jpeg     an HTML page, as a download that failed leaves it
        absurd_png          the header says 100,000 x 100,000 pixels
        absurd_jpeg         the header says 65,500 x 65,500 pixels, the most that JPEG can say
    must be rejected by the catalogue:
        zero_bytes          an empty file

Troubles of the training tar's members, each within one class (the catalogue decides):
    duplicate       a name twice: the first is used, the second is rejected ("<name> (again)" in rejected())
    climbing_path   "../../climbing_path.JPEG": rejected
    absolute_path   "/absolute_path.JPEG": rejected
    symlink, hardlink, device, fifo     rejected
    readme, ds_store, apple_double      "README.txt", ".DS_Store", "._n....JPEG": rejected
    directory       an entry for a folder, and an image in it: used, as "<wnid>/folder/..."
    gnu_long_name, pax_long_name        names of 150 characters: used
    too_long_name   a name of 300 characters: rejected
    non_utf8_name   a byte that is no UTF-8: used, the byte written as \\xe9
Troubles of the training tar as a whole:
    unknown_class   a class tar that the development kit does not know: each of its two images is rejected
    empty_class     a class tar (of a class of its own) without images: the class stays, and a note says so
    empty_class_tar the same, the tar being of zero bytes: rejected by its name
    not_a_tar       "notes.txt" among the class tars: rejected
    broken_class_tar    a class tar (of a class of its own) of random bytes: rejected by its name
    compressed_class_tar    a class tar (of a class of its own) that is a .tar.gz: rejected by its name
    bad_header      the last class tar has a damaged header before its last image: rejected from there
    cut_inner_data, cut_inner_header, cut_inner_end   the last class tar ends in its last image, in the
                    header before it, or after it without an end mark
    cut_outer_data, cut_outer_header, cut_outer_end   the same of the training tar: it ends in the last image
                    of its last class tar, in the header before that tar, or after it without an end mark
    compressed_train    ILSVRC2012_img_train.tar is gzipped: nothing can be done with it
Troubles of the development kit:
    devkit_without_meta, devkit_without_truth, damaged_meta, truth_not_numbers: nothing can be done with it
    truth_short     a line too few: the validation image of that number is rejected
    truth_long      a line too many: a note says so
Troubles of the validation tar:
    val_missing     number 2 is not in it: labels go by the number in the name
    val_subfolder   its images lie in "val/"
    val_odd_name    "holiday.JPEG" is among them: rejected
    val_beyond      a number beyond the ground truth: rejected
    cut_val         it ends in its last image, which is rejected
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.io
import simplejpeg
from PIL import Image

# ILSVRC2012_ID 1 to 12: not in the order of their names.
SYNSETS = (
    ("n02119789", "kit fox, Vulpes macrotis"),
    ("n02100735", "English setter"),
    ("n02110185", "Siberian husky"),
    ("n01440764", "tench, Tinca tinca"),
    ("n02096294", "Australian terrier"),
    ("n03000684", "chain saw, chainsaw"),
    ("n01443537", "goldfish, Carassius auratus"),
    ("n02102040", "English springer, English springer spaniel"),
    ("n07753592", "banana"),
    ("n04285008", "sports car, sport car"),
    ("n02509815", "lesser panda, red panda"),
    ("n01818515", "macaw"),
)
SIZES = ((320, 240), (241, 323), (256, 256), (500, 301), (199, 150), (257, 400), (180, 333))
VAL_NAME = "ILSVRC2012_val_{:08d}.JPEG"
TEST_NAME = "ILSVRC2012_test_{:08d}.JPEG"
BLOCK = tarfile.BLOCKSIZE

USED = (
    "png_named_jpeg", "cmyk_jpeg", "ycck_jpeg", "grey_jpeg", "grey16_png", "rgb16_png", "palette_png",
    "exif_orientation", "progressive_jpeg", "one_pixel", "thin",
)  # fmt: skip
UNDECODABLE = ("truncated_jpeg", "truncated_png", "text_named_jpeg", "absurd_png", "absurd_jpeg")
IMAGE_TROUBLES = (*USED, *UNDECODABLE, "zero_bytes")
MEMBER_TROUBLES = (
    "duplicate", "climbing_path", "absolute_path", "symlink", "hardlink", "device", "fifo", "readme",
    "ds_store", "apple_double", "directory", "gnu_long_name", "pax_long_name", "too_long_name",
    "non_utf8_name",
)  # fmt: skip
TAR_TROUBLES = (
    "unknown_class", "empty_class", "empty_class_tar", "not_a_tar", "broken_class_tar",
    "compressed_class_tar", "bad_header", "cut_inner_data", "cut_inner_header", "cut_inner_end",
    "cut_outer_data", "cut_outer_header", "cut_outer_end",
)  # fmt: skip
DEVKIT_TROUBLES = (
    "devkit_without_meta", "devkit_without_truth", "damaged_meta", "truth_not_numbers",
)  # fmt: skip
VAL_TROUBLES = (
    "val_missing", "val_subfolder", "val_odd_name", "val_beyond", "cut_val", "truth_short", "truth_long",
)  # fmt: skip
FATAL_TROUBLES = ("compressed_train", *DEVKIT_TROUBLES)
TROUBLES = (*IMAGE_TROUBLES, *MEMBER_TROUBLES, *TAR_TROUBLES, *VAL_TROUBLES, *FATAL_TROUBLES)


@dataclass(frozen=True)
class Picture:
    """An image that was put into the archive, and what must become of it.

    verdict: "fine", "undecodable" or "rejected" (by the catalogue).
    """

    label: int
    data: bytes
    trouble: str = ""
    verdict: str = "fine"


@dataclass
class Archive:
    """What was built. `pictures` holds everything by split and name."""

    src: Path
    wnids: tuple[str, ...]
    words: tuple[str, ...]
    pictures: dict[str, dict[str, Picture]] = field(default_factory=dict)

    def fine(self, split):
        """{name: label} of the images that must be in the batches."""
        return {name: p.label for name, p in self._all(split) if p.verdict == "fine"}

    def undecodable(self, split):
        """{name: trouble} of what is catalogued and rejected when it is decoded."""
        return {name: p.trouble for name, p in self._all(split) if p.verdict == "undecodable"}

    def rejected(self, split):
        """{name: trouble} of what the catalogue rejects."""
        return {name: p.trouble for name, p in self._all(split) if p.verdict == "rejected"}

    def catalogued(self, split):
        """{name: label} of all that the catalogue holds."""
        return {name: p.label for name, p in self._all(split) if p.verdict != "rejected"}

    def data(self, split):
        """{name: bytes} of all that the catalogue holds."""
        return {name: p.data for name, p in self._all(split) if p.verdict != "rejected"}

    def _all(self, split):
        return self.pictures.get(split, {}).items()


def build(
    folder,
    *,
    classes=3,
    images=4,
    val=6,
    test=0,
    sizes=SIZES,
    troubles=(),
    troubled_val=True,
    seed=0,
    layout="tars",
    devkit="tar",
):
    """Build an archive in `folder` (made if need be); see the module.

    classes: 1 to 1000. images: of each class in the training set, without the troubled ones: a number, or a
    list.
    val, test: the number of images in the validation and the test set. sizes: (width, height), in turn.
    """
    unknown = sorted(set(troubles) - set(TROUBLES))
    if unknown:
        raise ValueError(f"unknown troubles: {unknown}")
    return _Builder(
        Path(folder),
        classes,
        images,
        val,
        test,
        sizes,
        frozenset(troubles),
        troubled_val,
        seed,
        layout,
        devkit,
    ).build()


def synsets(count):
    """(wnid, words) of the first `count` classes, in the order of ILSVRC2012_ID."""
    made = [(f"n{10_000_000 + (i * 7919) % 1_000_003:08d}", f"class {i}") for i in range(len(SYNSETS), count)]
    return (*SYNSETS[:count], *made)


def pixels(size, label, random):
    """(height, width, 3) uint8: smooth, and by its colours and its grain of the class `label`."""
    width, height = size
    base = np.random.RandomState(label).randint(40, 216, (3, 4, 3))
    coarse = np.clip(base + random.randint(-30, 31, base.shape), 0, 255).astype(np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = random.randint(-4, 5, (-(-height // 8), -(-width // 8), 3)).repeat(8, 0).repeat(8, 1)
    return np.clip(np.asarray(image).astype(int) + grain[:height, :width], 0, 255).astype(np.uint8)


def jpeg(array, **options):
    """A JPEG of (height, width, 3), (height, width) or, CMYK, (height, width, 4) pixels, by Pillow."""
    if array.ndim == 3 and array.shape[2] == 4:
        return _saved(Image.frombytes("CMYK", array.shape[1::-1], array.tobytes()), "JPEG", **options)
    return _saved(Image.fromarray(array), "JPEG", **options)


def troubled_image(trouble, label=0, seed=0, size=(320, 240)):
    """The bytes of an image with one of IMAGE_TROUBLES."""
    random = np.random.RandomState(seed)
    plain = pixels(size, label, random)
    return _IMAGES[trouble](plain)


def png(header, rows):
    """A PNG from the fields of its header (width, height, bits, colour type) and its raw rows (bytes)."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    width, height, bits, colour = header
    parts = (
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _png(array):
    return _saved(Image.fromarray(array), "PNG")


def _grey16(array):
    wide = array[..., 1].astype(">u2") * 257
    return png((array.shape[1], array.shape[0], 16, 0), [row.tobytes() for row in wide])


def _rgb16(array):
    wide = array.astype(">u2") * 257
    return png((array.shape[1], array.shape[0], 16, 2), [row.tobytes() for row in wide])


def _cmyk(array):
    return np.dstack([255 - array, np.full(array.shape[:2], 20, np.uint8)])


def _palette(array):
    image = Image.fromarray(array).quantize(32)
    return _saved(image, "PNG", transparency=3)


def _turned(array):
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(array, exif=exif)


def _absurd_jpeg(array):
    data = bytearray(jpeg(array))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(data)


def _half(data):
    return data[: len(data) // 2]


_IMAGES = {
    "png_named_jpeg": _png,
    "cmyk_jpeg": lambda a: jpeg(_cmyk(a)),
    "ycck_jpeg": lambda a: simplejpeg.encode_jpeg(255 - _cmyk(a), 90, "CMYK", "420"),
    "grey_jpeg": lambda a: jpeg(np.ascontiguousarray(a[..., 1])),
    "grey16_png": _grey16,
    "rgb16_png": _rgb16,
    "palette_png": _palette,
    "exif_orientation": _turned,
    "progressive_jpeg": lambda a: jpeg(a, progressive=True),
    "one_pixel": lambda a: jpeg(np.ascontiguousarray(a[:1, :1])),
    "truncated_jpeg": lambda a: _half(jpeg(a)),
    "truncated_png": lambda a: _half(_png(a)),
    "text_named_jpeg": lambda a: b"<html><body>This photo is no longer available</body></html>\n" * 20,
    "absurd_png": lambda a: png((100_000, 100_000, 8, 2), [bytes(300)]),
    "absurd_jpeg": _absurd_jpeg,
    "thin": lambda a: jpeg(np.ascontiguousarray(np.resize(a, (3000, 1, 3)))),
    "zero_bytes": lambda a: b"",
}


def verdict_of(trouble):
    """What must become of an image with one of IMAGE_TROUBLES."""
    if trouble in UNDECODABLE:
        return "undecodable"
    return "rejected" if trouble == "zero_bytes" else "fine"


def entry(name, data=b"", kind=tarfile.REGTYPE, link=""):
    """A member of a tar: (TarInfo, data)."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info, data


def tar_bytes(entries, form=tarfile.GNU_FORMAT):
    """A tar of `entry`s, an uncompressed one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def last_member(tar):
    """(offset of the first header block, offset of the data, size) of the last member of a tar in memory."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        member = opened.getmembers()[-1]
    return member.offset, member.offset_data, member.size


def meta_mat(classes, extra=3):
    """A meta.mat as the development kit has it: the struct array `synsets`, low-level ones, then inner nodes.

    classes: (wnid, words) in the order of ILSVRC2012_ID. extra: the number of inner nodes, from ID 1001.
    """
    kinds = [
        ("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object),
        ("num_children", object), ("children", object), ("wordnet_height", object),
        ("num_train_images", object),
    ]  # fmt: skip
    array = np.zeros((len(classes) + extra, 1), kinds)
    for i, (wnid, words) in enumerate(classes):
        array[i, 0] = (i + 1.0, wnid, words, f"what {words} is", 0.0, np.zeros((1, 0)), 0.0, 1300.0)
    for i in range(extra):
        children = np.array([[1.0, 2.0]])
        array[len(classes) + i, 0] = (
            1001.0 + i,
            f"n0000{i:04d}",
            f"inner {i}",
            "a kind",
            2.0,
            children,
            1.0,
            0.0,
        )
    file = io.BytesIO()
    scipy.io.savemat(file, {"synsets": array}, do_compression=True)
    return file.getvalue()


class _Builder:
    def __init__(self, src, classes, images, val, test, sizes, troubles, troubled_val, seed, layout, devkit):
        self.src, self.troubles, self.seed = src, troubles, seed
        self.layout, self.devkit = layout, devkit
        self.sizes = [tuple(size) for size in sizes]
        own_classes = ("empty_class", "empty_class_tar", "broken_class_tar", "compressed_class_tar")
        self.extra_classes = [t for t in own_classes if t in troubles]
        every = synsets(classes + len(self.extra_classes))
        self.full, self.extra = every[:classes], every[classes:]
        known = devkit and layout != "own"
        self.classes = every if known else sorted(every)
        self.labels = {wnid: label for label, (wnid, _) in enumerate(self.classes)}
        self.images = [images] * classes if isinstance(images, int) else list(images)
        self.val, self.test = val, test
        self.image_troubles = [t for t in IMAGE_TROUBLES if t in troubles]
        self.val_troubles = self.image_troubles if troubled_val else []
        self.random = np.random.RandomState(seed)
        self.made = 0
        self.pictures = {"train": {}, "test": {}, "unlabelled": {}}
        self.truth = []

    def build(self):
        self.src.mkdir(parents=True, exist_ok=True)
        wnids = tuple(wnid for wnid, _ in self.classes)
        words = tuple(words for _, words in self.classes)
        archive = Archive(self.src, wnids, words if self.devkit else wnids, self.pictures)
        train = self._train()
        if self.layout == "own":
            archive.words = wnids
            self._folders(train, self.src)
            self._hold_out()
            return archive
        val = self._val()
        test = [(TEST_NAME.format(n + 1), self._image(n % len(self.full))) for n in range(self.test)]
        self.pictures["unlabelled"] = {name: Picture(-1, data) for name, data in test}
        if self.layout in ("tars", "class tars"):
            self._train_tar(train)
            self._val_tar(val)
            if test:
                self._write("ILSVRC2012_img_test.tar", tar_bytes([entry(*image) for image in test]))
        else:
            self._folders(train, self.src / "train")
            self._val_folder(val)
            for name, data in test:
                self._write(f"test/{name}", data)
        if self.devkit:
            self._devkit()
        if "cut_outer_header" in self.troubles and self.layout == "tars":
            self._leave_out_last(archive)
        return archive

    def _hold_out(self):
        """One in ten of what is used of each class is for testing, in the order of the names."""
        train, test = self.pictures["train"], self.pictures["test"]
        for wnid, _ in self.classes:
            names = sorted(
                name for name in train if name.startswith(f"{wnid}/") and train[name].verdict != "rejected"
            )
            for name in names[::10] if len(names) > 1 else ():
                test[name] = train.pop(name)

    def _leave_out_last(self, archive):
        """A class of which nothing is there is left out, and its validation images with it."""
        label = self.labels[self.full[-1][0]]
        archive.wnids = (*archive.wnids[:label], *archive.wnids[label + 1 :])
        archive.words = (*archive.words[:label], *archive.words[label + 1 :])
        test = self.pictures["test"]
        for name in [name for name, picture in test.items() if picture.label == label]:
            del test[name]

    def _image(self, label):
        size = self.sizes[self.made % len(self.sizes)]
        self.made += 1
        return jpeg(pixels(size, label, self.random), quality=90)

    def _train(self):
        """By wnid: the (name in its class, data) of the training images."""
        train = {}
        for place, (wnid, _) in enumerate(self.full):
            label = self.labels[wnid]
            members = [
                (f"{wnid}_{17 + 13 * n}.JPEG", self._image(place), "", "fine")
                for n in range(self.images[place])
            ]
            members += [
                (
                    f"{wnid}_{trouble}.JPEG",
                    troubled_image(trouble, place, self.seed),
                    trouble,
                    verdict_of(trouble),
                )
                for i, trouble in enumerate(self.image_troubles)
                if i % len(self.full) == place
            ]
            # The archive's members are not in the order of their names.
            members = [members[i] for i in self.random.permutation(len(members))]
            for name, data, trouble, verdict in members:
                self.pictures["train"][f"{wnid}/{name}"] = Picture(label, data, trouble, verdict)
            train[wnid] = [(name, data) for name, data, _, _ in members]
        return train

    def _val(self):
        """The (name, data) of the validation images; their labels become the ground truth."""
        order = [n % len(self.full) for n in range(self.val)]
        labels = [order[i] for i in self.random.permutation(self.val)]
        labels += [n % len(self.full) for n in range(len(self.val_troubles))]
        self.truth = [label + 1 for label in labels]
        val = []
        for n, label in enumerate(labels):
            name = VAL_NAME.format(n + 1)
            trouble = self.val_troubles[n - self.val] if n >= self.val else ""
            data = troubled_image(trouble, label, self.seed) if trouble else self._image(label)
            if n == 1 and "val_missing" in self.troubles:
                continue
            verdict = verdict_of(trouble) if trouble else "fine"
            self.pictures["test"][name] = Picture(self._label(label), data, trouble, verdict)
            val.append((name, data))
        return val

    def _label(self, place):
        return self.labels[self.full[place][0]]

    def _reject(self, split, name, trouble):
        self.pictures[split][name] = Picture(-1, b"", trouble, "rejected")

    def _use(self, wnid, name, data, trouble):
        self.pictures["train"][f"{wnid}/{name}"] = Picture(self.labels[wnid], data, trouble)

    def _class_tar(self, wnid, images, first, last):
        """A class tar; member troubles go into the first one, those of the end into the last one."""
        entries = [entry(name, data) for name, data in images]
        if first:
            entries = self._member_troubles(wnid, entries)
        if last and "pax_long_name" in self.troubles:
            name = f"{wnid}_{'p' * 140}_é.JPEG"
            data = self._image(len(self.full) - 1)
            self._use(wnid, name, data, "pax_long_name")
            return tar_bytes([entry(name, data), *entries], tarfile.PAX_FORMAT)
        return tar_bytes(entries)

    def _member_troubles(self, wnid, entries):
        at = len(entries) // 2
        new = []
        first_name = entries[0][0].name
        for trouble in (t for t in MEMBER_TROUBLES if t in self.troubles):
            data = self._image(0)
            name = f"{wnid}_{trouble}.JPEG"
            kinds = {
                "symlink": (tarfile.SYMTYPE, "/etc/passwd"),
                "hardlink": (tarfile.LNKTYPE, first_name),
                "device": (tarfile.CHRTYPE, ""),
                "fifo": (tarfile.FIFOTYPE, ""),
            }
            others = {"readme": "README.txt", "ds_store": ".DS_Store", "apple_double": f"._{first_name}"}
            if trouble == "duplicate":
                self._use(wnid, name, data, "")
                entries = [entry(name, data), *entries]
                new.append(entry(name, self._image(0)))
                self.pictures["train"][f"{wnid}/{name} (again)"] = Picture(-1, b"", trouble, "rejected")
            elif trouble in kinds:
                kind, link = kinds[trouble]
                new.append(entry(name, b"", kind, link))
                self._reject("train", f"{wnid}/{name}", trouble)
            elif trouble in others:
                new.append(entry(others[trouble], b"not an image"))
                self._reject("train", f"{wnid}/{others[trouble]}", trouble)
            elif trouble == "climbing_path":
                new.append(entry("../../climbing_path.JPEG", data))
                self._reject("train", f"{wnid}/../../climbing_path.JPEG", trouble)
            elif trouble == "absolute_path":
                new.append(entry("/absolute_path.JPEG", data))
                self._reject("train", f"{wnid}//absolute_path.JPEG", trouble)
            elif trouble == "directory":
                new += [entry("folder", kind=tarfile.DIRTYPE), entry(f"folder/{name}", data)]
                self._use(wnid, f"folder/{name}", data, "")
            elif trouble == "gnu_long_name":
                name = f"{wnid}_{'g' * 140}.JPEG"
                new.append(entry(name, data))
                self._use(wnid, name, data, "")
            elif trouble == "too_long_name":
                name = f"{wnid}_{'t' * 290}.JPEG"
                new.append(entry(name, data))
                self._reject("train", f"{wnid}/{name}", trouble)
            elif trouble == "non_utf8_name":
                new.append(entry(f"{wnid}_caf\udce9.JPEG", data))
                self._use(wnid, f"{wnid}_caf\\xe9.JPEG", data, "")
        return entries[:at] + new + entries[at:]

    def _train_tar(self, train):
        wnids = list(train)
        members = []
        for i, wnid in enumerate(wnids):
            last = i == len(wnids) - 1
            data = self._class_tar(wnid, train[wnid], i == 0, last)
            members.append((f"{wnid}.tar", self._cut_class(wnid, train[wnid], data) if last else data))
        for trouble, (wnid, _) in zip(self.extra_classes, self.extra, strict=True):
            image = self._image(0)
            data = {
                "empty_class": tar_bytes([]),
                "empty_class_tar": b"",
                "broken_class_tar": self.random.bytes(3000),
                "compressed_class_tar": gzip.compress(tar_bytes([entry(f"{wnid}_1.JPEG", image)]), mtime=0),
            }[trouble]
            members.insert(1, (f"{wnid}.tar", data))
            if trouble != "empty_class":
                self._reject("train", f"{wnid}.tar", trouble)
        if "unknown_class" in self.troubles:
            images = [(f"n99999999_{n}.JPEG", self._image(0)) for n in (1, 2)]
            members.insert(1, ("n99999999.tar", tar_bytes([entry(*image) for image in images])))
            for name, _ in images:
                self._reject("train", f"n99999999/{name}", "unknown_class")
        if "not_a_tar" in self.troubles:
            members.insert(1, ("notes.txt", b"class tars of 2012\n"))
            self._reject("train", "notes.txt", "not_a_tar")
        if self.layout == "class tars":
            for name, data in members:
                self._write(name, data)
            return
        outer = self._cut_outer(train, wnids[-1], tar_bytes([entry(*member) for member in members]))
        if "compressed_train" in self.troubles:
            outer = gzip.compress(outer, mtime=0)
        self._write("ILSVRC2012_img_train.tar", outer)

    def _cut_class(self, wnid, images, data):
        """The last class tar, with the troubles of its end."""
        name = f"{wnid}/{images[-1][0]}"
        header, start, size = last_member(data)
        end = start + -(-size // BLOCK) * BLOCK
        if "bad_header" in self.troubles:
            self._cut(name, f"{wnid}.tar", "bad_header")
            return data[:header] + bytes([data[header] ^ 1]) + data[header + 1 :]
        if "cut_inner_data" in self.troubles:
            self._reject("train", name, "cut_inner_data")
            return data[: start + size // 2]
        if "cut_inner_header" in self.troubles:
            self._cut(name, f"{wnid}.tar", "cut_inner_header")
            return data[: header + 100]
        if "cut_inner_end" in self.troubles:
            self._reject("train", f"{wnid}.tar", "cut_inner_end")
            return data[:end]
        return data

    def _cut_outer(self, train, wnid, data):
        """The training tar, with the troubles of its end."""
        tar = "ILSVRC2012_img_train.tar"
        header, start, size = last_member(data)
        if "cut_outer_data" in self.troubles:
            _, inner_start, inner_size = last_member(data[start : start + size])
            self._reject("train", f"{wnid}/{train[wnid][-1][0]}", "cut_outer_data")
            self._reject("train", tar, "cut_outer_data")
            return data[: start + inner_start + inner_size // 2]
        if "cut_outer_header" in self.troubles:
            for name, _ in train[wnid]:
                del self.pictures["train"][f"{wnid}/{name}"]
            self._reject("train", tar, "cut_outer_header")
            return data[: header + 100]
        if "cut_outer_end" in self.troubles:
            self._reject("train", tar, "cut_outer_end")
            return data[: start + -(-size // BLOCK) * BLOCK]
        return data

    def _cut(self, image, tar, trouble):
        """The last image is not known any more, and the tar is rejected in its stead."""
        del self.pictures["train"][image]
        self._reject("train", tar, trouble)

    def _val_tar(self, val):
        members = (
            [(f"val/{name}", data) for name, data in val] if "val_subfolder" in self.troubles else list(val)
        )
        for trouble, name in (("val_odd_name", "holiday.JPEG"), ("val_beyond", VAL_NAME.format(50001))):
            if trouble in self.troubles:
                members.insert(1, (name, self._image(0)))
                self._reject("test", name, trouble)
        data = tar_bytes([entry(*member) for member in members])
        if "cut_val" in self.troubles:
            _, start, size = last_member(data)
            data = data[: start + size // 2]
            self._reject("test", Path(members[-1][0]).name, "cut_val")
        self._write("ILSVRC2012_img_val.tar", data)

    def _val_folder(self, val):
        for name, data in val:
            label = self.truth[int(name[-13:-5]) - 1] - 1
            within = name if self.layout == "flat val" else f"{self.full[label][0]}/{name}"
            self._write(f"val/{within}", data)

    def _folders(self, train, root):
        for wnid, images in train.items():
            for name, data in images:
                self._write(root / wnid / name, data)
        for trouble, (wnid, _) in zip(self.extra_classes, self.extra, strict=True):
            if trouble == "empty_class":
                (root / wnid).mkdir(parents=True, exist_ok=True)
        first = next(iter(train))
        for trouble, name in (("readme", "README.txt"), ("ds_store", ".DS_Store")):
            if trouble in self.troubles:
                self._write(root / first / name, b"not an image")
                self._reject("train", f"{first}/{name}", trouble)

    def _devkit(self):
        truth = list(self.truth)
        if "truth_short" in self.troubles:
            truth = truth[:-1]
            self._reject("test", VAL_NAME.format(len(self.truth)), "truth_short")
        if "truth_long" in self.troubles:
            truth.append(1)
        lines = "".join(f"{number}\n" for number in truth)
        if "truth_not_numbers" in self.troubles:
            lines = lines.replace("\n", "\nkit fox\n", 1)
        top = "ILSVRC2012_devkit_t12"
        files = {
            "readme.txt": b"Development kit\n",
            "data/ILSVRC2012_validation_ground_truth.txt": lines.encode(),
            "data/meta.mat": meta_mat(self.classes),
            "evaluation/eval_flat.m": b"% evaluation\n",
        }
        if "devkit_without_meta" in self.troubles:
            del files["data/meta.mat"]
        if "devkit_without_truth" in self.troubles:
            del files["data/ILSVRC2012_validation_ground_truth.txt"]
        if "damaged_meta" in self.troubles:
            files["data/meta.mat"] = files["data/meta.mat"][:300]
        if self.devkit == "folder":
            for name, data in files.items():
                self._write(f"{top}/{name}", data)
            return
        entries = [entry(f"{top}/{name}", data) for name, data in files.items()]
        self._write(f"{top}.tar.gz", gzip.compress(tar_bytes(entries), mtime=0))

    def _write(self, name, data):
        path = self.src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
