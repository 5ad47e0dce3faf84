"""Batch folders: written, opened, completed, verified, and what is said about damaged ones."""

import dataclasses
import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from cuda_convnet.data.batch_format import read_meta, write_meta, write_raw_batch
from cuda_convnet.data.batches import BatchFolder, BatchWriter, Outcome, verify
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.hdf5 import read_hdf5, write_hdf5

MEND = "run `alexnet2012 data example --out "


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def one_line(error):
    """The message of an error, which is a single line."""
    message = str(error.value)
    assert "\n" not in message
    return message


def change(path, attributes=None, **datasets):
    """Rewrite a file with some attributes and datasets changed (None: removed), checksums and all."""
    old = read_hdf5(path)
    merged = {name: array for name, array in {**old.datasets, **datasets}.items() if array is not None}
    write_hdf5(path, {**old.attributes, **(attributes or {})}, merged)


def test_a_folder_gives_back_what_was_written(build, plan, contents):
    folder = build()
    assert [file.num_images for file in folder.train] == [20, 20, 7]
    for split, files in (("train", folder.train), ("test", folder.test)):
        for number, file in enumerate(files, 1):
            images, labels, names = contents(plan(), split, number)
            batch = file.read()
            np.testing.assert_array_equal(batch.images, images)
            np.testing.assert_array_equal(batch.labels, labels)
            assert (batch.images.dtype, batch.labels.dtype) == (np.uint8, np.int32)
            assert batch.names == tuple(names)


def test_images_lie_last_in_memory(build):
    batch = build().train[0].read()
    assert batch.images.shape == (20, 3, 12, 12)
    assert batch.images_last.shape == (3, 12, 12, 20)
    assert batch.images_last.flags.c_contiguous


def test_meta_says_what_the_plan_said(build, plan):
    meta, wanted = build().meta, plan()
    for field in dataclasses.fields(wanted):
        assert getattr(meta, field.name) == getattr(wanted, field.name)
    assert meta.dataset == wanted.dataset


def test_statistics_are_those_of_the_training_pixels(build):
    folder = build()
    images = np.concatenate([file.read().images for file in folder.train]).astype(np.float64)
    colors = images.transpose(1, 0, 2, 3).reshape(3, -1)
    statistics = folder.meta.statistics
    np.testing.assert_array_equal(statistics.mean_image, images.mean(axis=0).astype(np.float32))
    vectors, values = statistics.color_eigenvectors, statistics.color_eigenvalues
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, np.cov(colors, bias=True), rtol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)
    assert (np.diff(values) >= 0).all()
    assert (vectors.max(axis=0) == np.abs(vectors).max(axis=0)).all()


def test_statistics_do_not_depend_on_how_images_are_cut_into_batches(build):
    one = build("one", counts=((20, 7), (9,)), shape=(1, 12, 12))
    images = np.concatenate([file.read().images for file in one.train])
    labels = np.concatenate([file.read().labels for file in one.train])
    plan = dataclasses.replace(one.meta, counts={"train": (9, 9, 9), "test": (9,)})
    other = BatchWriter(one.path.parent / "other", plan)
    for split, number in other.unfinished():
        part = slice(9 * (number - 1), 9 * number)
        other.write(split, number, images[part], labels[part], [""] * 9)
    statistics = other.finish().meta.statistics
    np.testing.assert_array_equal(statistics.mean_image, one.meta.statistics.mean_image)
    np.testing.assert_array_equal(statistics.color_eigenvalues, one.meta.statistics.color_eigenvalues)


def test_one_image_makes_a_folder(build):
    folder = build(counts=((1,), (1,)))
    assert folder.train[0].read().images.shape == (1, 3, 12, 12)
    assert not list(verify(folder.path))


