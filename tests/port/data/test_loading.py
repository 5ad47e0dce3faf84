"""The loader: the same bits however batches are prepared and wherever a run resumes."""

import threading
import time
from itertools import islice

import numpy as np
import pytest

from cuda_convnet.data import augmentation, loader
from cuda_convnet.data.loader import Batch, DummyData, Loader
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams


def same(a, b):
    """Whether two batches are the same to the bit."""
    return (a.epoch, a.batchnum, a.num_views) == (b.epoch, b.batchnum, b.num_views) and all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for x, y in zip(a.data, b.data, strict=True)
    )


def loaders(folder, **options):
    return Loader(folder, "train", seed=5, color_noise=0.1, **options)


def no_threads():
    return not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


def test_a_batch_holds_images_and_labels_as_the_network_takes_them(build, contents):
    folder = build()
    training = Loader(folder, "train", seed=1)
    assert training.data_dims == {0: 3 * 8 * 8, 1: 1}
    assert training.image_shape == (3, 8, 8)
    assert (training.num_classes, training.num_batches, training.num_views) == (4, 3, 1)
    batch = next(training.batches())
    assert (batch.epoch, batch.batchnum, batch.num_cases, batch.num_views) == (1, 1, 20, 1)
    images, labels = batch.data
    assert (images.shape, images.dtype, images.flags.c_contiguous) == ((192, 20), np.float32, True)
    assert (labels.shape, labels.dtype) == ((1, 20), np.float32)
    np.testing.assert_array_equal(labels[0], contents(folder.meta, "train", 1)[1])


def test_epochs_and_batches_count_from_one_and_go_on_without_end(build):
    places = [(b.epoch, b.batchnum) for b in islice(loaders(build()).batches(), 7)]
    assert places == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1)]


def test_batches_end_with_the_last_epoch(build):
    places = [(b.epoch, b.batchnum) for b in loaders(build()).batches(2, 3, last_epoch=3)]
    assert places == [(2, 3), (3, 1), (3, 2), (3, 3)]
    assert not list(loaders(build()).batches(2, 1, last_epoch=1))


def test_a_last_batch_that_is_not_full_is_given_as_it_is(build):
    batch = next(loaders(build()).batches(1, 3))
    assert [d.shape for d in batch.data] == [(192, 7), (1, 7)]


@pytest.mark.parametrize(("prefetch", "workers"), [(1, 1), (2, 1), (5, 3), (1, 4)])
def test_batches_have_the_same_bits_however_they_are_prepared(build, prefetch, workers):
    folder = build()
    plain = islice(loaders(folder, prefetch=0).batches(), 8)
    ahead = islice(loaders(folder, prefetch=prefetch, workers=workers).batches(), 8)
    assert all(same(a, b) for a, b in zip(plain, ahead, strict=True))


def test_batches_have_the_same_bits_wherever_a_run_resumes(build):
    folder = build()
    whole = list(islice(loaders(folder).batches(), 8))
    for done, batch in enumerate(whole):
        resumed = next(loaders(folder).batches(batch.epoch, batch.batchnum))
        assert same(resumed, whole[done])


def test_epochs_and_seeds_draw_differently(build):
    folder = build()
    first, second = (next(loaders(folder).batches(epoch)) for epoch in (1, 2))
    other = next(Loader(folder, "train", seed=6, color_noise=0.1).batches())
    assert not np.array_equal(first.data[0], second.data[0])
    assert not np.array_equal(first.data[0], other.data[0])


def test_training_images_are_the_augmentations_with_the_streams_draws(build):
    folder = build()
    batch = Loader(folder, "train", seed=5, color_noise=0.1).prepare(4, 2)
    images = folder.train[1].read().images_last
    streams, colors = RandomStreams(5), folder.meta.statistics
    crops = augmentation.draw_crops(streams.at("crops", 4, 2), 20, 2, 8, True)
    noise = augmentation.draw_color_noise(
        streams.at("colour noise", 4, 2), 20, colors.color_eigenvalues, colors.color_eigenvectors
    )
    wanted = augmentation.crop(images, crops, 2)
    augmentation.subtract_mean(wanted, augmentation.crop_mean(colors.mean_image, 2))
    augmentation.add_color_noise(wanted, noise, 0.1)
    np.testing.assert_array_equal(batch.data[0], wanted.reshape(192, 20))


