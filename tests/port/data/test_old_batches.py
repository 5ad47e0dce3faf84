"""Batches of cuda-convnet, 2012 and cuda-convnet2 become batch folders; what is damaged is named."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from cifar_archive import array, integer, pickle2, sequence, string
from cuda_convnet.data.batches import verify
from cuda_convnet.data.jpeg import decode_jpegs
from cuda_convnet.data.old_batches import import_old_batches, survey
from cuda_convnet.errors import DataError
from old_folders import (
    CIFAR_CLASSES,
    CLASSES,
    WNIDS,
    cifar_folder,
    convnet2_folder,
    folder_2012,
    jpeg,
    matrix_batch,
    meta,
    pair,
    pixels,
    strings_batch,
    triple,
    triple_batch,
    write_folder,
)


@pytest.fixture
def imported(tmp_path):
    """Imports a folder into `tmp_path / "out"`."""

    def run(source, **ranges):
        result = import_old_batches(survey(source, **ranges), tmp_path / "out")
        assert not list(verify(result.folder.path))
        return result

    return run


@pytest.fixture
def refused(tmp_path):
    """Imports a folder, and gives the one line that refuses it; the source and nothing half-made is left."""

    def run(source, **ranges):
        before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
        with pytest.raises(DataError) as error:
            import_old_batches(survey(source, **ranges), tmp_path / "out")
        message = str(error.value)
        assert "\n" not in message
        assert message.startswith(str(source))
        assert not (tmp_path / "out" / "meta.h5").exists()
        assert {path: path.read_bytes() for path in before} == before
        return message

    return run


def test_cuda_convnets_batches_lie_in_columns(imported, tmp_path):
    result = imported(cifar_folder(tmp_path / "old"))
    folder = result.folder
    assert folder.meta.counts == {"train": (8,) * 5, "test": (8,)}
    assert folder.meta.class_names == tuple(CIFAR_CLASSES)
    assert folder.meta.encoding == "raw"
    for number, file in enumerate((*folder.train, *folder.test), 1):
        batch = file.read()
        np.testing.assert_array_equal(batch.images, pixels(number, 8, (3, 32, 32)))
        assert batch.labels.tolist() == [(number + i) % 10 for i in range(8)]
        assert batch.names[3] == f"data_batch_{number}/3"
    assert any("for testing: batch 6, as of CIFAR-10" in note for note in result.notes)


def test_cifars_own_batches_lie_in_rows_and_name_their_images(imported, tmp_path):
    images = pixels(1, 4, (3, 32, 32))
    names = sequence(string(name) for name in ("a.png", "caf\u00e9.png".encode(), "../x", ""))
    batch = matrix_batch(images, [0, 1, 2, 3], columns=False, filenames=names)
    source = write_folder(
        tmp_path / "old",
        {"batches.meta": meta(CIFAR_CLASSES, 3072), "data_batch_1": batch, "test_batch": batch},
    )
    folder = imported(source).folder
    for file in (*folder.train, *folder.test):
        np.testing.assert_array_equal(file.read().images, images)
        assert file.read().names == ("a.png", "café.png", "../x", "")


@pytest.mark.parametrize("in_columns", [True, False])
def test_a_batch_of_as_many_images_as_values_is_read_by_the_folders_kind(imported, tmp_path, in_columns):
    """Here alone the shape does not tell; a mean is in cuda-convnet's folders only."""
    images = pixels(1, 12, (3, 2, 2))
    mean = {"data_mean": array(np.full((12, 1), 127, np.float32))} if in_columns else {}
    batch = matrix_batch(images, [0] * 12, columns=in_columns)
    files = {"batches.meta": meta(["a"], 12, **mean), "data_batch_1": batch, "data_batch_2": batch}
    folder = imported(write_folder(tmp_path / "old", files), test_range=range(2, 3)).folder
    np.testing.assert_array_equal(folder.train[0].read().images, images)


