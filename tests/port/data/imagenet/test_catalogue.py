"""The catalogue of a source: every layout, every label, every trouble by its name."""

import io
import json
import os
import tarfile

import numpy as np
import pytest

import imagenet_archive
from cuda_convnet.data.imagenet import folders
from cuda_convnet.data.imagenet.catalogue import Catalogue, Images, make_catalogue
from cuda_convnet.data.imagenet.images import ImageList
from cuda_convnet.data.imagenet.reader import Reader
from cuda_convnet.errors import DataError
from imagenet_archive import build, entry, tar_bytes

SPLITS = ("train", "test", "unlabelled")
SMALL = ((40, 30), (33, 51))
LAYOUTS = ("tars", "class tars", "folders", "flat val", "own")


def labels(catalogue, split):
    images = catalogue.splits.get(split)
    if images is None:
        return {}
    return {name.decode(): int(label) for name, label in zip(images.names, images.labels, strict=True)}


def rejected(catalogue, split):
    return sorted(rejection.name for rejection in catalogue.rejections if rejection.split == split)


def contents(catalogue, split):
    images = catalogue.splits.get(split)
    reader = Reader(catalogue.containers)
    if images is None:
        return {}
    return {name.decode(): reader.read(images, i) for i, name in enumerate(images.names)}


def assert_is(catalogue, archive):
    """The catalogue holds what was built: classes, labels, bytes and rejections."""
    assert catalogue.class_ids == archive.wnids
    assert catalogue.class_names == archive.words
    for split in SPLITS:
        assert labels(catalogue, split) == archive.catalogued(split)
        assert contents(catalogue, split) == archive.data(split)
        expected = sorted(name.removesuffix(" (again)") for name in archive.rejected(split))
        assert rejected(catalogue, split) == expected
    assert all(rejection.reason and rejection.source for rejection in catalogue.rejections)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_its_images_with_their_labels(tmp_path, layout):
    archive = build(tmp_path, classes=4, images=5, val=9, test=3, sizes=SMALL, layout=layout)
    assert_is(make_catalogue(archive.src), archive)


def test_the_same_images_have_the_same_digest_packed_and_unpacked(tmp_path):
    digests = {
        make_catalogue(build(tmp_path / layout, sizes=SMALL, test=2, layout=layout).src).digest
        for layout in LAYOUTS
        if layout != "own"
    }
    assert len(digests) == 1
    other = make_catalogue(build(tmp_path / "other", sizes=SMALL, test=2, seed=1).src)
    assert other.digest not in digests


def test_the_archive_has_the_shape_of_2012(tmp_path):
    archive = build(tmp_path, sizes=SMALL)
    with tarfile.open(tmp_path / "ILSVRC2012_img_train.tar") as tar:
        names = tar.getnames()
        assert names == [f"{wnid}.tar" for wnid in archive.wnids]
        with tarfile.open(fileobj=tar.extractfile(names[0])) as inner:
            assert all(name.startswith(f"{archive.wnids[0]}_") for name in inner.getnames())
    assert archive.wnids != tuple(sorted(archive.wnids))


@pytest.mark.parametrize(
    "trouble", sorted(set(imagenet_archive.TROUBLES) - {*imagenet_archive.FATAL_TROUBLES})
)
def test_a_trouble_is_handled_or_rejected_by_name(tmp_path, trouble):
    archive = build(tmp_path, sizes=SMALL, troubles=(trouble,))
    assert_is(make_catalogue(tmp_path), archive)


def test_all_troubles_of_members_together_are_told_apart(tmp_path):
    troubles = (*imagenet_archive.MEMBER_TROUBLES, "zero_bytes", "unknown_class", "empty_class", "not_a_tar")
    archive = build(tmp_path, sizes=SMALL, troubles=troubles)
    catalogue = make_catalogue(tmp_path)
    assert_is(catalogue, archive)
    reasons = {r.name.rsplit("/", 1)[-1]: r.reason for r in catalogue.rejections}
    wnid = archive.wnids[0]
    assert reasons[f"{wnid}_zero_bytes.JPEG"] == "zero bytes"
    assert reasons[f"{wnid}_symlink.JPEG"] == "a symbolic link, not an image"
    assert reasons[f"{wnid}_device.JPEG"] == "a device, not an image"
    assert reasons["climbing_path.JPEG"] == "its path leads out of the archive"
    assert reasons[f"{wnid}_duplicate.JPEG"] == "a name twice: the first is used"
    assert reasons["README.txt"] == "its name is not that of an image"
    assert reasons[".DS_Store"] == "a hidden file"
    assert reasons["n99999999_1.JPEG"] == "the development kit does not know the class n99999999"


