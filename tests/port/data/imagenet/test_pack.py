"""ImageNet as a batch folder: what is in it, what it says of itself, and how a run goes on."""

import csv
import hashlib
import io
import os
import random
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import h5py
import numpy as np
import pytest

import imagenet_archive
from cuda_convnet.data.batches import BatchFolder, verify
from cuda_convnet.data.imagenet import pack, task
from cuda_convnet.data.imagenet.pack import pack_imagenet
from cuda_convnet.data.imagenet.pictures import RESAMPLING, encode, libraries, prepare
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams

SMALL = ((40, 30), (30, 44), (32, 32))
SIZE = 32
TROUBLES = ("truncated_jpeg", "text_named_jpeg", "grey_jpeg", "zero_bytes", "duplicate", "readme")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Four classes of seven images and some troubles; validation and test sets."""
    folder = tmp_path_factory.mktemp("archive")
    return imagenet_archive.build(folder, classes=4, images=7, val=9, test=5, sizes=SMALL, troubles=TROUBLES)


@pytest.fixture
def make(archive, tmp_path):
    """Packs the archive, or what `src` says, into `tmp_path / name`, within this process."""

    def run(name="folder", src=None, **options):
        with ThreadPoolExecutor(1) as executor:
            options = {"size": SIZE, "batch_size": 8, "executor": executor, **options}
            return pack_imagenet(src or archive.src, tmp_path / name, **options)

    return run


class OneByOne(Executor):
    """Works where it is called, until a number of tasks are done; then a task fails."""

    def __init__(self, tasks):
        self.tasks = tasks

    def submit(self, fn, *args):
        future = Future()
        if self.tasks == 0:
            future.set_exception(DataError("enough"))
        else:
            future.set_result(fn(*args))
            self.tasks -= 1
        return future


def begin(make, tasks, name="folder", **options):
    """Begin a folder, and break off after so many batches."""
    with pytest.raises(DataError, match="enough"):
        make(name, executor=OneByOne(tasks), **options)


def tree(folder):
    """All files below a folder, with their bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def identities(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*.h5")}


def rows(folder):
    return list(csv.reader(io.StringIO((folder / "rejected.csv").read_text())))


def stored(folder, split):
    """{name: (label, pixels)} of a split."""
    found = {}
    for file in folder.split(split):
        batch = file.read()
        for name, label, pixels in zip(batch.names, batch.labels, batch.images, strict=True):
            found[name] = int(label), pixels
    return found


# What is in it


@pytest.mark.parametrize("store", ["jpeg", "raw"])
def test_every_fine_image_is_there_with_its_label(make, archive, store):
    folder = make(store=store).folder
    for split in ("train", "test", "unlabelled"):
        assert {name: label for name, (label, _) in stored(folder, split).items()} == archive.fine(split)
    assert folder.meta.encoding == store


def test_raw_pixels_are_the_prepared_ones(make, archive):
    folder, sources = make(store="raw").folder, archive.data("train")
    for name, (_, pixels) in stored(folder, "train").items():
        np.testing.assert_array_equal(pixels.transpose(1, 2, 0), prepare(sources[name], SIZE))


def test_jpegs_are_those_of_the_prepared_pixels(make, archive):
    folder, sources = make(quality=80).folder, archive.data("test")
    for file in folder.test:
        contents = file.read_jpegs()
        for name, jpeg in zip(contents.names, contents.jpegs(), strict=True):
            assert jpeg == encode(prepare(sources[name], SIZE), 80)


def test_training_images_are_shuffled_once_by_the_seed(make, archive):
    names = sorted(archive.data("train"))
    order = RandomStreams(5).at("order").permutation(len(names))
    wanted = [names[i] for i in order if names[i] in archive.fine("train")]
    found = [name for file in make(seed=5).folder.train for name in file.read().names]
    assert found == wanted
    assert found != sorted(found)


def test_test_images_come_in_the_order_of_their_names(make):
    folder = make().folder
    for split in ("test", "unlabelled"):
        found = [name for file in folder.split(split) for name in file.read().names]
        assert found == sorted(found)


def test_statistics_are_those_of_the_pixels(make):
    folder = make(store="raw").folder
    images = np.concatenate([file.read().images for file in folder.train])
    wanted, found = PixelSums.of(images).statistics(), folder.meta.statistics
    np.testing.assert_array_equal(found.mean_image, wanted.mean_image)
    np.testing.assert_array_equal(found.color_eigenvalues, wanted.color_eigenvalues)
    np.testing.assert_array_equal(found.color_eigenvectors, wanted.color_eigenvectors)
    values = images.astype(np.float64)
    np.testing.assert_array_equal(found.mean_image, values.mean(axis=0).astype(np.float32))
    colors = values.transpose(1, 0, 2, 3).reshape(3, -1)
    vectors = found.color_eigenvectors
    np.testing.assert_allclose(
        vectors @ np.diag(found.color_eigenvalues) @ vectors.T, np.cov(colors, bias=True), rtol=1e-12
    )


def test_statistics_do_not_depend_on_the_store(make):
    jpeg, raw = (make(name=store, store=store).folder.meta.statistics for store in ("jpeg", "raw"))
    np.testing.assert_array_equal(jpeg.mean_image, raw.mean_image)
    np.testing.assert_array_equal(jpeg.color_eigenvalues, raw.color_eigenvalues)
    np.testing.assert_array_equal(jpeg.color_eigenvectors, raw.color_eigenvectors)


def test_classes_have_names_and_ids(make, archive):
    meta = make().folder.meta
    assert meta.class_ids == archive.wnids
    assert meta.class_names == archive.words


def test_a_choice_of_classes_makes_a_smaller_folder(make, archive):
    meta = make(classes="2").folder.meta
    assert meta.class_ids == archive.wnids[:2]
    assert 0 < meta.num_images("train") < len(archive.fine("train"))


def test_images_are_cropped_and_reflected_as_in_2012(make):
    augmentation = make(size=256).folder.meta.augmentation
    assert (augmentation.crop_border, augmentation.crop_chunk, augmentation.reflect) == (16, 32, True)


def test_the_recipe_says_how_the_folder_was_made(make):
    recipe = make(quality=90, seed=3).folder.meta.recipe
    assert recipe["kind"] == "ILSVRC2012"
    assert len(recipe["catalogue_sha256"]) == 64
    assert (recipe["seed"], recipe["size"], recipe["batch_size"]) == (3, SIZE, 8)
    assert (recipe["store"], recipe["quality"]) == ("jpeg", 90)
    assert recipe["resampling"] == RESAMPLING
    assert recipe["libraries"] == libraries()
    assert "quality" not in make("raw", store="raw").folder.meta.recipe


def test_the_bytes_of_all_sources_are_hashed_in_order(make, archive):
    folder = make().folder
    names = sorted(archive.data("train"))
    order = [names[i] for i in RandomStreams(0).at("order").permutation(len(names))]
    whole = hashlib.sha256()
    for split, images in (
        ("train", order),
        ("test", sorted(archive.data("test"))),
        ("unlabelled", sorted(archive.data("unlabelled"))),
    ):
        for first in range(0, len(images), 8):
            batch = hashlib.sha256()
            for name in images[first : first + 8]:
                data = archive.data(split)[name]
                batch.update(len(data).to_bytes(8, "little") + data)
            whole.update(batch.digest())
    assert folder.meta.made["sources_sha256"] == whole.hexdigest()


# What cannot be used


def test_every_rejection_is_listed_by_name_with_its_reason(make, archive):
    packed = make()
    header, *listed = rows(packed.folder.path)
    assert header == ["split", "name", "source", "reason"]
    assert listed == sorted(listed)
    for split in ("train", "test"):
        wanted = {**archive.undecodable(split), **archive.rejected(split)}
        again = " (again)"  # what the archive calls the second image of a name
        assert {name for of, name, _, _ in listed if of == split} == {n.removesuffix(again) for n in wanted}
    reasons = {name.rpartition("_")[2]: reason for _, name, _, reason in listed}
    assert reasons["jpeg.JPEG"] in ("truncated JPEG", "not an image")
    assert {source for of, _, source, _ in listed if of == "train"} == {"ILSVRC2012_img_train.tar"}
    assert packed.rejected == len(listed)


def test_the_counts_add_up(make):
    packed = make()
    meta = packed.folder.meta
    used = sum(meta.num_images(split) for split in meta.splits)
    held = sum(file.check() for split in meta.splits for file in packed.folder.split(split))
    assert used == held
    assert packed.sources == used + packed.rejected
    assert meta.made["sources"] == packed.sources
    planned = sum(sum(meta.planned[split]) for split in meta.splits)
    assert planned - used == sum(sum(lost) for lost in meta.rejected.values()) == 4


def test_rejected_csv_is_a_header_alone_where_nothing_is_rejected(make, tmp_path):
    source = imagenet_archive.build(tmp_path / "src", classes=2, images=3, val=3, sizes=SMALL)
    packed = make(src=source.src)
    assert packed.rejected == 0
    assert (packed.folder.path / "rejected.csv").read_bytes() == b"split,name,source,reason\n"


def test_a_batch_that_lost_all_its_images_has_no_file(make, archive):
    folder = make(batch_size=1).folder
    assert {name: label for name, (label, _) in stored(folder, "train").items()} == archive.fine("train")
    assert len(folder.train) == len(folder.meta.planned["train"]) - 2
    missing = [number for number, count in enumerate(folder.meta.counts["train"], 1) if count == 0]
    assert not any((folder.path / f"train/data_batch_{number:04d}.h5").exists() for number in missing)
    assert not list(verify(folder.path))
    before = identities(folder.path)
    make(batch_size=1)
    assert identities(folder.path) == before


@pytest.mark.parametrize(
    "out", [".", "train", "train/out", "val", "test", "val/n00000001/out", "ILSVRC2012_devkit_t12"]
)
@pytest.mark.parametrize("layout", ["tars", "folders"])
def test_batches_are_not_put_among_the_images(make, tmp_path, layout, out):
    source = imagenet_archive.build(tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, layout=layout)
    before = tree(source.src)
    with pytest.raises(DataError, match=r"lies among the images of .*; give --out a folder elsewhere"):
        make(f"src/{out}", src=source.src)
    assert tree(source.src) == before


@pytest.mark.parametrize("out", [".", "own", "own/train", "own/out", "own/train/n02119789"])
def test_batches_are_not_put_among_images_of_ones_own(make, tmp_path, out):
    imagenet_archive.build(tmp_path / "own/train", classes=2, images=9, sizes=SMALL, layout="own")
    (tmp_path / "link").symlink_to("own")
    before = tree(tmp_path)
    if out in (".", "own/out"):
        assert make(out, src=tmp_path / "link/train").rejected == 0
    else:
        with pytest.raises(DataError, match="lies among the images"):
            make(out, src=tmp_path / "link/train")
        assert tree(tmp_path) == before


def test_batches_may_lie_beside_the_archives(make, tmp_path):
    source = imagenet_archive.build(tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL)
    whole = tree(make("elsewhere", src=source.src).folder.path)
    begin(make, 2, "src/out", src=source.src)
    assert tree(make("src/out", src=source.src).folder.path) == whole


def test_rejections_name_one_source_however_they_are_found(make, tmp_path, monkeypatch):
    source = imagenet_archive.build(
        tmp_path / "own",
        classes=2,
        images=9,
        sizes=SMALL,
        layout="own",
        troubles=("readme", "text_named_jpeg"),
    )
    assert {source for _, _, source, _ in rows(make(src=source.src).folder.path)[1:]} == {"own"}
    monkeypatch.chdir(source.src)
    assert tree(make("again", src=".").folder.path) == tree(tmp_path / "folder")


def test_no_path_in_the_list_of_rejections_is_a_formula(make, tmp_path):
    source = imagenet_archive.build(tmp_path / "own", classes=2, images=9, sizes=SMALL, layout="own")
    for name in ("=1+1.txt", "@a,b.txt", '-"q".txt', "plain.txt"):
        (source.src / name).write_bytes(b"x")
    (source.src / "=class").mkdir()
    (source.src / "=class/a.JPEG").write_bytes(b"no picture")
    (source.src / "=class/b.JPEG").write_bytes(next((source.src / "n02119789").iterdir()).read_bytes())
    make(src=source.src)
    found = rows(tmp_path / "folder")[1:]
    assert found == sorted(found)
    assert [name for _, name, _, _ in found] == [
        "./=class/a.JPEG", './-"q".txt', "./=1+1.txt", "./@a,b.txt", "plain.txt",
    ]  # fmt: skip


def test_classes_may_be_named_by_a_pipe(make, archive):
    ends = os.pipe()
    os.write(ends[1], archive.wnids[1].encode())
    os.close(ends[1])
    assert make(classes=f"@/dev/fd/{ends[0]}").folder.meta.class_ids == archive.wnids[1:2]
    os.close(ends[0])


def test_a_training_set_of_which_nothing_can_be_used_is_an_error(make, tmp_path):
    for split in ("train", "val"):
        folder = tmp_path / "src" / split / "n00000001"
        folder.mkdir(parents=True)
        (folder / "a.JPEG").write_bytes(b"this is no picture" * 10)
    with pytest.raises(
        DataError, match=r"none of the images for train can be used: 1 are rejected, '.*a\.JPEG'"
    ):
        make(src=tmp_path / "src")


def test_strict_stops_at_what_the_catalogue_rejects(make, tmp_path):
    with pytest.raises(
        DataError, match=r"ILSVRC2012_img_.*tar: '.*' cannot be used \(.*\); without --strict"
    ):
        make(strict=True)
    assert not (tmp_path / "folder").exists()


def test_strict_stops_at_an_image_that_cannot_be_decoded(make, tmp_path):
    source = imagenet_archive.build(
        tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, troubles=("truncated_jpeg",)
    )
    with pytest.raises(DataError, match=r"truncated_jpeg.JPEG' cannot be used \(truncated JPEG\)"):
        make(src=source.src, strict=True, batch_size=1)
    done = {path: was for path, was in identities(tmp_path / "folder").items() if path.parent.name == "train"}
    assert done
    assert make(src=source.src, batch_size=1).rejected == 2
    after = identities(tmp_path / "folder")
    assert {path: after[path] for path in done} == done


@pytest.mark.parametrize("hidden", [False, True])
def test_too_little_memory_is_one_line_with_its_mend(make, monkeypatch, hidden):
    def fail(*_):
        try:
            raise MemoryError
        finally:
            if hidden:
                raise ValueError("I/O operation on closed file.")

    monkeypatch.setattr(task, "prepare", fail)
    with pytest.raises(
        DataError, match=r"memory ran out over batch \d+ of train; .* fewer workers, or .*\w$"
    ):
        make()


@pytest.mark.parametrize("tasks", [10, None])
def test_strict_stops_at_a_rejection_of_an_earlier_run(make, tmp_path, tasks):
    source = imagenet_archive.build(
        tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, troubles=("truncated_jpeg",)
    )
    if tasks:
        begin(make, tasks, src=source.src, batch_size=2)
    else:
        make(src=source.src, batch_size=2)
    with pytest.raises(DataError, match="truncated JPEG"):
        make(src=source.src, strict=True, batch_size=2)


# Going on


def test_a_run_that_was_broken_off_goes_on(make, tmp_path):
    whole = tree(make("whole").folder.path)
    begin(make, 2)
    before = identities(tmp_path / "folder")
    batches = [path for path in before if path.name.startswith("data_batch")]
    assert len(batches) == 2
    make()
    after = identities(tmp_path / "folder")
    assert all(after[path] == before[path] for path in batches)
    assert tree(tmp_path / "folder") == whole


def test_going_on_does_not_scan_the_sources_again(make, monkeypatch):
    begin(make, 2)
    monkeypatch.setattr(pack, "make_catalogue", None)
    make()


def test_sources_that_changed_are_scanned_again_and_refused(make, tmp_path):
    source = imagenet_archive.build(
        tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, layout="folders"
    )
    begin(make, 1, src=source.src)
    next((source.src / "train").rglob("*.JPEG")).unlink()
    with pytest.raises(DataError, match="holds another dataset"):
        make(src=source.src)


def test_a_batch_whose_note_is_lost_is_made_again(make, tmp_path):
    whole = tree(make("whole").folder.path)
    begin(make, 2)
    note = tmp_path / "folder/unfinished/train_0001.h5"
    data = bytearray(note.read_bytes())
    data[-100] ^= 4
    note.write_bytes(data)
    make()
    assert tree(tmp_path / "folder") == whole


def test_a_finished_folder_is_left_as_it_is(make):
    folder = make().folder.path
    before = identities(folder)
    packed = make()
    assert identities(folder) == before
    assert packed.rejected == len(rows(folder)) - 1


@pytest.mark.parametrize("name", ["train/data_batch_0002.h5", "rejected.csv", "meta.h5"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_what_is_missing_or_damaged_is_made_again(make, tmp_path, name, how):
    folder = make().folder.path
    whole, before = tree(folder), identities(folder)
    damaged = folder / name
    if how == "missing":
        damaged.unlink()
    else:
        data = bytearray(damaged.read_bytes())
        data[-3] ^= 16
        damaged.write_bytes(data)
        (problem,) = verify(folder)
        assert problem.path == damaged
    make()
    assert tree(folder) == whole
    if name != "meta.h5":
        assert {path for path, is_now in identities(folder).items() if before[path] != is_now} <= {damaged}


def test_a_folder_is_not_mended_from_sources_with_other_pixels(make, tmp_path):
    source = imagenet_archive.build(
        tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, layout="folders"
    )
    folder = make(src=source.src).folder
    victim = source.src / "train" / folder.train[0].read().names[0]
    data = bytearray(victim.read_bytes())
    data[-10] ^= 1
    victim.write_bytes(data)
    folder.train[0].path.unlink()
    with pytest.raises(DataError, match=r"batch 1 of train are not those that .* was made of"):
        make(src=source.src)
    assert not folder.train[0].path.exists()


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    "options",
    [{"seed": 1}, {"store": "raw"}, {"quality": 94}, {"batch_size": 9}, {"size": 33}, {"classes": "3"}],
)
def test_other_options_are_refused_and_the_folder_untouched(make, tmp_path, options, finished):
    if finished:
        make()
    else:
        begin(make, 2)
    before = tree(tmp_path / "folder")
    with pytest.raises(DataError, match=r"holds another dataset.*; give another folder, or empty this one"):
        make(**options)
    assert tree(tmp_path / "folder") == before


def test_a_source_that_goes_away_stops_the_run(make, tmp_path):
    source = imagenet_archive.build(
        tmp_path / "src", classes=2, images=9, val=3, sizes=SMALL, layout="folders"
    )

    class Saboteur(OneByOne):
        def submit(self, fn, *args):
            if self.tasks == 1:
                os.rename(source.src / "train", source.src / "elsewhere")
                self.tasks = 99
            return super().submit(fn, *args)

    with pytest.raises(DataError, match=r"train.*JPEG' is not there any more; mend that and run the same"):
        make(src=source.src, executor=Saboteur(2), batch_size=4)
    os.rename(source.src / "elsewhere", source.src / "train")
    assert make(src=source.src, batch_size=4).rejected == 0


@pytest.mark.parametrize(
    "options",
    [{"quality": 0}, {"quality": 101}, {"size": 0}, {"batch_size": 0}, {"seed": -1}, {"workers": 0}],
)
def test_options_that_make_no_sense_are_named(make, tmp_path, options):
    with pytest.raises(DataError, match=f"{next(iter(options))} = .* is outside"):
        make(**options)
    assert not (tmp_path / "folder").exists()


def test_progress_counts_images(make):
    seen = []
    packed = make(progress=lambda done, total: seen.append((done, total)))
    planned = sum(sum(counts) for counts in packed.folder.meta.planned.values())
    assert seen[0] == (0, planned)
    assert seen[-1] == (planned, planned)
    assert seen == sorted(seen)


# Verifying


def places(path):
    """Which bytes of an HDF5 file are those of which dataset: {name: [(first, after), ...]}."""
    found = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset):
            chunks = [item.id.get_chunk_info(i) for i in range(item.id.get_num_chunks())]
            found[name] = [(chunk.byte_offset, chunk.byte_offset + chunk.size) for chunk in chunks]

    with h5py.File(path, "r") as file:
        file.visititems(look)
    return found


@pytest.mark.parametrize("store", ["jpeg", "raw"])
def test_verify_finds_every_one_of_200_flipped_bits_and_names_file_and_dataset(make, store):
    folder = make(store=store, batch_size=64).folder.path
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    datasets = {path: places(path) for path in files if path.suffix == ".h5"}
    draw = random.Random(145)
    named = 0
    for i in range(200):
        path = files[i % len(files)]
        whole = path.read_bytes()
        place = draw.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        (problem,) = verify(folder)
        path.write_bytes(whole)
        assert problem.path == path
        assert problem.message.startswith(f"{path} ")
        hit = [n for n, parts in datasets.get(path, {}).items() if any(a <= place < b for a, b in parts)]
        if hit:
            named += 1
            assert f"'{hit[0]}'" in problem.message
    assert named > 50
    assert not list(verify(folder))


def test_an_opened_folder_holds_the_rejections(make):
    path = make().folder.path
    meta = BatchFolder(path).meta
    assert meta.rejections == (path / "rejected.csv").read_bytes()