def test_the_mean_of_the_old_folder_is_compared_and_ours_is_stored(imported, tmp_path):
    result = imported(cifar_folder(tmp_path / "old"))
    images = np.concatenate([pixels(n, 8, (3, 32, 32)) for n in range(1, 6)])
    np.testing.assert_allclose(result.folder.meta.statistics.mean_image, images.mean(0), rtol=1e-6)
    assert "the mean of batches.meta differs by up to " in result.notes[-1]
    assert float(result.notes[-1].split()[8]) < 1e-4


@pytest.mark.parametrize(
    "labels",
    [
        array(np.array([3, 1, 2, 0], np.int64)),
        array(np.array([[3, 1, 2, 0]], np.float32)),
        array(np.array([[3], [1], [2], [0]], np.int32)),
        sequence([b"F3.0\n", integer(1), b"L2L\n", integer(0)]),
    ],
)
def test_labels_may_be_whole_numbers_of_any_type(imported, tmp_path, labels):
    batch = pickle2(data=array(np.zeros((12, 4), np.uint8)), labels=labels)
    files = {"batches.meta": meta(CLASSES, 12), "data_batch_1": batch, "data_batch_2": batch}
    folder = imported(write_folder(tmp_path / "old", files), test_range=range(2, 3)).folder
    assert folder.train[0].read().labels.tolist() == [3, 1, 2, 0]


def test_pixels_in_floating_point_are_taken_if_they_are_whole(imported, tmp_path):
    values = np.arange(48).reshape(12, 4)
    batch = pickle2(data=array(values.astype(np.float32)), labels=sequence([integer(0)] * 4))
    files = {"batches.meta": meta(["a"], 12), "data_batch_1": batch, "data_batch_2": batch}
    folder = imported(write_folder(tmp_path / "old", files), test_range=range(2, 3)).folder
    np.testing.assert_array_equal(folder.train[0].read().images.reshape(4, 12).T, values)


def test_cuda_convnet2s_jpegs_are_stored_as_they_are(imported, tmp_path):
    result = imported(convnet2_folder(tmp_path / "old"))
    folder = result.folder
    assert folder.meta.counts == {"train": (7, 7, 7), "test": (7, 7)}
    assert folder.meta.encoding == "jpeg"
    for number, file in zip((0, 1, 2, 1000, 1001), (*folder.train, *folder.test), strict=True):
        contents = file.read_jpegs()
        assert contents.jpegs() == [jpeg(10_000 * number + i) for i in (0, 1, 2, 3, 10, 11, 12)]
        assert contents.labels.tolist() == [(number + i) % 4 for i in (0, 1, 2, 3, 1, 2, 3)]
        assert contents.names[5] == f"data_batch_{number}/5"
    assert folder.meta.recipe["batches"] == {"train": "0-2", "test": "1000-1001"}
    assert any("for testing: from batch 1000 on, where the numbers jump" in note for note in result.notes)


def test_2012s_pairs_give_labels_and_wnids_and_the_contests_test_images_have_none(imported, tmp_path):
    result = imported(folder_2012(tmp_path / "old"))
    folder = result.folder
    assert folder.meta.counts == {"train": (5, 5), "test": (5,), "unlabelled": (3,)}
    assert folder.meta.class_ids == tuple(WNIDS)
    assert folder.meta.class_names == tuple(CLASSES)
    assert folder.train[1].read().labels.tolist() == [(2 + i) % 4 for i in range(5)]
    assert folder.unlabelled[0].read().labels.tolist() == [-1, -1, -1]
    assert folder.meta.recipe["batches"] == {"train": "1-2", "test": "2000", "unlabelled": "3000"}
    assert any("batches without labels (3000) became" in note for note in result.notes)


