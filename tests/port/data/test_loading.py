"""The loader: the same bits however minibatches are prepared and wherever a run resumes."""

import io
import threading
import time
from itertools import islice

import numpy as np
import plain_augmentation
import pytest
from PIL import Image

from cuda_convnet.data import augmentation, jpeg, loader
from cuda_convnet.data.batch_format import BatchFile
from cuda_convnet.data.batches import BatchWriter
from cuda_convnet.data.loader import DummyData, Loader, Minibatch
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams


def place(minibatch):
    return minibatch.epoch, minibatch.batchnum, minibatch.minibatch


def same(a, b):
    """Whether two minibatches are the same to the bit."""
    return (
        (place(a), a.minibatches, a.num_cases, a.num_views)
        == (place(b), b.minibatches, b.num_cases, b.num_views)
    ) and all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for one, other in zip(a.views, b.views, strict=True)
        for x, y in zip(one, other, strict=True)
    )


def loaders(folder, **options):
    return Loader(folder, "train", **{"seed": 5, "color_noise": 0.1, "minibatch": 8, **options})


def no_threads():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def in_time(condition):
    """Wait until a condition holds, at most five seconds."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    return condition()


@pytest.fixture
def jpegs(tmp_path, plan):
    """Makes a folder of JPEGs, as `build` makes one of raw pixels."""

    def make(**options):
        wanted = plan(shape=(3, 24, 24), encoding="jpeg", **options)
        writer = BatchWriter(tmp_path / "jpegs", wanted)
        for split, number in writer.unfinished():
            count = wanted.counts[split][number - 1]
            pictures = []
            for i in range(count):
                file = io.BytesIO()
                pixels = np.random.RandomState(100 * number + i).randint(0, 256, (24, 24, 3))
                Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=95)
                pictures.append(file.getvalue())
            labels = np.arange(count, dtype=np.int32) % 4
            writer.write_jpegs(split, number, pictures, labels, [f"{i}.jpeg" for i in range(count)])
        return writer.finish()

    return make


# --- what a minibatch is --------------------------------------------------------------------------------
def test_a_minibatch_holds_images_and_labels_as_the_network_takes_them(build, contents):
    folder = build()
    training = Loader(folder, "train", seed=1, minibatch=8)
    assert training.data_dims == {0: 3 * 8 * 8, 1: 1}
    assert training.image_shape == (3, 8, 8)
    assert (training.num_classes, training.num_batches, training.num_views) == (4, 3, 1)
    first, second = islice(training.minibatches(), 2)
    assert (first.epoch, first.batchnum, first.minibatch, first.minibatches) == (1, 1, 0, 3)
    assert (first.num_cases, first.num_views, len(first.views)) == (8, 1, 1)
    images, labels = first.data
    assert (images.shape, images.dtype, images.flags.c_contiguous) == ((192, 8), np.float32, True)
    assert (labels.shape, labels.dtype, labels.flags.c_contiguous) == ((1, 8), np.float32, True)
    found = np.concatenate([labels[0], second.data[1][0]])
    np.testing.assert_array_equal(found, contents(folder.meta, "train", 1)[1][:16])


def test_a_batchs_last_minibatch_may_have_fewer_images(build):
    training = loaders(build())
    assert [training.num_minibatches(number) for number in (1, 2, 3)] == [3, 3, 1]
    cases = [minibatch.num_cases for minibatch in training.minibatches(last_epoch=1)]
    assert cases == [8, 8, 4, 8, 8, 4, 7]
    last = training.prepare(1, 1, 2)
    assert [d.shape for d in last.data] == [(192, 4), (1, 4)]


def test_a_minibatch_larger_than_the_batches_is_a_batch(build):
    training = loaders(build(), minibatch=1000)
    assert [minibatch.num_cases for minibatch in training.minibatches(last_epoch=1)] == [20, 20, 7]


def test_one_image_is_a_minibatch(build):
    folder = build(counts=((1,), (1,)))
    assert [d.shape for d in next(loaders(folder).minibatches()).data] == [(192, 1), (1, 1)]
    views = next(Loader(folder, "test", seed=1, multiview=True).minibatches()).views
    assert [[d.shape for d in view] for view in views] == [[(192, 1), (1, 1)]] * 10


def test_labels_can_be_distributions(build):
    folder = build()
    minibatch = loaders(folder, data_dims={0: 192, 1: 1, 2: 4}).prepare(1, 1, 1)
    labels, distributions = minibatch.data[1:]
    assert (distributions.shape, distributions.dtype) == ((4, 8), np.float32)
    np.testing.assert_array_equal(distributions, labels == np.arange(4)[:, None])


def test_label_matrix_of_one_class_is_labels():
    np.testing.assert_array_equal(loader.label_matrix(np.array([2, 0]), 1), [[2.0, 0.0]])


def test_images_without_labels_belong_to_no_class():
    labels = np.array([2, -1, 0])
    np.testing.assert_array_equal(loader.label_matrix(labels, 1), [[2, -1, 0]])
    np.testing.assert_array_equal(loader.label_matrix(labels, 3), [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


# --- in which order -------------------------------------------------------------------------------------
def test_epochs_and_batches_count_from_one_and_go_on_without_end(build):
    places = [place(m) for m in islice(loaders(build(), minibatch=10).minibatches(), 8)]
    assert places == [
        (1, 1, 0), (1, 1, 1), (1, 2, 0), (1, 2, 1), (1, 3, 0), (2, 1, 0), (2, 1, 1), (2, 2, 0),
    ]  # fmt: skip


def test_minibatches_end_with_the_last_epoch(build):
    places = [place(m) for m in loaders(build(), minibatch=20).minibatches(2, 3, last_epoch=3)]
    assert places == [(2, 3, 0), (3, 1, 0), (3, 2, 0), (3, 3, 0)]
    assert not list(loaders(build()).minibatches(2, 1, last_epoch=1))


@pytest.mark.parametrize("prefetch", [0, 2])
def test_after_a_batchs_last_minibatch_comes_the_next_batch(build, prefetch):
    training = loaders(build(), prefetch=prefetch)
    assert place(next(training.minibatches(1, 2, 3))) == (1, 3, 0)
    assert place(next(training.minibatches(1, 3, 1))) == (2, 1, 0)
    assert not list(training.minibatches(1, 3, 1, last_epoch=1))


@pytest.mark.parametrize("start", [(0, 1), (1, 0), (1, 4)])
def test_a_position_outside_the_folder_is_named(build, start):
    with pytest.raises(DataError, match=r"there is no batch .*batches from 1 to 3"):
        next(loaders(build()).minibatches(*start))


@pytest.mark.parametrize("minibatch", [-1, 4])
def test_a_minibatch_outside_its_batch_is_named(build, minibatch):
    with pytest.raises(DataError, match=f"no minibatch {minibatch} of batch 1: they count from 0 to 2"):
        next(loaders(build()).minibatches(1, 1, minibatch))


# --- the same bits --------------------------------------------------------------------------------------
def whole_batch(folder, epoch, batchnum, border, scale):
    """What training sees of a whole batch, from the streams' draws for the whole batch."""
    images = folder.train[batchnum - 1].read().images_last
    streams, colors, augment = RandomStreams(5), folder.meta.statistics, folder.meta.augmentation
    crops = augmentation.draw_crops(
        streams.at("crops", epoch, batchnum), images.shape[-1], border, augment.crop_chunk, augment.reflect
    )
    noise = augmentation.draw_color_noise(
        streams.at("colour noise", epoch, batchnum),
        images.shape[-1],
        colors.color_eigenvalues,
        colors.color_eigenvectors,
    )
    mean = augmentation.crop_mean(colors.mean_image, border)
    return augmentation.training_images(images, mean, crops, border, noise, scale)


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize("crop_chunk", [1, 8, 32])
@pytest.mark.parametrize("minibatch", [3, 12, 32, 100])
def test_minibatches_are_pieces_of_the_whole_batch(build, jpegs, encoding, crop_chunk, minibatch):
    make = build if encoding == "raw" else jpegs
    folder = make(counts=((70, 41), (9,)), crop_chunk=crop_chunk)
    training = loaders(folder, minibatch=minibatch)
    for batchnum in (1, 2):
        wanted = whole_batch(folder, 4, batchnum, 2, 0.1)
        pieces = islice(training.minibatches(4, batchnum), training.num_minibatches(batchnum))
        found = np.concatenate([piece.data[0] for piece in pieces], axis=1)
        np.testing.assert_array_equal(found, wanted.reshape(found.shape))