def count_members(path):
    """How many members a training tar has that are no folders, class tars counted by theirs."""
    count = 0
    with tarfile.open(path) as tar:
        for member in tar:
            if not member.name.endswith(".tar"):
                count += 1
                continue
            with tarfile.open(fileobj=io.BytesIO(tar.extractfile(member).read())) as inner:
                count += sum(not inside.isdir() for inside in inner)
    return count


def test_images_and_rejections_are_all_the_members_there_are(tmp_path):
    troubles = (
        *imagenet_archive.IMAGE_TROUBLES,
        *imagenet_archive.MEMBER_TROUBLES,
        "unknown_class",
        "not_a_tar",
    )
    build(tmp_path, classes=5, sizes=SMALL, troubles=troubles)
    catalogue = make_catalogue(tmp_path)
    accounted = len(catalogue.splits["train"]) + len(rejected(catalogue, "train"))
    assert accounted == count_members(tmp_path / "ILSVRC2012_img_train.tar")


@pytest.mark.parametrize(
    ("trouble", "where", "words"),
    [
        ("cut_inner_data", "n02110185/n02110185", "what followed in n02110185.tar is not known"),
        ("cut_inner_header", "n02110185.tar", "what followed in it is not known"),
        ("cut_inner_end", "n02110185.tar", "what followed in it is not known"),
        ("bad_header", "n02110185.tar", "damaged at byte"),
        ("cut_outer_data", "ILSVRC2012_img_train.tar", "cut off within n02110185.tar"),
        ("cut_outer_header", "ILSVRC2012_img_train.tar", "what followed in it is not known"),
        ("cut_outer_end", "ILSVRC2012_img_train.tar", "what followed in it is not known"),
        ("cut_val", "ILSVRC2012_val_00000006.JPEG", "what followed in ILSVRC2012_img_val.tar is not known"),
        ("broken_class_tar", "n01440764.tar", "not a tar"),
        ("compressed_class_tar", "n01440764.tar", "compressed with gzip"),
        ("empty_class_tar", "n01440764.tar", "zero bytes"),
    ],
)
def test_a_broken_tar_says_what_cannot_be_known(tmp_path, trouble, where, words):
    build(tmp_path, sizes=SMALL, troubles=(trouble,))
    assert any(
        rejection.name.startswith(where) and words in rejection.reason
        for rejection in make_catalogue(tmp_path).rejections
    )


def test_a_compressed_training_tar_is_to_be_unpacked_first(tmp_path):
    build(tmp_path, sizes=SMALL, troubles=("compressed_train",))
    with pytest.raises(
        DataError, match=r"img_train\.tar is compressed with gzip: unpack it to a plain \.tar"
    ):
        make_catalogue(tmp_path)
    (tmp_path / "ILSVRC2012_img_train.tar").rename(tmp_path / "ILSVRC2012_img_train.tar.gz")
    with pytest.raises(DataError, match=r"img_train\.tar\.gz is compressed: unpack it to a plain \.tar"):
        make_catalogue(tmp_path)


@pytest.mark.parametrize("data", [b"", b"no tar at all", bytes(range(256)) * 40])
def test_an_archive_that_is_no_tar_stops_the_work(tmp_path, data):
    build(tmp_path, sizes=SMALL)
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(data)
    with pytest.raises(DataError, match=r"ILSVRC2012_img_val\.tar: .*; get it again"):
        make_catalogue(tmp_path)


def test_labels_of_validation_images_go_by_the_number_in_the_name(tmp_path):
    archive = build(tmp_path, sizes=SMALL, val=9, troubles=("val_missing", "val_subfolder"))
    found = labels(make_catalogue(tmp_path), "test")
    assert found == archive.fine("test")
    assert len(found) == 8


def test_a_ground_truth_with_a_line_too_many_is_noted(tmp_path):
    build(tmp_path, sizes=SMALL, troubles=("truth_long",))
    assert (
        "the last validation image is number 6, and the development kit has labels for 7"
        in make_catalogue(tmp_path).notes
    )


def test_validation_images_without_a_development_kit_say_where_labels_are(tmp_path):
    build(tmp_path, sizes=SMALL, devkit=None)
    with pytest.raises(DataError, match=r"put ILSVRC2012_devkit_t12\.tar\.gz into "):
        make_catalogue(tmp_path)