def test_labels_and_wnids_may_be_lists_of_their_own(imported, tmp_path):
    """As the folder that fix-big-imgnet.py wrote for 2010's contest."""
    batch = triple(
        sequence(string(jpeg(i)) for i in range(4)),
        sequence(map(integer, [3, 2, 1, 0])),
        sequence(string(WNIDS[label]) for label in (3, 2, 1, 0)),
    )
    files = {"batches.meta": meta(CLASSES, 3072), "data_batch_1": batch, "data_batch_2000": batch}
    folder = imported(write_folder(tmp_path / "old", files)).folder
    assert folder.train[0].read().labels.tolist() == [3, 2, 1, 0]
    assert folder.meta.class_ids == tuple(WNIDS)


def test_wnids_that_contradict_each_other_are_left_out(imported, tmp_path):
    other = triple_batch([jpeg(i) for i in range(4)], [1, 2, 3, 4], ids=WNIDS[::-1])
    assert imported(folder_2012(tmp_path / "old", data_batch_2=other)).folder.meta.class_ids == ()


def test_a_wnid_of_two_classes_is_no_id(imported, tmp_path):
    ids = [WNIDS[0], WNIDS[0], *WNIDS[2:]]
    batches = {
        f"data_batch_{number}": triple_batch([jpeg(i) for i in range(4)], [1, 2, 3, 4], ids=ids)
        for number in (1, 2, 2000)
    }
    assert imported(folder_2012(tmp_path / "old", **batches)).folder.meta.class_ids == ()


def test_images_with_borders_are_cut_to_their_centre_and_stored_as_pixels(imported, tmp_path):
    wide, tall, png = jpeg(1, 41, 32), jpeg(2, 32, 40), jpeg(3, kind="PNG")
    batch = strings_batch([wide, tall, png], [[0], [1], [2]])
    source = convnet2_folder(tmp_path / "old", **{"data_batch_1/data_batch_1.1": batch})
    result = imported(source)
    assert result.folder.meta.encoding == "raw"
    images = result.folder.train[1].read().images
    np.testing.assert_array_equal(images[4:5], decode_jpegs([wide], (3, 32, 41))[..., 4:36])
    np.testing.assert_array_equal(images[5:6], decode_jpegs([tall], (3, 40, 32))[:, :, 4:36])
    np.testing.assert_array_equal(images[0:1], decode_jpegs([jpeg(10_000)], (3, 32, 32)))
    noise = np.random.RandomState(3).randint(0, 256, (32, 32, 3))
    np.testing.assert_array_equal(images[6], noise.transpose(2, 0, 1))
    assert any("others were cut to their centre" in note for note in result.notes)


def test_2012s_no_crop_frames_small_images_with_the_mean(imported, tmp_path):
    small = jpeg(1, 32, 21)
    mean = array(np.full((3072, 1), 120.9, np.float32))
    files = {
        "batches.meta": meta(CLASSES, 3072, label_offset=integer(-1), no_crop=b"\x88", data_mean=mean),
        "data_batch_2": triple_batch([small, jpeg(2)], [1, 2]),
    }
    result = imported(folder_2012(tmp_path / "old", **files))
    image = result.folder.train[1].read().images[0]
    np.testing.assert_array_equal(image[:, 5:26], decode_jpegs([small], (3, 21, 32))[0])
    assert (image[:, :5] == 120).all()
    assert (image[:, 26:] == 120).all()


def test_files_packed_with_gzip_or_zip_are_read(imported, tmp_path):
    source = cifar_folder(tmp_path / "old")
    for number in (1, 2):
        path = source / f"data_batch_{number}"
        data = path.read_bytes()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("data", data)
        path.write_bytes(gzip.compress(data) if number == 1 else packed.getvalue())
    folder = imported(source).folder
    for number in (1, 2):
        np.testing.assert_array_equal(folder.train[number - 1].read().images, pixels(number, 8, (3, 32, 32)))