def test_colour_noise_does_not_move_the_crops(build):
    folder = build()
    with_noise = Loader(folder, "train", seed=5, color_noise=1e-30).prepare(1, 1)
    without = Loader(folder, "train", seed=5).prepare(1, 1)
    np.testing.assert_allclose(with_noise.data[0], without.data[0], atol=1e-20)


def test_tests_see_centres_without_noise(build):
    folder = build()
    batch = next(Loader(folder, "test", seed=5, color_noise=0.1).batches())
    images = folder.test[0].read().images_last.astype(np.float32)
    wanted = (images - folder.meta.statistics.mean_image[..., None])[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(batch.data[0], wanted.reshape(192, 9))


@pytest.mark.parametrize(("reflect", "views"), [(True, 10), (False, 5)])
def test_a_test_on_several_views_has_them_view_after_view(build, reflect, views):
    folder = build(reflect=reflect)
    testing = Loader(folder, "test", seed=5, multiview=True)
    batch = next(testing.batches())
    assert testing.num_views == batch.num_views == views
    assert batch.num_cases == views * 9
    contents = folder.test[0].read()
    mean = augmentation.crop_mean(folder.meta.statistics.mean_image, 2)
    wanted = augmentation.view_images(contents.images_last, mean, 2, reflect)
    np.testing.assert_array_equal(batch.data[0], wanted.reshape(192, -1))
    np.testing.assert_array_equal(batch.data[1].reshape(views, 9), np.tile(contents.labels, (views, 1)))


def test_training_has_one_view_and_testing_no_noise(build):
    folder = build()
    training = Loader(folder, "train", seed=5, multiview=True)
    assert training.num_views == 1
    assert same(training.prepare(1, 1), Loader(folder, "train", seed=5).prepare(1, 1))
    testing = Loader(folder, "test", seed=5, color_noise=0.1)
    assert same(testing.prepare(1, 1), Loader(folder, "test", seed=6).prepare(1, 1))


def test_a_dataset_that_must_not_be_reflected_never_is(build):
    folder = build(reflect=False, crop_chunk=1, shape=(1, 5, 5), counts=((200,), (9,)))
    batch = Loader(folder, "train", seed=5, crop_border=1, scalar_mean=True).prepare(1, 1)
    images = folder.train[0].read().images_last.astype(np.float32)
    images -= augmentation.scalar_mean(folder.meta.statistics.mean_image)[..., None]
    crops = {(y, x): images[:, y : y + 3, x : x + 3].reshape(9, -1) for y in range(3) for x in range(3)}
    for i in range(200):
        assert any(np.array_equal(batch.data[0][:, i], crop[:, i]) for crop in crops.values())


def test_without_a_border_images_are_whole_and_as_they_are(build):
    folder = build()
    batch = Loader(folder, "train", seed=5, crop_border=0).prepare(1, 1)
    images = folder.train[0].read().images_last.astype(np.float32)
    wanted = images - folder.meta.statistics.mean_image[..., None]
    np.testing.assert_array_equal(batch.data[0], wanted.reshape(432, 20))


def test_labels_can_be_distributions(build):
    folder = build()
    batch = Loader(folder, "train", seed=5, data_dims={0: 192, 1: 1, 2: 4}).prepare(1, 1)
    labels, distributions = batch.data[1:]
    assert (distributions.shape, distributions.dtype) == ((4, 20), np.float32)
    np.testing.assert_array_equal(distributions, labels == np.arange(4)[:, None])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"crop_border": 6}, "a crop border of 6 leaves nothing of 12x12 images; it can be 0 to 5"),
        ({"crop_border": -1}, "a crop border of -1 leaves nothing"),
        ({"color_noise": -0.1}, "is less than 0"),
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