@pytest.mark.parametrize("counts", [((), (9,)), ((0,), (9,)), ((9,), ())])
def test_zero_images_are_refused_before_anything_is_written(tmp_path, plan, counts):
    with pytest.raises(DataError, match="there are no images for") as error:
        BatchWriter(tmp_path / "folder", plan(counts=counts))
    one_line(error)
    assert not list(tmp_path.glob("folder/*/*"))


def test_a_batch_of_zero_images_is_named(build):
    folder = build()
    path = folder.train[1].path
    with h5py.File(path, "r") as file:
        attributes = dict(file.attrs)
    with h5py.File(path, "w") as file:
        file.attrs.update(attributes)
        for name, shape, kind in (
            ("images", (3, 12, 12, 0), "u1"),
            ("labels", (0,), "i4"),
            ("names", (0,), "S1"),
        ):
            chunks = tuple(max(1, n) for n in shape)
            file.create_dataset(
                name, shape, kind, chunks=chunks, maxshape=(None,) * len(shape), fletcher32=True
            )
    with pytest.raises(DataError) as error:
        folder.train[1].read()
    assert one_line(error).startswith(f"{path} has no images; {MEND}")


def test_a_folder_whose_meta_counts_zero_images_is_refused(build):
    folder = build()
    empty = dataclasses.replace(folder.meta, counts={"train": (20, 20, 7), "test": (0,)})
    write_meta(folder.path / "meta.h5", empty)
    with pytest.raises(DataError, match="test has no images"):
        BatchFolder(folder.path)
    assert any("has no images" in problem.message for problem in verify(folder.path))


# Images without labels, and images that could not be used


@pytest.fixture
def lossy(tmp_path, plan, contents):
    """A folder whose training batches lost 0, all 6 and 2 of their planned images; and its outcome."""

    def make(name="lossy"):
        wanted = plan(counts=((6, 6, 7), (9,)))
        writer = BatchWriter(tmp_path / name, wanted)
        sums = []
        for number, lost in ((1, 0), (3, 2)):
            images, labels, names = (part[lost:] for part in contents(wanted, "train", number))
            path = writer.path / f"train/data_batch_{number:04d}.h5"
            write_raw_batch(path, wanted, "train", number, images, labels, names, lost)
            sums.append(PixelSums.of(images))
        writer.write("test", 1, *contents(wanted, "test", 1))
        outcome = Outcome(
            sums=sums[0] + sums[1],
            rejected={"train": (0, 6, 2), "test": (0,)},
            rejections=b"split,name,source,reason\ntrain,a,b,c\n",
            made={"sources": 28, "rejected": 8},
        )
        return writer.finish(outcome)

    return make


def test_a_split_without_labels_is_kept_beside_the_others(tmp_path, plan, contents):
    wanted = plan()
    wanted.counts["unlabelled"] = (5, 2)
    writer = BatchWriter(tmp_path / "folder", wanted)
    for split, number in writer.unfinished():
        images, labels, names = contents(wanted, split, number)
        writer.write(split, number, images, labels if split != "unlabelled" else labels * 0 - 1, names)
    folder = writer.finish()
    assert [file.num_images for file in folder.unlabelled] == [5, 2]
    assert folder.split("unlabelled") == folder.unlabelled
    assert (folder.unlabelled[0].read().labels == -1).all()
    assert folder.meta.splits == ("train", "test", "unlabelled")
    assert not list(verify(folder.path))
    with pytest.raises(ValueError, match="labels go from -1 to -1"):
        writer.write("unlabelled", 1, *contents(wanted, "unlabelled", 1))
    change(folder.unlabelled[0].path, labels=np.zeros(5, np.int32))
    with pytest.raises(DataError, match="labels that are not -1, though it is unlabelled"):
        folder.unlabelled[0].read()
    folder.unlabelled[1].path.unlink()
    with pytest.raises(DataError, match=r"unlabelled/data_batch_0002.h5 is missing"):
        BatchFolder(folder.path)


