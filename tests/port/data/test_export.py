"""Batch folders become class folders and NumPy files; names lead nowhere, and nothing foreign is touched."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from cuda_convnet.data.batch_format import write_raw_batch
from cuda_convnet.data.batches import Augmentation, BatchFolder, BatchWriter, DatasetPlan
from cuda_convnet.data.export import export
from cuda_convnet.data.file_names import UniqueNames, safe_name
from cuda_convnet.data.old_batches import import_old_batches, survey
from cuda_convnet.errors import DataError
from old_folders import cifar_folder, convnet2_folder, folder_2012, jpeg, pixels

SHAPE = (3, 8, 8)


@pytest.fixture
def make(tmp_path):
    """Makes a batch folder of one training batch and one test batch with these class and image names."""

    def run(class_names=("cat", "dog"), names=("a", "b"), labels=(0, 1), shape=SHAPE, encoding="raw", **more):
        plan = DatasetPlan(
            recipe={"source": "x"},
            class_names=tuple(class_names),
            image_shape=shape,
            counts={"train": (len(names),), "test": (len(names),)},
            augmentation=Augmentation(1, 1, True),
            encoding=encoding,
            **more,
        )
        writer = BatchWriter(tmp_path / "batches", plan)
        for seed, (split, number) in enumerate(writer.unfinished()):
            if encoding == "jpeg":
                images = [jpeg(100 * seed + i, *shape[:0:-1]) for i in range(len(names))]
                writer.write_jpegs(split, number, images, np.array(labels), names)
            else:
                writer.write(split, number, pixels(seed, len(names), shape), np.array(labels), names)
        return writer.finish()

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.mark.parametrize("columns", [True, False])
def test_old_batches_come_out_as_the_arrays_they_were(tmp_path, out, columns):
    source = cifar_folder(tmp_path / "old", columns=columns)
    folder = import_old_batches(survey(source), tmp_path / "batches").folder
    export(folder, out, "numpy")
    for number in range(1, 7):
        name = f"train_{{}}_{number:04d}" if number < 6 else "test_{}_0001"
        images = np.load(out / f"{name.format('images')}.npy", mmap_mode="r", allow_pickle=False)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), pixels(number, 8, (3, 32, 32)))
        labels = np.load(out / f"{name.format('labels')}.npy", allow_pickle=False)
        assert labels.dtype == np.int32
        assert labels.tolist() == [(number + i) % 10 for i in range(8)]
        names = json.loads((out / f"{name.format('names')}.json").read_text())
        assert names[2] == f"data_batch_{number}/2"
    mean = np.load(out / "mean.npy", allow_pickle=False)
    np.testing.assert_array_equal(mean.transpose(2, 0, 1), folder.meta.statistics.mean_image)
    assert np.load(out / "color_eigenvectors.npy", allow_pickle=False).shape == (3, 3)
    assert json.loads((out / "classes.json").read_text())[3] == {"label": 3, "name": "cat"}


def test_jpegs_come_out_as_the_bytes_they_were(tmp_path, out):
    folder = import_old_batches(survey(convnet2_folder(tmp_path / "old")), tmp_path / "batches").folder
    export(folder, out, "folders")
    assert (out / "train/tench/data_batch_0_0.JPEG").read_bytes() == jpeg(0)
    assert (out / "train/crane-2/data_batch_2_1.JPEG").read_bytes() == jpeg(20_001)
    assert (out / "val/goldfish/data_batch_1001_0.JPEG").read_bytes() == jpeg(10_010_000)
    assert len(list(out.glob("*/*/*.JPEG"))) == 35


def test_jpegs_are_decoded_into_numpy_files(tmp_path, out):
    folder = import_old_batches(survey(convnet2_folder(tmp_path / "old")), tmp_path / "batches").folder
    export(folder, out, "numpy")
    images = np.load(out / "train_images_0002.npy", allow_pickle=False)
    np.testing.assert_array_equal(images.transpose(0, 3, 1, 2), folder.train[1].read().images)


def test_classes_with_ids_have_folders_of_these_and_unlabelled_images_one_of_their_own(tmp_path, out):
    folder = import_old_batches(survey(folder_2012(tmp_path / "old")), tmp_path / "batches").folder
    export(folder, out, "folders")
    names = sorted(path.name for path in (out / "train").iterdir())
    assert names == ["n01440764", "n01443537", "n02012849", "n03126707"]
    assert (out / "test" / "data_batch_3000_2.JPEG").read_bytes() == jpeg(2)
    classes = json.loads((out / "classes.json").read_text())
    assert classes[1] == {"label": 1, "name": "goldfish", "id": "n01443537", "folder": "n01443537"}


def test_pixels_become_png_without_loss(make, out):
    folder = make()
    export(folder, out, "folders")
    for split, name in (("train", "train"), ("test", "val")):
        images = folder.split(split)[0].read().images
        for image, path in zip(images, ("cat/a.png", "dog/b.png"), strict=True):
            with Image.open(out / name / path) as found:
                np.testing.assert_array_equal(np.asarray(found).transpose(2, 0, 1), image)


def test_grey_pixels_become_grey_images(make, out):
    folder = make(shape=(1, 8, 8))
    export(folder, out, "folders")
    with Image.open(out / "train/cat/a.png") as found:
        assert found.mode == "L"
        np.testing.assert_array_equal(np.asarray(found), folder.train[0].read().images[0, 0])


def test_pixels_of_two_channels_are_for_numpy(make, out):
    folder = make(shape=(2, 8, 8))
    with pytest.raises(DataError, match="has images of 2 channels, which PNG cannot hold; use numpy"):
        export(folder, out, "folders")
    export(folder, out, "numpy")
    assert np.load(out / "train_images_0001.npy").shape == (2, 8, 8, 2)


HOSTILE = (
    "../x", "../../etc/passwd", "/etc/passwd", "a/b", "..", ".", "", " ", "-rf", ".hidden", "a\nb", "a\\b",
    "x:y", "CON", "nul.txt", "x" * 300, "ü" * 300, "Ä.JPEG", "A\u0308.jpeg", "tab\t", "~", "a.png", "A.PNG",
    "a.jpeg", "cat/a.png", "ok.", "a-2",
)  # fmt: skip


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_names_lead_nowhere_else(make, tmp_path, out, encoding):
    (tmp_path / "outside").mkdir()
    before = files(tmp_path / "outside")
    export(make(names=HOSTILE, labels=[0] * len(HOSTILE), encoding=encoding), out / "in", "folders")
    assert files(tmp_path / "outside") == before
    assert [path.name for path in out.iterdir()] == ["in"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batches", "out", "outside"]
    for split in ("train", "val"):
        names = [path.name for path in (out / "in" / split / "cat").iterdir()]
        assert len({name.casefold() for name in names}) == len(HOSTILE)
        assert all(re.fullmatch(r"[^-. /\\:\x00-\x1f][^/\\:\x00-\x1f]*\.(png|JPEG)", name) for name in names)
        assert len(list((out / "in" / split).rglob("*"))) == len(HOSTILE) + 2


def test_class_names_lead_nowhere_else(make, out):
    names = ("../up", "a/b", "", ".", "cat", "Cat", "-x", "x" * 300, "cat-2", "/")
    folder = make(class_names=names, names=[str(i) for i in range(10)], labels=list(range(10)))
    export(folder, out, "folders")
    classes = json.loads((out / "classes.json").read_text())
    folders = [of_class["folder"] for of_class in classes]
    assert folders[:7] == ["_up", "a_b", "class_2", "class_3", "cat", "Cat-2", "x"]
    assert sorted(path.name for path in (out / "train").iterdir()) == sorted(folders)
    assert len({name.casefold() for name in folders}) == len(names)
    for label, of_class in enumerate(folders):
        assert [path.name for path in (out / "train" / of_class).iterdir()] == [f"{label}.png"]


def test_classes_without_images_have_folders_so_that_labels_stay(make, out):
    export(make(class_names=("a", "b", "c"), labels=(0, 2)), out, "folders")
    assert sorted(path.name for path in (out / "val").iterdir()) == ["a", "b", "c"]


def test_safe_names_are_plain():
    assert safe_name("../x", "other") == "_x"
    assert safe_name("..", "other") == "other"
    assert safe_name("com1", "other") == "_com1"
    assert safe_name("n01440764_10026", "other") == "n01440764_10026"
    assert len(safe_name("ü" * 300, "other").encode()) == 200


def test_names_are_unique_whatever_their_capitals():
    names = UniqueNames()
    assert [names.give(name) for name in ("a", "A", "a-2", "a")] == ["a", "A-2", "a-2-2", "a-3"]


@pytest.mark.parametrize("form", ["folders", "numpy"])
def test_the_layout_stands_in_the_folder(make, out, form):
    export(make(), out, form)
    state = json.loads((out / "export.json").read_text())
    assert state["form"] == form
    assert state["images"] == {"train": 2, "test": 2}
    assert state["finished_batches"] == state["batches"] == 2
    assert any(name.startswith("train") for name in state["layout"])
    assert not [name for name in os.listdir(out) if name.startswith(".")]


@pytest.mark.parametrize("form", ["folders", "numpy"])
@pytest.mark.parametrize("stop", range(1, 40, 4))
def test_an_interrupted_export_goes_on_and_ends_the_same(tmp_path, monkeypatch, form, stop):
    """The process dies at any of its steps: after writing a file, before it is moved to its place."""
    folder = import_old_batches(survey(convnet2_folder(tmp_path / "old")), tmp_path / "batches").folder
    export(folder, tmp_path / "whole", form)
    steps = iter(range(10_000))
    replace = os.replace

    def dies(*arguments):
        if next(steps) == stop:
            raise KeyboardInterrupt
        replace(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", dies)
        try:
            export(folder, tmp_path / "out", form)
        except KeyboardInterrupt:
            done = json.loads((tmp_path / "out/export.json").read_text())["finished_batches"]
            kept = contents(tmp_path / "out")
            assert done < 5
            assert kept
    export(folder, tmp_path / "out", form)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("form", "removed", "kept"),
    [
        ("folders", "train/crane/data_batch_0_2.JPEG", "train/crane/data_batch_1_1.JPEG"),
        ("numpy", "train_labels_0002.npy", "train_labels_0001.npy"),
    ],
)
def test_a_second_export_keeps_what_is_finished_and_makes_what_was_removed(
    tmp_path, out, form, removed, kept
):
    folder = import_old_batches(survey(convnet2_folder(tmp_path / "old")), tmp_path / "batches").folder
    export(folder, out, form)
    whole = contents(out)
    (out / removed).unlink()
    written = (out / kept).stat()
    read = []
    export(folder, out, form, progress=lambda done, total: read.append((done, total)))
    assert contents(out) == whole
    assert os.path.samestat((out / kept).stat(), written)
    assert read[-1] == (35, 35)


def test_a_batch_of_another_dataset_is_named_when_an_export_goes_on(make, out):
    folder = make()
    export(folder, out, "folders")
    path = folder.train[0].path
    number_of_classes = len(folder.meta.class_names)
    foreign = dataclasses.replace(folder.meta.plan(), class_names=("cat", "dog", "eel"))
    images, names = folder.train[0].read().images, ("a", "b")
    write_raw_batch(path, foreign, "train", 1, images, np.array([0, number_of_classes]), names)
    with pytest.raises(DataError, match=f"{path} belongs to another dataset than its folder"):
        export(folder, out, "folders")


@pytest.mark.parametrize("form", ["folders", "numpy"])
@pytest.mark.parametrize("foreign", ["notes.txt", "export.json", "train/x"])
def test_a_folder_with_something_else_in_it_is_not_touched(make, out, form, foreign):
    (out / foreign).parent.mkdir(parents=True)
    (out / foreign).write_text("[1]")
    with pytest.raises(
        DataError, match="out is not empty and is no export; give another folder, or empty it"
    ):
        export(make(), out, form)
    assert contents(out) == {foreign: b"[1]"}


def test_another_export_is_not_touched(make, tmp_path, out):
    export(make(), out, "numpy")
    whole = contents(out)
    with pytest.raises(DataError, match="out is another export"):
        export(BatchFolder(tmp_path / "batches"), out, "folders")
    assert contents(out) == whole


@pytest.mark.parametrize("form", ["folders", "numpy"])
@pytest.mark.parametrize("room", [0, 1, 3, 6])
def test_a_full_disk_is_one_line_and_the_next_run_goes_on(make, tmp_path, out, form, room, monkeypatch):
    folder = make(names=("a", "b", "c", "d"), labels=(0, 1, 0, 1))
    export(folder, tmp_path / "whole", form)
    steps = iter(range(10_000))
    replace = os.replace

    def full(*arguments):
        if next(steps) >= room:
            raise OSError(28, "No space left on device")
        replace(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(DataError) as error:
            export(folder, out, form)
    written = r"/out/[\w/]+\.(json|npy|png) cannot be written \(No space left on device\); mend that and run "
    assert re.search(written, str(error.value))
    export(folder, out, form)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("form", ["folders", "numpy"])
def test_a_damaged_batch_is_named(make, out, form):
    folder = make()
    path = folder.test[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=re.escape(str(path))):
        export(folder, out, form)
    assert json.loads((out / "export.json").read_text())["finished_batches"] == 1