def test_without_a_development_kit_labels_are_in_the_order_of_names_and_a_note_says_so(tmp_path):
    archive = build(tmp_path, sizes=SMALL, layout="folders", devkit=None)
    catalogue = make_catalogue(tmp_path)
    assert_is(catalogue, archive)
    assert catalogue.class_ids == tuple(sorted(catalogue.class_ids))
    assert any("not in that of 2012" in note for note in catalogue.notes)


def test_training_images_without_validation_images_say_what_is_missing(tmp_path):
    build(tmp_path, sizes=SMALL)
    (tmp_path / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(DataError, match=r"has no validation images.* put ILSVRC2012_img_val\.tar"):
        make_catalogue(tmp_path)


def test_validation_images_without_training_images_say_what_is_missing(tmp_path):
    build(tmp_path, sizes=SMALL)
    (tmp_path / "ILSVRC2012_img_train.tar").unlink()
    with pytest.raises(DataError, match="has no training images"):
        make_catalogue(tmp_path)


class TestClasses:
    def chosen(self, tmp_path, option):
        self.archive = build(tmp_path / "src", classes=5, images=2, val=10, sizes=SMALL)
        return make_catalogue(tmp_path / "src", option)

    def assert_is_the_part(self, catalogue, wnids):
        """The classes are `wnids`, and the images theirs, with labels by place."""
        assert catalogue.class_ids == wnids
        places = {self.archive.wnids.index(wnid): place for place, wnid in enumerate(wnids)}
        for split in ("train", "test"):
            expected = {
                name: places[label] for name, label in self.archive.fine(split).items() if label in places
            }
            assert labels(catalogue, split) == expected
        left = len(self.archive.fine("test")) - len(catalogue.splits["test"])
        assert catalogue.description["left_out"] == left
        assert catalogue.rejections == ()

    def test_names_are_taken_in_the_order_of_labels(self, tmp_path):
        catalogue = self.chosen(tmp_path, "n02096294,n02100735")
        self.assert_is_the_part(catalogue, ("n02100735", "n02096294"))

    def test_a_number_takes_the_first(self, tmp_path):
        self.assert_is_the_part(self.chosen(tmp_path, "3"), ("n02119789", "n02100735", "n02110185"))

    def test_a_file_names_one_in_each_line(self, tmp_path):
        (tmp_path / "some.txt").write_text("n01440764\n\n  n02119789\n")
        catalogue = self.chosen(tmp_path, f"@{tmp_path / 'some.txt'}")
        self.assert_is_the_part(catalogue, ("n02119789", "n01440764"))

    def test_a_file_may_begin_with_a_byte_order_mark(self, tmp_path):
        (tmp_path / "some.txt").write_text("n01440764\r\n", encoding="utf-8-sig", newline="")
        self.assert_is_the_part(self.chosen(tmp_path, f"@{tmp_path / 'some.txt'}"), ("n01440764",))

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("n01440764,n00000000", "--classes: 'n00000000' is not a class of this dataset"),
            ("n01440764,n01440764", "--classes: 'n01440764' is named twice"),
            ("0", "--classes 0: there are 5 classes"),
            ("6", "--classes 6: there are 5 classes"),
            (" , ", "--classes names no class"),
            ("", "--classes names no class"),
            ("@/no/such/file", "--classes: /no/such/file cannot be read"),
            ("n01440764\nn02119789", "--classes: 'n01440764\\x0an02119789' is not a class"),
            ("²", "--classes: '²' is not a class"),
        ],
    )
    def test_a_mistake_is_named(self, tmp_path, option, message):
        with pytest.raises(DataError) as error:
            self.chosen(tmp_path, option)
        assert str(error.value).startswith(message)
        assert "\n" not in str(error.value)

    def test_a_class_without_training_images_is_not_there(self, tmp_path):
        build(tmp_path, classes=3, sizes=SMALL, layout="folders")
        for path in (tmp_path / "train/n02100735").iterdir():
            path.unlink()
        (tmp_path / "train/n02100735").rmdir()
        with pytest.raises(DataError, match="'n02100735' has no training images here"):
            make_catalogue(tmp_path, "n02100735")
        catalogue = make_catalogue(tmp_path)
        assert catalogue.class_ids == ("n02119789", "n02110185")
        assert any(
            note.startswith("1 of the 3 classes of the development kit") and note.endswith(": n02100735")
            for note in catalogue.notes
        )
        assert len(catalogue.splits["test"]) + catalogue.description["left_out"] == 6