def test_a_folder_without_unlabelled_images_has_an_empty_split(build):
    folder = build()
    assert folder.unlabelled == folder.split("unlabelled") == ()
    assert folder.meta.splits == ("train", "test")
    assert folder.meta.rejections is None
    assert not (folder.path / "rejected.csv").exists()


def test_a_batch_holds_what_was_planned_less_what_was_rejected(lossy, plan):
    folder = lossy()
    meta = folder.meta
    assert meta.counts == {"train": (6, 0, 5), "test": (9,)}
    assert meta.rejected == {"train": (0, 6, 2)}
    assert meta.planned == {"train": (6, 6, 7), "test": (9,)}
    assert meta.num_images("train") == 11
    assert meta.dataset == meta.plan().dataset == plan(counts=((6, 6, 7), (9,))).dataset
    assert meta.made == {"sources": 28, "rejected": 8}
    assert [(file.number, file.num_images, file.check()) for file in folder.train] == [(1, 6, 6), (3, 5, 5)]
    assert not list(verify(folder.path))


def test_a_batch_that_lost_all_its_images_has_no_file(lossy):
    folder = lossy()
    missing = folder.path / "train/data_batch_0002.h5"
    assert not missing.exists()
    shutil.copy(folder.train[0].path, missing)
    (problem,) = verify(folder.path)
    assert problem.message == f"{missing} does not belong to this dataset; remove it"


@pytest.mark.parametrize(
    ("lost", "message"),
    [(1, "has 5 images and lost 1, and 7 were planned"), (None, "does not say how many images it lost")],
)
def test_a_batch_that_lost_another_number_is_named(lossy, lost, message):
    folder = lossy()
    path = folder.train[1].path
    old = read_hdf5(path)
    attributes = {name: value for name, value in old.attributes.items() if name != "rejected"}
    write_hdf5(path, attributes if lost is None else {**attributes, "rejected": lost}, old.datasets)
    with pytest.raises(DataError, match=message):
        folder.train[1].read()


@pytest.mark.parametrize("data", [None, b"", b"split,name,source,reason\n"])
def test_verify_compares_the_list_of_rejections(lossy, data):
    folder = lossy()
    path = folder.path / "rejected.csv"
    whole = path.read_bytes()
    assert whole == folder.meta.rejections
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    (problem,) = verify(folder.path)
    assert problem.path == path
    assert problem.message.startswith(f"{path} is {'missing' if data is None else 'damaged'}")
    assert MEND in problem.message
    lossy()
    assert path.read_bytes() == whole


def test_a_folder_goes_on_from_its_meta_as_from_its_plan(lossy, plan):
    folder = lossy()
    assert BatchWriter(folder.path, folder.meta).plan == plan(counts=((6, 6, 7), (9,)))


def test_class_ids_are_kept(tmp_path, plan, contents):
    wanted = plan(class_ids=("n01", "n02", "n03", "n04"))
    writer = BatchWriter(tmp_path / "folder", wanted)
    for split, number in writer.unfinished():
        writer.write(split, number, *contents(wanted, split, number))
    writer.finish()
    assert read_meta(tmp_path / "folder").class_ids == wanted.class_ids
    assert wanted.dataset != plan().dataset


# Folders that are not whole


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError) as error:
        BatchFolder(tmp_path / "nowhere")
    assert one_line(error).startswith(f"{tmp_path}/nowhere: there is no such folder; `alexnet2012 data`")


def test_a_folder_of_something_else_is_not_a_batch_folder(tmp_path):
    (tmp_path / "letter.txt").write_text("hello")
    with pytest.raises(DataError) as error:
        BatchFolder(tmp_path)
    assert one_line(error).startswith(f"{tmp_path} is not a batch folder: meta.h5 is missing; ")


def test_a_folder_without_meta_says_how_to_complete_it(build):
    folder = build()
    (folder.path / "meta.h5").unlink()
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path)
    assert one_line(error).startswith(f"{folder.path}/meta.h5 is missing; {MEND}{folder.path}`")