@pytest.mark.parametrize(("prefetch", "workers"), [(1, 1), (2, 1), (5, 3), (1, 4), (40, 2), (None, None)])
def test_minibatches_have_the_same_bits_however_they_are_prepared(build, prefetch, workers):
    folder = build()
    plain = islice(loaders(folder, prefetch=0).minibatches(), 16)
    ahead = islice(loaders(folder, prefetch=prefetch, workers=workers).minibatches(), 16)
    assert all(same(a, b) for a, b in zip(plain, ahead, strict=True))


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize("prefetch", [0, 3])
def test_minibatches_have_the_same_bits_wherever_a_run_resumes(build, jpegs, encoding, prefetch):
    training = loaders(build() if encoding == "raw" else jpegs(), prefetch=prefetch)
    whole = list(islice(training.minibatches(), 10))
    for done, minibatch in enumerate(whole):
        resumed = islice(training.minibatches(*place(minibatch)), 2)
        assert all(same(a, b) for a, b in zip(resumed, whole[done : done + 2], strict=False))
        assert same(training.prepare(*place(minibatch)), minibatch)


def test_minibatches_that_were_given_out_stay_as_they_are(build):
    training = loaders(build(), prefetch=1, workers=2)
    kept = list(islice(training.minibatches(), 20))
    assert all(same(minibatch, training.prepare(*place(minibatch))) for minibatch in kept)