class TestFolders:
    def test_one_image_in_ten_of_each_class_is_held_out(self, tmp_path):
        archive = build(tmp_path, classes=3, images=[23, 10, 1], sizes=SMALL, layout="own")
        catalogue = make_catalogue(tmp_path)
        assert_is(catalogue, archive)
        held_out = np.bincount(catalogue.splits["test"].labels, minlength=3)
        assert sorted(held_out) == [0, 1, 3]
        assert catalogue.description["hold_out"] == "one in 10 of each class"
        assert any("held out" in note for note in catalogue.notes)

    def test_folders_of_a_class_are_searched_to_the_bottom(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="own")
        image = next((tmp_path / "n02119789").iterdir())
        deep = tmp_path / "n02119789/a/b c/é.jpg"
        deep.parent.mkdir(parents=True)
        deep.write_bytes(image.read_bytes())
        catalogue = make_catalogue(tmp_path)
        found = {**contents(catalogue, "train"), **contents(catalogue, "test")}
        assert found["n02119789/a/b c/é.jpg"] == image.read_bytes()

    def test_what_is_no_image_is_rejected_by_name(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="own", troubles=("readme", "ds_store", "zero_bytes"))
        folder = tmp_path / "n02100735"
        (tmp_path / "stray.jpg").write_bytes(b"x")
        (tmp_path / ".git").mkdir()
        (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
        (folder / "linked").symlink_to(tmp_path / "n02119789")
        os.mkfifo(folder / "pipe.jpg")
        (folder / ("l" * 250 + ".jpg")).write_bytes(b"x")
        reasons = {r.name: r.reason for r in make_catalogue(tmp_path).rejections}
        assert reasons == {
            "n02119789/README.txt": "its name is not that of an image",
            "n02119789/.DS_Store": "a hidden file",
            "n02119789/n02119789_zero_bytes.JPEG": "zero bytes",
            "stray.jpg": "in no class's folder",
            ".git": "a hidden folder",
            "n02100735/gone.jpg": "a link to nothing",
            "n02100735/linked": "a link to a folder",
            "n02100735/pipe.jpg": "not a file",
            f"n02100735/{'l' * 250}.jpg": "its name has more than 255 bytes",
        }

    def test_a_link_to_an_image_is_an_image(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="own")
        target = next((tmp_path / "n02119789").iterdir())
        (tmp_path / "n02100735/zz.jpg").symlink_to(target)
        assert contents(make_catalogue(tmp_path), "train")["n02100735/zz.jpg"] == target.read_bytes()

    def test_a_name_that_is_not_utf8_or_not_one_line_is_rejected(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="own")
        folder = os.fsencode(tmp_path / "n02100735")
        for name in (b"caf\xe9.jpg", b"two\nlines.jpg"):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"x")
        assert rejected(make_catalogue(tmp_path), "train") == [
            "n02100735/caf\\xe9.jpg",
            "n02100735/two\\x0alines.jpg",
        ]

    def test_a_file_that_cannot_be_read_is_rejected_by_name(self, tmp_path, monkeypatch):
        build(tmp_path, sizes=SMALL, layout="own")
        locked = str(tmp_path / "n02100735/n02100735_30.JPEG")
        monkeypatch.setattr(folders.os, "access", lambda path, mode: path != locked)
        rejection = make_catalogue(tmp_path).rejections[0]
        assert (rejection.name, rejection.reason) == (
            "n02100735/n02100735_30.JPEG",
            "cannot be read (Permission denied)",
        )

    def test_a_folder_that_cannot_be_read_is_rejected_by_name(self, tmp_path, monkeypatch):
        build(tmp_path, sizes=SMALL, layout="own")
        locked, scandir = tmp_path / "n02100735", os.scandir

        def refuse(path):
            if path == locked:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(folders.os, "scandir", refuse)
        rejection = make_catalogue(tmp_path).rejections[0]
        assert (rejection.name, rejection.reason) == ("n02100735", "cannot be read (Permission denied)")

    def test_links_that_lead_in_circles_are_rejected_by_name(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="folders")
        for name in ("train/circle", "train/n02100735/circle.jpg", "val/circle"):
            (tmp_path / name).symlink_to(tmp_path / name)
        (tmp_path / "train/n02100735/up").symlink_to("..")
        found = {(r.split, r.name, r.reason) for r in make_catalogue(tmp_path).rejections}
        assert found == {
            ("train", "circle", "a link to nothing"),
            ("train", "n02100735/circle.jpg", "a link to nothing"),
            ("train", "n02100735/up", "a link to a folder"),
            ("test", "circle", "a link to nothing"),
        }

    def test_folders_too_deep_for_a_name_are_rejected(self, tmp_path, monkeypatch):
        build(tmp_path, sizes=SMALL, layout="own")
        monkeypatch.chdir(tmp_path / "n02100735")
        for _ in range(140):
            os.mkdir("d")
            os.chdir("d")
        (rejection,) = make_catalogue(tmp_path).rejections
        assert rejection.name == "n02100735" + "/d" * 128
        assert rejection.reason == "names in this folder have more than 255 bytes"

    @pytest.mark.parametrize("found", ["train", "ILSVRC2012_img_train.tar"])
    def test_a_folder_further_down_that_holds_the_training_set_is_named(self, tmp_path, found):
        below = tmp_path / "ILSVRC/Data/CLS-LOC"
        build(below, sizes=SMALL, layout="folders" if found == "train" else "tars")
        (tmp_path / "ILSVRC/Annotations").mkdir()
        for src in (tmp_path, tmp_path / "ILSVRC", tmp_path / "ILSVRC/Data"):
            with pytest.raises(DataError) as error:
                make_catalogue(src)
            assert str(error.value) == f"{src} has no folders of classes, and {below} has: give that"

    def test_a_class_without_images_stays_a_class_and_is_noted(self, tmp_path):
        archive = build(tmp_path, sizes=SMALL, layout="folders", troubles=("empty_class",))
        catalogue = make_catalogue(tmp_path)
        assert_is(catalogue, archive)
        assert "1 class is without training images: n01440764" in catalogue.notes

    def test_a_validation_image_of_an_unknown_class_is_rejected_by_name(self, tmp_path):
        build(tmp_path, sizes=SMALL, layout="folders", devkit=None)
        (tmp_path / "val/cat").mkdir()
        (tmp_path / "val/cat/1.jpg").write_bytes(b"x")
        (rejection,) = make_catalogue(tmp_path).rejections
        assert (rejection.split, rejection.name) == ("test", "cat/1.jpg")
        assert rejection.reason == "the class cat has no training images"

    def test_class_tars_may_be_unpacked_in_part(self, tmp_path):
        archive = build(tmp_path, sizes=SMALL, layout="class tars")
        for name in ("n02100735", "n02110185"):
            with tarfile.open(tmp_path / f"{name}.tar") as tar:
                tar.extractall(tmp_path / name, filter="data")
        (tmp_path / "n02100735.tar").unlink()
        catalogue = make_catalogue(tmp_path)
        assert_is(catalogue, archive)
        assert "of what is there as a tar and as a folder, the tar is used: n02110185" in catalogue.notes


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"x")])
def test_a_source_that_is_none_is_named(tmp_path, make):
    src = tmp_path / "src"
    make(src)
    with pytest.raises(DataError) as error:
        make_catalogue(src)
    assert str(error.value).startswith(str(src))
    assert "ILSVRC2012_img_train.tar" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hidden_file_among_class_tars_is_no_class(tmp_path):
    archive = build(tmp_path, sizes=SMALL, devkit=None, layout="folders")
    tars = [
        entry(f"./{hidden}{wnid}.tar", tar_bytes([entry(p.name, p.read_bytes()) for p in folder.iterdir()]))
        for wnid in archive.wnids
        for hidden in ("", "._")
        for folder in [tmp_path / "train" / wnid]
    ]
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(tar_bytes(tars))
    catalogue = make_catalogue(tmp_path)
    assert catalogue.class_ids == archive.wnids
    assert rejected(catalogue, "train") == [f"./._{wnid}.tar" for wnid in sorted(archive.wnids)]
    assert {rejection.reason for rejection in catalogue.rejections} == {"a hidden file"}