def test_a_missing_batch_in_the_middle_is_named(build):
    folder = build()
    folder.train[1].path.unlink()
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path)
    assert one_line(error).startswith(f"{folder.path}/train/data_batch_0002.h5 is missing; {MEND}")


def test_a_folder_name_with_spaces_is_quoted_in_the_mend(build):
    folder = build("my data")
    folder.train[0].path.unlink()
    with pytest.raises(DataError, match=r"--out '.*/my data'`"):
        BatchFolder(folder.path)


# Files that are damaged


@pytest.mark.parametrize("name", ["meta.h5", "train/data_batch_0002.h5"])
@pytest.mark.parametrize("place", [100, -50, -800])
def test_a_flipped_bit_is_named_with_its_file(build, name, place):
    folder = build()
    flip(folder.path / name, place)
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path).train[1].read()
    assert one_line(error).startswith(f"{folder.path}/{name} is damaged")
    assert MEND in str(error.value)


@pytest.mark.parametrize("name", ["meta.h5", "train/data_batch_0002.h5"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_named(build, name, share):
    folder = build()
    path = folder.path / name
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path).train[1].read()
    assert one_line(error).startswith(f"{path} is ")
    assert "cut short" in str(error.value) or "damaged" in str(error.value)
    assert MEND in str(error.value)


@pytest.mark.parametrize("name", ["meta.h5", "train/data_batch_0002.h5"])
def test_a_file_that_is_not_hdf5_is_named(build, name):
    folder = build()
    (folder.path / name).write_bytes(b"<html>404 not found</html>")
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path).train[1].read()
    assert one_line(error).startswith(f"{folder.path}/{name} is not an HDF5 file; {MEND}")


def test_damage_prints_nothing(build, capfd):
    folder = build()
    flip(folder.train[0].path, -60)
    with pytest.raises(DataError):
        folder.train[0].read()
    assert capfd.readouterr() == ("", "")


def test_another_format_version_is_named(build):
    folder = build()
    change(folder.train[0].path, {"format_version": 9})
    with pytest.raises(DataError, match="has format version 9, and this program reads version 2"):
        folder.train[0].read()
    change(folder.path / "meta.h5", {"format_version": 9})
    with pytest.raises(DataError, match=r"meta.h5 has format version 9"):
        BatchFolder(folder.path)


def test_a_checkpoint_is_not_a_batch(build):
    folder = build()
    write_hdf5(folder.train[0].path, {"format": "cuda_convnet checkpoint"}, {"weights": np.ones(3)})
    with pytest.raises(DataError, match="is not a cuda_convnet batch's file"):
        folder.train[0].read()


def test_a_batch_of_another_dataset_is_named(build):
    folder, other = build("a"), build("b", reflect=False)
    shutil.copy(other.train[0].path, folder.train[0].path)
    with pytest.raises(DataError) as error:
        folder.train[0].read()
    assert one_line(error).startswith(f"{folder.train[0].path} belongs to another dataset than its folder")


def test_a_batch_under_anothers_name_is_named(build):
    folder = build()
    shutil.copy(folder.train[0].path, folder.train[1].path)
    with pytest.raises(DataError, match=r"data_batch_0002.h5 is batch 1 of train under another's name"):
        folder.train[1].read()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (
            {"images": np.zeros((3, 8, 8, 20), np.uint8)},
            r"holds images of \(3, 8, 8\), and the folder's are \(3, 12, 12\)",
        ),
        ({"images": np.zeros((3, 12, 12, 20), np.float32)}, "holds images of"),
        ({"images": np.zeros((3, 12, 12, 19), np.uint8)}, "has 19 images, and 20 belong in it"),
        ({"images": np.zeros((20, 432), np.uint8)}, "holds images of"),
        ({"images": None}, "lacks the dataset 'images'"),
        ({"labels": np.zeros(20, np.int64)}, "labels that are not one int32 per image"),
        ({"labels": np.zeros((20, 1), np.int32)}, "labels that are not one int32 per image"),
        ({"labels": np.zeros(21, np.int32)}, "has 21 images, and 20 belong in it"),
        ({"labels": np.full(20, 4, np.int32)}, "has labels outside 0 to 3"),
        ({"labels": np.full(20, -1, np.int32)}, "has labels outside 0 to 3"),
        ({"names": np.zeros(20)}, "names that are not one string per image"),
        ({"names": np.array([b"a"] * 19)}, "names that are not one string per image"),
        ({"names": np.array([b"\xff"] * 20)}, "names that are not UTF-8"),
    ],
)
def test_contents_that_do_not_fit_are_named(build, changed, reason):
    folder = build()
    change(folder.train[0].path, **changed)
    with pytest.raises(DataError, match=reason) as error:
        folder.train[0].read()
    assert one_line(error).startswith(f"{folder.train[0].path} ")