@pytest.mark.parametrize("start", [(0, 1), (1, 0), (1, 4)])
def test_a_position_outside_the_folder_is_named(build, start):
    with pytest.raises(DataError, match="there is no batch"):
        next(loaders(build()).batches(*start))


def test_a_damaged_batch_is_raised_when_it_is_due_and_threads_end(build):
    folder = build()
    folder.train[2].path.write_bytes(b"")
    batches = loaders(folder, prefetch=2).batches()
    assert [next(batches).batchnum, next(batches).batchnum] == [1, 2]
    with pytest.raises(DataError, match=r"data_batch_0003.h5 is empty"):
        next(batches)
    assert no_threads()


def test_what_goes_wrong_in_a_thread_is_raised_as_itself(build, monkeypatch):
    def fail(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(augmentation, "draw_crops", fail)
    with pytest.raises(MemoryError, match="no more"):
        next(loaders(build()).batches())
    assert no_threads()


def test_closing_stops_the_threads(build):
    batches = loaders(build(), prefetch=3, workers=2).batches()
    next(batches)
    assert not no_threads()
    batches.close()
    assert no_threads()


def test_an_interrupt_in_the_consumer_stops_the_threads(build):
    def consume():
        for _ in loaders(build(), prefetch=3).batches():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert no_threads()


def test_no_more_batches_are_prepared_than_asked_for(build):
    counting = loaders(build(), prefetch=2)
    prepared = []
    prepare = counting.prepare
    counting.prepare = lambda *place: prepared.append(place) or prepare(*place)
    batches = counting.batches()
    for done in range(1, 5):
        next(batches)
        deadline = time.monotonic() + 5
        while len(prepared) < done + 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.02)
        assert len(prepared) == done + 2
    batches.close()


def test_batches_are_prepared_while_the_consumer_computes(build):
    slow = loaders(build(), prefetch=1)
    begun = threading.Event()
    prepare = slow.prepare

    def second_waits(epoch, batchnum):
        if batchnum == 2:
            begun.set()
        return prepare(epoch, batchnum)

    slow.prepare = second_waits
    batches = slow.batches()
    assert next(batches).batchnum == 1
    assert begun.wait(5)
    batches.close()


def test_one_image_is_a_batch(build):
    folder = build(counts=((1,), (1,)))
    batch = next(loaders(folder).batches())
    assert [d.shape for d in batch.data] == [(192, 1), (1, 1)]
    views = next(Loader(folder, "test", seed=1, multiview=True).batches())
    assert [d.shape for d in views.data] == [(192, 10), (1, 10)]


def test_dummy_data_is_seeded_and_in_range():
    dummy = DummyData({0: 12, 1: 1, 2: 5}, 5, cases=300, seed=3)
    assert (dummy.num_batches, dummy.num_classes, dummy.data_dims) == (1, 5, {0: 12, 1: 1, 2: 5})
    first, second, third = dummy.batches(last_epoch=3)
    assert isinstance(first, Batch)
    assert [(b.epoch, b.batchnum) for b in (first, second, third)] == [(1, 1), (2, 1), (3, 1)]
    images, labels, distributions = first.data
    assert all(d.dtype == np.float32 for d in first.data)
    assert (images.shape, labels.shape, distributions.shape) == ((12, 300), (1, 300), (5, 300))
    assert 0 <= images.min() < 0.01
    assert 0.99 < images.max() < 1
    assert set(labels[0]) == {0, 1, 2, 3, 4}
    np.testing.assert_array_equal(distributions, labels == np.arange(5)[:, None])
    assert same(next(DummyData({0: 12, 1: 1, 2: 5}, 5, cases=300, seed=3).batches(2)), second)
    assert not np.array_equal(first.data[0], second.data[0])


def test_dummy_data_refuses_labels_it_cannot_make():
    with pytest.raises(DataError, match="data 1 has 7 values per image, and labels have 1 or 5"):
        DummyData({0: 12, 1: 7}, 5, seed=3)


def test_label_matrix_of_one_class_is_labels():
    np.testing.assert_array_equal(loader.label_matrix(np.array([2, 0]), 1), [[2.0, 0.0]])