def test_what_is_not_used_is_noted(tmp_path):
    build(tmp_path, sizes=SMALL)
    (tmp_path / "ILSVRC2012_bbox_train_v2.tar.gz").write_bytes(b"x")
    assert "not used: ILSVRC2012_bbox_train_v2.tar.gz" in make_catalogue(tmp_path).notes


def test_two_test_sets_are_one_too_many(tmp_path):
    build(tmp_path, sizes=SMALL, test=1)
    (tmp_path / "ILSVRC2012_img_test_v10102019.tar").write_bytes(tar_bytes([]))
    with pytest.raises(DataError, match="both test sets"):
        make_catalogue(tmp_path)


@pytest.mark.parametrize("layout", ["tars", "folders"])
def test_progress_goes_up_to_its_total(tmp_path, layout):
    build(tmp_path, sizes=SMALL, test=2, layout=layout)
    seen = []
    make_catalogue(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert len({total for _, total in seen}) == 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


class TestSaved:
    @pytest.fixture
    def saved(self, tmp_path):
        build(tmp_path / "src", sizes=SMALL, test=1, troubles=("zero_bytes", "symlink"))
        catalogue = make_catalogue(tmp_path / "src")
        catalogue.save(tmp_path / "catalogue.h5")
        return catalogue, tmp_path / "catalogue.h5"

    def test_it_comes_back_as_it_was(self, saved):
        catalogue, path = saved
        loaded = Catalogue.load(path)
        for name in ("containers", "class_ids", "class_names", "rejections", "notes", "digest", "watched"):
            assert getattr(loaded, name) == getattr(catalogue, name)
        assert loaded.description == json.loads(json.dumps(catalogue.description))
        for split in SPLITS:
            assert contents(loaded, split) == contents(catalogue, split)
            assert labels(loaded, split) == labels(catalogue, split)
            assert loaded.splits[split].labels.dtype == np.int32

    def test_there_is_none(self, tmp_path):
        assert Catalogue.load(tmp_path / "none.h5") is None

    def test_a_damaged_one_is_none(self, saved):
        catalogue, path = saved
        data = path.read_bytes()
        lost = 0
        for at in range(100, len(data), len(data) // 40):
            path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
            loaded = Catalogue.load(path)
            lost += loaded is None
            assert loaded is None or contents(loaded, "train") == contents(catalogue, "train")
        assert lost > 0
        path.write_bytes(data[:-1])
        assert Catalogue.load(path) is None

    @pytest.mark.parametrize(
        "name",
        [
            "ILSVRC2012_img_train.tar",
            "ILSVRC2012_img_val.tar",
            "ILSVRC2012_img_test.tar",
            "ILSVRC2012_devkit_t12.tar.gz",
        ],
    )
    def test_a_changed_archive_is_noticed(self, saved, name):
        _, path = saved
        archive = path.parent / "src" / name
        status = archive.stat()
        os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert Catalogue.load(path) is None
        os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert Catalogue.load(path) is not None
        archive.unlink()
        assert Catalogue.load(path) is None

    @pytest.mark.parametrize("name", ["n02100735.tar", "ILSVRC2012_devkit_t12/data/meta.mat"])
    def test_a_change_is_noticed_in_parts(self, tmp_path, name):
        build(tmp_path / "src", sizes=SMALL, layout="class tars", devkit="folder")
        path = tmp_path / "catalogue.h5"
        make_catalogue(tmp_path / "src").save(path)
        assert Catalogue.load(path) is not None
        with open(tmp_path / "src" / name, "r+b") as file:
            file.write(b"changed")
        assert Catalogue.load(path) is None

    def test_a_file_more_is_noticed_in_folders(self, tmp_path):
        build(tmp_path / "src", sizes=SMALL, layout="folders")
        path = tmp_path / "catalogue.h5"
        make_catalogue(tmp_path / "src").save(path)
        assert Catalogue.load(path) is not None
        (tmp_path / "src/train/n02100735/new.jpg").write_bytes(b"x")
        assert Catalogue.load(path) is None

    def test_an_archive_more_is_noticed(self, tmp_path):
        build(tmp_path / "src", sizes=SMALL)
        path = tmp_path / "catalogue.h5"
        make_catalogue(tmp_path / "src").save(path)
        (tmp_path / "src/ILSVRC2012_img_test.tar").write_bytes(tar_bytes([entry("1.JPEG", b"x")]))
        assert Catalogue.load(path) is None


def test_images_are_taken_by_place():
    found = ImageList()
    for place, name in enumerate(("b.jpg", "a.jpg", "ü.jpg")):
        found.add(name, place, 0, 512 * place, 7)
    images = found.images()
    assert isinstance(images, Images)
    assert images.names.tolist() == [b"a.jpg", b"b.jpg", "ü.jpg".encode()]
    assert images.labels.tolist() == [1, 0, 2]
    taken = images.take(np.array([2, 0]))
    assert (taken.names.tolist(), taken.offsets.tolist()) == (["ü.jpg".encode(), b"a.jpg"], [1024, 512])
    assert len(images.take([])) == 0