def test_a_meta_that_contradicts_itself_is_named(build):
    folder = build()
    change(folder.path / "meta.h5", {"reflect": 0})
    with pytest.raises(DataError, match=r"meta.h5 contradicts itself"):
        BatchFolder(folder.path)


@pytest.mark.parametrize(
    "changed",
    [
        {"mean_image": np.zeros((3, 12, 12))},
        {"mean_image": None},
        {"color_eigenvectors": np.eye(2)},
        {"recipe": np.frombuffer(b"{not json", np.uint8)},
        {"batches/train_counts": np.zeros((2, 2), np.int64)},
        {"batches/train_counts": np.array([20, -20, 7])},
        {"batches/train_rejected": None},
    ],
)
def test_a_meta_of_another_form_is_named(build, changed):
    folder = build()
    change(folder.path / "meta.h5", **changed)
    with pytest.raises(DataError) as error:
        BatchFolder(folder.path)
    assert one_line(error).startswith(f"{folder.path}/meta.h5 ")


# Writing


def test_a_partly_built_folder_is_completed_and_finished_batches_are_kept(build, plan, contents):
    folder = build()
    before = {path: path.read_bytes() for path in folder.path.rglob("*.h5")}
    (folder.path / "meta.h5").unlink()
    folder.train[1].path.unlink()
    flip(folder.test[0].path, -50)
    kept = [folder.train[0].path, folder.train[2].path]
    times = [path.stat().st_mtime_ns for path in kept]

    writer = BatchWriter(folder.path, plan())
    done = []
    for split, number in writer.unfinished():
        done.append((split, number))
        writer.write(split, number, *contents(plan(), split, number))
    writer.finish()
    assert done == [("train", 2), ("test", 1)]
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert {path: path.read_bytes() for path in folder.path.rglob("*.h5")} == before


def test_a_finished_folder_is_left_as_it_is(build):
    folder = build()
    times = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*.h5")}
    again = build()
    assert {path: path.stat().st_mtime_ns for path in again.path.rglob("*.h5")} == times


def test_progress_counts_images_done_before_and_now(build, plan, contents):
    folder = build()
    folder.train[1].path.unlink()
    writer = BatchWriter(folder.path, plan())
    seen = []
    for split, number in writer.unfinished(lambda done, total: seen.append((done, total))):
        writer.write(split, number, *contents(plan(), split, number))
    assert seen == [(20, 56), (40, 56), (47, 56), (56, 56)]


@pytest.mark.parametrize("with_meta", [True, False])
def test_a_folder_of_another_dataset_is_refused_and_untouched(build, plan, with_meta):
    folder = build()
    if not with_meta:
        (folder.path / "meta.h5").unlink()
    before = {path: path.read_bytes() for path in folder.path.rglob("*.h5")}
    with pytest.raises(DataError) as error:
        BatchWriter(folder.path, plan(crop_border=3))
    assert one_line(error).startswith(f"{folder.path} holds another dataset")
    assert "give another folder" in str(error.value)
    assert {path: path.read_bytes() for path in folder.path.rglob("*.h5")} == before