def test_parts_beside_each_other_are_one_batch(imported, tmp_path):
    source = cifar_folder(tmp_path / "old")
    (source / "data_batch_2").rename(source / "data_batch_1.2")
    (source / "data_batch_1").rename(source / "data_batch_1.1")
    result = imported(source, test_range=range(6, 7))
    assert result.folder.meta.counts["train"] == (16, 8, 8, 8)
    assert result.folder.train[0].read().names[12] == "data_batch_1/12"
    assert any("has no data_batch_2: the training batches are 1, 3-5" in note for note in result.notes)


def test_ranges_choose_the_batches(imported, tmp_path):
    result = imported(cifar_folder(tmp_path / "old"), train_range=range(2, 4), test_range=range(5, 7))
    assert result.folder.meta.recipe["batches"] == {"train": "2-3", "test": "5-6"}
    assert any("data_batch_1 and 1 more" in note and "left out" in note for note in result.notes)


def test_numbers_beyond_a_thousand_are_no_jump_by_themselves(refused, tmp_path):
    batch = matrix_batch(pixels(1, 2, (3, 2, 2)), [0, 0])
    files = {f"data_batch_{number}": batch for number in range(998, 1003)}
    source = write_folder(tmp_path / "old", {"batches.meta": meta(["a"], 12), **files})
    assert "nothing says which of the batches 998-1002 are for testing; say it with --test-range A-B" in (
        refused(source)
    )


@pytest.mark.parametrize(
    ("make", "options"),
    [(cifar_folder, (4, 1, True)), (convnet2_folder, (4, 1, True))],
)
def test_images_of_cifars_size_are_varied_one_by_one(imported, tmp_path, make, options):
    augmentation = imported(make(tmp_path / "old")).folder.meta.augmentation
    assert (augmentation.crop_border, augmentation.crop_chunk, augmentation.reflect) == options


@pytest.mark.parametrize(("labels", "chunk"), [(None, 32), ([[0], [1]], 1)])
def test_2012_cropped_32_images_alike_and_cuda_convnet2_each_by_itself(imported, tmp_path, labels, chunk):
    images = [jpeg(i, 64, 64) for i in range(2)]
    batch = strings_batch(images, labels) if labels else triple_batch(images, [0, 1], ids=WNIDS)
    files = {"batches.meta": meta(CLASSES, 3 * 64 * 64), "data_batch_1": batch, "data_batch_1000": batch}
    augmentation = imported(write_folder(tmp_path / "old", files)).folder.meta.augmentation
    assert (augmentation.crop_border, augmentation.crop_chunk, augmentation.reflect) == (4, chunk, True)


def test_a_second_run_keeps_what_is_finished(imported, tmp_path):
    source = convnet2_folder(tmp_path / "old")
    folder = imported(source).folder
    whole = {path: path.read_bytes() for path in folder.path.rglob("*.h5")}
    folder.train[1].path.unlink()
    (folder.path / "meta.h5").unlink()
    times = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.h5")}
    imported(source)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert {path: path.read_bytes() for path in whole} == whole


def test_another_source_into_the_same_folder_is_refused(imported, tmp_path):
    imported(convnet2_folder(tmp_path / "old"))
    with pytest.raises(DataError, match="out holds another dataset"):
        imported(cifar_folder(tmp_path / "other"))


def test_a_folder_is_not_imported_into_itself(tmp_path):
    source = convnet2_folder(tmp_path / "old")
    with pytest.raises(DataError, match="old is the folder of the old batches; give another one as --out"):
        import_old_batches(survey(source), tmp_path / "x" / ".." / "old")
    assert not (source / "train").exists()


def test_a_source_that_changes_under_way_is_named(tmp_path):
    source = convnet2_folder(tmp_path / "old")
    found = survey(source)
    path = source / "data_batch_1" / "data_batch_1.0"
    path.write_bytes(strings_batch([jpeg(0)] * 4, [[0]] * 4))
    with pytest.raises(DataError, match=r"data_batch_1\.0 has changed while it was being read"):
        import_old_batches(found, tmp_path / "out")