def test_epochs_and_seeds_draw_differently(build):
    folder = build()
    first, second = (next(loaders(folder).minibatches(epoch)) for epoch in (1, 2))
    other = next(loaders(folder, seed=6).minibatches())
    assert not np.array_equal(first.data[0], second.data[0])
    assert not np.array_equal(first.data[0], other.data[0])


# --- what is done to images -----------------------------------------------------------------------------
def test_training_images_are_the_augmentations_with_the_streams_draws(build):
    folder = build()
    minibatch = loaders(folder, minibatch=20).prepare(4, 2)
    images = folder.train[1].read().images_last
    streams, colors = RandomStreams(5), folder.meta.statistics
    crops = augmentation.draw_crops(streams.at("crops", 4, 2), 20, 2, 8, True)
    noise = augmentation.draw_color_noise(
        streams.at("colour noise", 4, 2), 20, colors.color_eigenvalues, colors.color_eigenvectors
    )
    wanted = plain_augmentation.crop(images, crops, 2)
    plain_augmentation.subtract_mean(wanted, augmentation.crop_mean(colors.mean_image, 2))
    plain_augmentation.add_color_noise(wanted, noise, 0.1)
    np.testing.assert_array_equal(minibatch.data[0], wanted.reshape(192, 20))


def test_colour_noise_does_not_move_the_crops(build):
    folder = build()
    with_noise = loaders(folder, color_noise=1e-30).prepare(1, 1)
    without = loaders(folder, color_noise=0.0).prepare(1, 1)
    np.testing.assert_allclose(with_noise.data[0], without.data[0], atol=1e-20)


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_tests_see_centres_without_noise(build, jpegs, encoding):
    folder = (build if encoding == "raw" else jpegs)()
    minibatch = next(Loader(folder, "test", seed=5, color_noise=0.1).minibatches())
    images = folder.test[0].read().images_last.astype(np.float32)
    wanted = (images - folder.meta.statistics.mean_image[..., None])[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(minibatch.data[0], wanted.reshape(-1, 9))


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
@pytest.mark.parametrize(("reflect", "views"), [(True, 10), (False, 5)])
def test_a_test_on_several_views_has_the_data_of_each(build, jpegs, encoding, reflect, views):
    folder = (build if encoding == "raw" else jpegs)(reflect=reflect)
    testing = Loader(folder, "test", seed=5, minibatch=5, multiview=True)
    pieces = list(testing.minibatches(last_epoch=1))
    assert testing.num_views == views
    assert [(p.minibatch, p.minibatches, p.num_cases, p.num_views) for p in pieces] == [
        (0, 2, 5, views),
        (1, 2, 4, views),
    ]
    contents = folder.test[0].read()
    mean = augmentation.crop_mean(folder.meta.statistics.mean_image, 2)
    for view in range(views):
        images, labels = zip(*(piece.views[view] for piece in pieces), strict=True)
        assert all(array.flags.c_contiguous and array.dtype == np.float32 for array in images)
        wanted = augmentation.view_images(contents.images_last, mean, 2, view)
        np.testing.assert_array_equal(np.concatenate(images, axis=1), wanted.reshape(-1, 9))
        np.testing.assert_array_equal(np.concatenate(labels, axis=1), contents.labels[None])


def test_views_are_computed_when_they_are_asked_for(build, monkeypatch):
    computed = []
    view_images = augmentation.view_images
    monkeypatch.setattr(
        augmentation, "view_images", lambda *given: computed.append(given[3]) or view_images(*given)
    )
    views = next(Loader(build(), "test", seed=5, multiview=True).minibatches()).views
    assert computed == []
    for seen, _ in enumerate(views):
        assert computed == list(range(seen + 1))
    assert len(computed) == len(views) == 10
    np.testing.assert_array_equal(views[-1][0], views[9][0])
    np.testing.assert_array_equal(views[8:][0][0], views[8][0])
    with pytest.raises(IndexError):
        views[10]


def test_training_has_one_view_and_testing_no_noise(build):
    folder = build()
    training = Loader(folder, "train", seed=5, multiview=True)
    assert training.num_views == 1
    assert same(training.prepare(1, 1), Loader(folder, "train", seed=5).prepare(1, 1))
    testing = Loader(folder, "test", seed=5, color_noise=0.1)
    assert same(testing.prepare(1, 1), Loader(folder, "test", seed=6).prepare(1, 1))


def test_a_dataset_that_must_not_be_reflected_never_is(build):
    folder = build(reflect=False, crop_chunk=1, shape=(1, 5, 5), counts=((200,), (9,)))
    training = Loader(folder, "train", seed=5, crop_border=1, scalar_mean=True, minibatch=200)
    images = folder.train[0].read().images_last.astype(np.float32)
    images -= augmentation.scalar_mean(folder.meta.statistics.mean_image)[..., None]
    crops = {(y, x): images[:, y : y + 3, x : x + 3].reshape(9, -1) for y in range(3) for x in range(3)}
    found = training.prepare(1, 1).data[0]
    for i in range(200):
        assert any(np.array_equal(found[:, i], crop[:, i]) for crop in crops.values())


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_without_a_border_images_are_whole_and_as_they_are(build, jpegs, encoding):
    folder = (build if encoding == "raw" else jpegs)()
    minibatch = loaders(folder, color_noise=0.0, crop_border=0, minibatch=20).prepare(1, 1)
    images = folder.train[0].read().images_last.astype(np.float32)
    wanted = images - folder.meta.statistics.mean_image[..., None]
    np.testing.assert_array_equal(minibatch.data[0], wanted.reshape(-1, 20))


# --- what does not fit ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"crop_border": 6}, "a crop border of 6 leaves nothing of 12x12 images; it can be 0 to 5"),
        ({"crop_border": -1}, "a crop border of -1 leaves nothing"),
        ({"color_noise": -0.1}, "is less than 0"),
        ({"minibatch": 0}, "a minibatch of 0 images; it has at least one"),
        ({"data_dims": {0: 432, 1: 1}}, "192 values .3 channels of 8x8, crop border 2.*wants 432"),
        ({"data_dims": {0: 192, 1: 10}}, "labels .1 value. or distributions over labels .4 values."),
        ({"data_dims": {0: 192, 2: 1}}, r"data indices \[0, 2\] do not count from 0"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_named(build, options, reason):
    with pytest.raises(DataError, match=reason) as error:
        Loader(build(), "train", seed=1, **options)
    assert "\n" not in str(error.value)


def test_several_views_need_a_border(build):
    with pytest.raises(DataError, match="a test on several views needs a crop border of at least 1"):
        Loader(build(), "test", seed=1, multiview=True, crop_border=0)


# --- what goes wrong on the way -------------------------------------------------------------------------
@pytest.mark.parametrize("prefetch", [0, 1, 10])
def test_a_damaged_batch_is_raised_when_it_is_due_and_threads_end(build, prefetch):
    folder = build()
    folder.train[2].path.write_bytes(b"")
    minibatches = loaders(folder, prefetch=prefetch, minibatch=20).minibatches()
    assert [next(minibatches).batchnum, next(minibatches).batchnum] == [1, 2]
    with pytest.raises(DataError, match=r"data_batch_0003.h5 is empty"):
        next(minibatches)
    assert no_threads()


@pytest.mark.parametrize("start", [0, 2])
def test_a_batch_is_verified_whole_wherever_one_starts_in_it(build, start):
    folder = build(counts=((20,), (9,)))
    data = bytearray(folder.train[0].path.read_bytes())
    data[len(data) // 3] ^= 1
    folder.train[0].path.write_bytes(data)
    with pytest.raises(DataError, match=r"data_batch_0001.h5 is damaged"):
        next(loaders(folder).minibatches(1, 1, start))


def test_a_picture_that_cannot_be_decoded_is_named_when_it_is_due(jpegs, monkeypatch):
    folder = jpegs(counts=((20,), (9,)))
    bad = folder.train[0].read_jpegs().jpegs()[13]
    decoder = jpeg._decoder()

    def decode(picture, *more):
        if picture == bad:
            raise ValueError
        return decoder(picture, *more)

    monkeypatch.setattr(jpeg, "_decoder", lambda: decode)
    minibatches = loaders(folder).minibatches()
    assert next(minibatches).minibatch == 0
    with pytest.raises(DataError, match=r"0001.h5 has an image that is not a JPEG of 24x24: '13.jpeg'"):
        next(minibatches)
    assert no_threads()
    assert place(next(loaders(folder).minibatches(1, 1, 2))) == (1, 1, 2)


def test_what_goes_wrong_in_a_thread_is_raised_as_itself(build, monkeypatch):
    def fail(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(augmentation, "draw_crops", fail)
    with pytest.raises(MemoryError, match="no more"):
        next(loaders(build()).minibatches())
    assert no_threads()


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_closing_stops_the_threads(build, workers):
    minibatches = loaders(build(), prefetch=3, workers=workers).minibatches()
    next(minibatches)
    assert not no_threads()
    minibatches.close()
    assert no_threads()


def test_closing_waits_for_what_is_in_work_and_prepares_no_more(build, monkeypatch):
    prepared, opened = [], threading.Event()
    prepare = Loader._prepare

    def slow(self, batch, minibatch):
        prepared.append(minibatch)
        if len(prepared) > 1:
            opened.wait(5)
        return prepare(self, batch, minibatch)

    monkeypatch.setattr(Loader, "_prepare", slow)
    minibatches = loaders(build(), prefetch=40, workers=1).minibatches()
    next(minibatches)
    assert in_time(lambda: len(prepared) == 2)
    opener = threading.Timer(0.05, opened.set)
    opener.start()
    minibatches.close()
    assert opened.is_set()
    assert no_threads()
    assert len(prepared) == 2
    opener.join()


def test_an_interrupt_in_the_consumer_stops_the_threads(build):
    def consume():
        for _ in loaders(build(), prefetch=3).minibatches():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert no_threads()


# --- how much is done ahead -----------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_minibatches_are_prepared_than_asked_for(build, monkeypatch, workers):
    prepared = []
    prepare = Loader._prepare
    monkeypatch.setattr(
        Loader,
        "_prepare",
        lambda self, batch, number: prepared.append((batch.batchnum, number)) or prepare(self, batch, number),
    )
    minibatches = loaders(build(), prefetch=2, workers=workers).minibatches()
    for done in range(1, 9):
        next(minibatches)
        assert in_time(lambda done=done: len(prepared) >= done + 2)
        time.sleep(0.01)
        assert len(prepared) == done + 2
    minibatches.close()


def test_minibatches_are_prepared_while_the_consumer_computes(build, monkeypatch):
    begun = threading.Event()
    prepare = Loader._prepare

    def second_is_seen(self, batch, minibatch):
        if minibatch == 1:
            begun.set()
        return prepare(self, batch, minibatch)

    monkeypatch.setattr(Loader, "_prepare", second_is_seen)
    minibatches = loaders(build(), prefetch=1).minibatches()
    assert next(minibatches).minibatch == 0
    assert begun.wait(5)
    minibatches.close()


@pytest.mark.parametrize(("prefetch", "workers"), [(0, 1), (1, 1), (4, 3)])
def test_a_batch_is_read_once_in_an_epoch_and_at_most_the_next_one_ahead(
    build, monkeypatch, prefetch, workers
):
    training = loaders(build(counts=((40, 40, 40), (9,))), prefetch=prefetch, workers=workers)
    read = []
    read_file = BatchFile.read
    monkeypatch.setattr(
        BatchFile, "read", lambda file, *how: read.append(file.number) or read_file(file, *how)
    )
    for minibatch in training.minibatches(last_epoch=2):
        in_work = -(-(minibatch.minibatch + 1 + prefetch) // 5)
        assert len(read) <= 3 * (minibatch.epoch - 1) + minibatch.batchnum - 1 + in_work + 1
    assert sorted(read) == [1, 1, 2, 2, 3, 3]


def test_only_what_is_needed_is_decoded_on_resuming(jpegs, monkeypatch):
    folder = jpegs(counts=((20,), (9,)))
    decoded = []
    decoder = jpeg._decoder()
    monkeypatch.setattr(
        jpeg, "_decoder", lambda: lambda picture, *more: decoded.append(picture) or decoder(picture, *more)
    )
    list(loaders(folder).minibatches(1, 1, 2, last_epoch=1))
    assert decoded == folder.train[0].read_jpegs().jpegs()[16:]


# --- dummy data -----------------------------------------------------------------------------------------
def test_dummy_data_is_seeded_and_in_range():
    options = {"cases": 300, "minibatch": 300, "seed": 3}
    dummy = DummyData({0: 12, 1: 1, 2: 5}, 5, **options)
    assert (dummy.num_batches, dummy.num_classes, dummy.data_dims) == (1, 5, {0: 12, 1: 1, 2: 5})
    first, second, third = dummy.minibatches(last_epoch=3)
    assert isinstance(first, Minibatch)
    assert [place(m) for m in (first, second, third)] == [(1, 1, 0), (2, 1, 0), (3, 1, 0)]
    images, labels, distributions = first.data
    assert all(d.dtype == np.float32 for d in first.data)
    assert (images.shape, labels.shape, distributions.shape) == ((12, 300), (1, 300), (5, 300))
    assert 0 <= images.min() < 0.01
    assert 0.99 < images.max() < 1
    assert set(labels[0]) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(distributions, labels == np.arange(5)[:, None])
    assert same(next(DummyData({0: 12, 1: 1, 2: 5}, 5, **options).minibatches(2)), second)
    assert not np.array_equal(first.data[0], second.data[0])


def test_dummy_data_comes_in_minibatches_of_one_batch():
    whole = next(DummyData({0: 12, 1: 1}, 5, cases=300, minibatch=300, seed=3).minibatches())
    dummy = DummyData({0: 12, 1: 1}, 5, cases=300, minibatch=128, seed=3)
    pieces = list(dummy.minibatches(last_epoch=1))
    assert [(p.minibatch, p.minibatches, p.num_cases) for p in pieces] == [
        (0, 3, 128),
        (1, 3, 128),
        (2, 3, 44),
    ]
    for index in (0, 1):
        assert all(piece.data[index].flags.c_contiguous for piece in pieces)
        found = np.concatenate([piece.data[index] for piece in pieces], axis=1)
        np.testing.assert_array_equal(found, whole.data[index])
    assert place(next(dummy.minibatches(1, 1, 2))) == (1, 1, 2)


def test_dummy_data_refuses_labels_it_cannot_make():
    with pytest.raises(DataError, match="data 1 has 7 values per image, and labels have 1 or 5"):
        DummyData({0: 12, 1: 7}, 5, seed=3)