def test_what_a_killed_writer_left_is_cleared_away(build, plan):
    folder = build()
    (folder.path / "meta.h5").unlink()
    (folder.path / "train" / "data_batch_0001.h5.tmp-1234").write_bytes(b"half a ba")
    BatchWriter(folder.path, plan()).finish()
    assert not list(verify(folder.path))


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, plan):
    (tmp_path / "folder").write_text("")
    with pytest.raises(DataError) as error:
        BatchWriter(tmp_path / "folder", plan())
    assert "cannot be written" in one_line(error)


def test_a_full_disk_is_named_and_finished_batches_are_kept(build, tmp_path):
    build("example", counts=((100, 900), (9,)))
    program = """
        import resource, sys
        from cuda_convnet.data.batches import BatchFolder, BatchWriter
        from cuda_convnet.errors import DataError
        source = BatchFolder(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        writer = BatchWriter(sys.argv[2], source.meta)
        try:
            for split, number in writer.unfinished():
                batch = source.split(split)[number - 1].read()
                writer.write(split, number, batch.images, batch.labels, batch.names)
        except DataError as error:
            print(error)
    """
    out = tmp_path / "full"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "example"), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"{out}/train/data_batch_0002.h5 cannot be written (File too large); mend that and run the same "
        "command again: batches that are finished are kept\n"
    )
    assert done.stderr == ""
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["data_batch_0001.h5"]
    other = build("full", counts=((100, 900), (9,)))
    assert not list(verify(other.path))


def test_images_of_another_shape_or_number_are_a_programming_error(tmp_path, plan, contents):
    writer = BatchWriter(tmp_path / "folder", plan())
    images, labels, names = contents(plan(), "train", 1)
    with pytest.raises(ValueError, match="images are uint8"):
        writer.write("train", 1, images[:, :, :8], labels, names)
    with pytest.raises(ValueError, match="has 20 images"):
        writer.write("train", 1, images[:19], labels[:19], names[:19])
    with pytest.raises(ValueError, match="labels go from 0 to 3"):
        writer.write("train", 1, images, labels + 3, names)
    with pytest.raises(ValueError, match="are raw, not jpeg"):
        writer.write_jpegs("train", 1, [b""] * 20, labels, names)


# Verifying


def test_verify_finds_nothing_in_a_whole_folder(build):
    seen = []
    assert not list(verify(build().path, lambda done, total: seen.append((done, total))))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_verify_names_every_file_with_a_problem(build):
    folder = build()
    flip(folder.train[0].path, -50)
    folder.train[2].path.unlink()
    folder.test[0].path.write_bytes(b"")
    (folder.path / "train" / "data_batch_0004.h5").write_bytes(folder.train[1].path.read_bytes())
    found = {problem.path: problem.message for problem in verify(folder.path)}
    assert {path.name for path in found} == {
        "data_batch_0001.h5",
        "data_batch_0003.h5",
        "data_batch_0004.h5",
    }
    assert len(found) == 4
    assert all("\n" not in message and message.startswith(str(path)) for path, message in found.items())


def test_verify_names_a_missing_meta(build):
    folder = build()
    (folder.path / "meta.h5").unlink()
    (problem,) = verify(folder.path)
    assert problem.message.startswith(f"{folder.path}/meta.h5 is missing; {MEND}")


def test_verify_says_that_there_is_no_such_folder(tmp_path):
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        list(verify(tmp_path / "nowhere"))


def test_verify_notices_batches_whose_mean_is_not_the_folders(build, contents):
    folder = build()
    images, labels, names = contents(folder.meta, "train", 1)
    write_raw_batch(folder.train[0].path, folder.meta, "train", 1, 255 - images, labels, names)
    (problem,) = verify(folder.path)
    assert "meta.h5 has a mean image that is not its batches'" in problem.message