ONE = [jpeg(1)]
SURROGATE = b"X\x03\x00\x00\x00\xed\xa0\x80"


@pytest.mark.parametrize(
    "name", ["batches.meta", "data_batch_0/data_batch_0.1", "data_batch_1001/data_batch_1001.0"]
)
def test_a_pickle_that_calls_os_system_is_refused_by_name(refused, tmp_path, name):
    evil = b"cposix\nsystem\n(S'touch " + str(tmp_path / "touched").encode() + b"'\ntR."
    source = convnet2_folder(tmp_path / "old", **{name: evil})
    assert f"{source / name}: it asks for posix.system" in refused(source)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (strings_batch(ONE, [[0, 1]]), "entry 0 has 2 labels, and a batch folder has one"),
        (strings_batch(ONE * 2, [[0], []]), "entry 1 has no label, and it is for training"),
        (strings_batch(ONE, [[4]]), "entry 0 has the label 4, and batches.meta names classes 0 to 3"),
        (strings_batch(ONE, [[-1]]), "entry 0 has the label -1, and batches.meta names classes 0 to 3"),
        (strings_batch(ONE * 2, [[0]]), "does not have one label for each of its 2 images"),
        (strings_batch([b"\xff\xd8\xff"], [[0]]), "entry 0 is not a JPEG or PNG image"),
        (strings_batch([ONE[0], ONE[0][:300]], [[0], [0]]), "entry 1 is not a JPEG or PNG image"),
        (strings_batch([ONE[0], jpeg(1)[:-400] + b"\xff\xd9"], [[0], [0]]), "entry 1 is a damaged JPEG"),
        (strings_batch([jpeg(1, 31, 40)], [[0]]), "entry 0 has 31x40 pixels, and batches.meta says 32x32"),
        (strings_batch([jpeg(1, 32, 40)[:-400]], [[0]]), "entry 0 is damaged"),
        (strings_batch([jpeg(1, 64, 64)], [[0]]), "entry 0 has 64x64 pixels, and batches.meta says 32x32"),
        (strings_batch([jpeg(1, kind="GIF")], [[0]]), "entry 0 is not a JPEG or PNG image"),
        (strings_batch([b""], [[0]]), "entry 0 is not an encoded image"),
        (strings_batch([], []), "has no images"),
        (pickle2(data=sequence([integer(1)]), labels=sequence([integer(0)])), "entry 0 is not an encoded"),
        (pickle2(data=sequence([b"V\\u4e00\n"]), labels=sequence([integer(0)])), "entry 0 is a text, not"),
        (pickle2(data=string("x"), labels=sequence([])), "`data` is neither a matrix of pixels nor a list"),
        (pickle2(data=sequence([])), "has no `labels`; it is no batch"),
        (pickle2(labels=sequence([])), "has no `data`; it is no batch"),
        (pickle2(data=sequence([string(ONE[0])]), labels=sequence([string("1")])), "label of entry 0 is not"),
        (pickle2(data=sequence([string(ONE[0])]), labels=sequence([b"F0.5\n"])), "label of entry 0 is not"),
        (triple_batch(ONE, [1]), "is one of JPEG batches of 2012, and those before it are batches of"),
        (b"\x80\x02].", "holds neither a dictionary nor three lists"),
        (b"", "cannot be read as a pickle"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "it asks for memory for 2,147,483,647 objects"),
        (b"\x1f\x8b\x08garbage", "cannot be unpacked"),
        (b"PK\x03\x04garbage", "cannot be unpacked"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_batch_is_named(refused, tmp_path, batch, reason):
    source = convnet2_folder(tmp_path / "old", **{"data_batch_2/data_batch_2.1": batch})
    message = refused(source)
    assert message.startswith(str(source / "data_batch_2" / "data_batch_2.1"))
    assert reason in message


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (pickle2(data=array(np.zeros((3071, 8), np.uint8)), labels=sequence([])), "`data` is 3071 x 8, and"),
        (pickle2(data=array(np.zeros(3072, np.uint8)), labels=sequence([])), "`data` is 3072, and an image"),
        (matrix_batch(np.full((2, 3, 32, 32), 0.5, np.float32), [0, 0]), "not of whole numbers from 0 to"),
        (matrix_batch(np.full((2, 3, 32, 32), -1, np.int16), [0, 0]), "not of whole numbers from 0 to"),
        (pickle2(data=array(np.zeros((3072, 2), np.uint8)), labels=array(np.eye(2, 10))), "`labels` is 2 x"),
        (matrix_batch(pixels(1, 2, (3, 32, 32)), [0, 0], filenames=sequence([string("a")])), "1 filenames"),
        (
            matrix_batch(pixels(1, 1, (3, 32, 32)), [0], filenames=sequence([integer(1)])),
            "filenames has something else than a string",
        ),
        (
            matrix_batch(pixels(1, 1, (3, 32, 32)), [0], filenames=sequence([SURROGATE])),
            "filenames has something else than a string",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_matrix_is_named(refused, tmp_path, batch, reason):
    message = refused(cifar_folder(tmp_path / "old", data_batch_4=batch))
    assert message.startswith(str(tmp_path / "old" / "data_batch_4"))
    assert reason in message


NAMES = sequence([string("a")])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x02].", "does not hold a dictionary"),
        (pickle2(label_names=NAMES), "does not say how many values an image has"),
        (pickle2(label_names=NAMES, num_vis=integer(0)), "does not say how many values an image has"),
        (pickle2(label_names=NAMES, num_vis=integer(3073)), "images of 3073 values (num_vis) are not square"),
        (pickle2(num_vis=integer(3072)), "does not name the classes (label_names)"),
        (pickle2(num_vis=integer(3072), label_names=sequence([])), "does not name the classes (label_names)"),
        (pickle2(num_vis=integer(3072), label_names=string("a")), "label_names is not a list of strings"),
        (pickle2(num_vis=integer(3072), label_names=sequence([integer(1)])), "label_names has something"),
        (meta(["a"], 3072, data_mean=array(np.zeros(3071))), "data_mean is not one number for each of"),
        (meta(["a"], 3072, data_mean=array(np.full(3072, np.nan))), "data_mean is not a mean of pixels"),
        (meta(["a"], 3072, label_offset=string("1")), "label_offset is not a whole number"),
        (meta(["a"], 3072, no_crop=b"\x88"), "no_crop asks for a frame of the mean"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_batches_meta_is_named(refused, tmp_path, data, reason):
    message = refused(cifar_folder(tmp_path / "old", **{"batches.meta": data}))
    assert message.startswith(str(tmp_path / "old" / "batches.meta"))
    assert reason in message


def test_test_batches_with_and_without_labels_at_once_are_named(refused, tmp_path):
    mixed = triple_batch([jpeg(i) for i in range(3)], [1, None, 2])
    source = folder_2012(tmp_path / "old", data_batch_2000=mixed)
    assert "data_batch_2000: entry 1 has no label, and others of the batch have one" in refused(source)


@pytest.mark.parametrize(("labels", "reason"), [([1, None], "has no labels"), ([None, 1], "has labels")])
def test_parts_of_a_batch_with_and_without_labels_are_named(refused, tmp_path, labels, reason):
    source = folder_2012(tmp_path / "old")
    (source / "data_batch_2000").unlink()
    for part, label in enumerate(labels):
        batch = triple_batch([jpeg(i) for i in range(3)], [label] * 3)
        (source / f"data_batch_2000.{part}").write_bytes(batch)
    assert f"data_batch_2000.1 {reason}, unlike data_batch_2000.0" in refused(source)


def test_a_range_for_testing_without_any_labels_is_refused(refused, tmp_path):
    source = folder_2012(tmp_path / "old")
    message = refused(source, train_range=range(1, 3), test_range=range(3000, 3001))
    assert (
        "no image of the batches for testing has a label; give batches with labels as --test-range" in message
    )


@pytest.mark.parametrize(
    ("ranges", "reason"),
    [
        (
            {"test_range": range(6, 9)},
            "--test-range asks for data_batch_7, which is not there; there are 1-6",
        ),
        ({"train_range": range(10**12)}, "--train-range asks for data_batch_0, which is not there"),
        ({"train_range": range(1, 7)}, "data_batch_6 is in --train-range and for testing"),
        ({"test_range": range(1, 7)}, "no batch is left for training; give a smaller --test-range"),
    ],
)
def test_ranges_that_make_no_sense_are_named(refused, tmp_path, ranges, reason):
    assert reason in refused(cifar_folder(tmp_path / "old"), **ranges)


def test_a_missing_part_is_named(refused, tmp_path):
    source = convnet2_folder(tmp_path / "old")
    for name in ("0", "1"):
        path = source / "data_batch_1" / f"data_batch_1.{name}"
        path.rename(path.with_suffix(f".{int(name) + 3}"))
    assert f"{source}/data_batch_1/data_batch_1.1 is missing" in refused(source)


def test_a_folder_without_batches_is_named(refused, tmp_path):
    assert "there is no data_batch_1 or the like in it" in refused(write_folder(tmp_path / "old", {"x": b""}))


def test_a_folder_without_batches_meta_is_named(refused, tmp_path):
    source = cifar_folder(tmp_path / "old")
    (source / "batches.meta").unlink()
    assert "batches.meta: cannot be read (No such file or directory)" in refused(source)


def test_other_files_in_a_batch_are_named(refused, tmp_path):
    source = convnet2_folder(tmp_path / "old", **{"data_batch_1/data_batch_7.0": b""})
    assert "data_batch_1/data_batch_7.0 is not a part of data_batch_1; remove it" in refused(source)


def test_a_batch_in_two_forms_is_named(refused, tmp_path):
    source = convnet2_folder(tmp_path / "old", **{"data_batch_1.0": b""})
    assert "are two forms of one batch; remove one of them" in refused(source)


def test_files_that_look_like_batches_are_noted(imported, tmp_path):
    result = imported(cifar_folder(tmp_path / "old", **{"data_batch_1.bin": b"", "data_batch_01": b""}))
    assert sum("has no name of a batch and was left out" in note for note in result.notes) == 2


def test_what_unpacks_without_end_is_refused(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("cuda_convnet.data.old_contents.LARGEST_UNPACKED", 1 << 16)
    bomb = gzip.compress(bytes(1 << 20))
    assert "data_batch_3 unpacks to more than" in refused(cifar_folder(tmp_path / "old", data_batch_3=bomb))


@pytest.mark.parametrize("make", [cifar_folder, convnet2_folder, folder_2012])
def test_damage_anywhere_is_one_line_or_does_no_harm(tmp_path, make):
    """Every bit flip in a pickle either leaves a folder that can be read, or is named."""
    source = make(tmp_path / "old")
    path = sorted(path for path in source.rglob("data_batch_1*") if path.is_file())[0]
    whole = path.read_bytes()
    random = np.random.RandomState(1)
    refusals = []
    for position in (*range(120), *random.randint(0, len(whole), 80)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << random.randint(8)
        path.write_bytes(damaged)
        try:
            survey(source)
        except DataError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all(str(source) in message and "\n" not in message for message in refusals)


def test_a_pair_in_the_place_of_the_labels_of_cuda_convnet2_is_read_too(imported, tmp_path):
    labels = sequence([pair(string(WNIDS[1]), integer(1))] * 4)
    batch = pickle2(data=sequence(string(jpeg(i)) for i in range(4)), labels=labels)
    source = convnet2_folder(tmp_path / "old", **{"data_batch_0/data_batch_0.0": batch})
    assert imported(source).folder.train[0].read().labels.tolist()[:4] == [1, 1, 1, 1]
