"""An experiment in miniature: which epochs, classes and images are left, and how they are copied."""

import itertools

import numpy as np
import pytest

import small_145
from alexnet2012.experiment import read_experiment
from alexnet2012.rerun.scale import choose, scaled_folder, scaled_minibatch, scaled_recipe
from cuda_convnet.config import read_network
from cuda_convnet.data.batches import BatchFolder, BatchWriter, verify
from cuda_convnet.data.statistics import PixelSums
from cuda_convnet.errors import DataError
from cuda_convnet.recipe import Change, TrainingRecipe


@pytest.fixture(scope="module")
def recipe():
    return read_experiment("145").recipe


def begins(recipe):
    return sorted({change.epoch for change in recipe.schedule})


# --- epochs -------------------------------------------------------------------------------------------------
def test_the_whole_keeps_its_schedule(recipe):
    scaled = scaled_recipe(recipe, 1.0, 1_281_167)
    assert (scaled.epochs, scaled.schedule, scaled.minibatch) == (90, recipe.schedule, 128)


@pytest.mark.parametrize(
    ("scale", "epochs", "phases"),
    [
        (0.5, 45, [1, 13, 26, 34, 36, 40]),
        (0.1, 9, [1, 3, 6, 7, 8, 9]),
        (0.08, 7, [1, 3, 4, 5, 6, 7]),
        (0.0001, 6, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_the_schedule_is_compressed_and_every_phase_keeps_an_epoch(recipe, scale, epochs, phases):
    scaled = scaled_recipe(recipe, scale, 100)
    assert scaled.epochs == epochs
    found = begins(scaled)
    assert len(found) == 6
    assert all(abs(ours - wanted) <= 1 for ours, wanted in zip(found, phases, strict=True))
    assert found[0] == 1
    assert all(a < b for a, b in itertools.pairwise(found))
    assert found[-1] <= epochs


@pytest.mark.parametrize("percent", range(1, 101))
def test_at_any_scale_all_changes_happen_in_their_order(recipe, percent):
    scaled = scaled_recipe(recipe, percent / 100, 1_281_167)
    assert [(c.layers, c.set, c.color_noise) for c in scaled.schedule] == [
        (c.layers, c.set, c.color_noise) for c in recipe.schedule
    ]
    found = begins(scaled)
    assert all(a < b for a, b in itertools.pairwise(found))
    assert len(found) == len(begins(recipe))
    assert 1 <= found[0] < found[-1] <= scaled.epochs


def test_rates_shrink_with_the_minibatch_and_nothing_else_does():
    network = read_network(*read_experiment("145").files)
    changes = (
        Change(1, set={"epsW": 0.01, "momW": 0.5}),
        Change(5, multiply={"epsW": 0.1}),
        Change(8, set={"epsB": 0.4, "wc": 0.25}, color_noise=0.5),
    )
    recipe = TrainingRecipe(epochs=10, minibatch=128, color_noise=0.2, schedule=changes)
    small = scaled_recipe(recipe, 1.0, 300)
    assert small.minibatch == 32
    for epoch in range(1, 11):
        theirs, ours = (r.spec_at(network, epoch).by_name["conv2a"] for r in (recipe, small))
        assert ours.eps_w == pytest.approx([rate / 4 for rate in theirs.eps_w])
        assert ours.eps_b == pytest.approx(theirs.eps_b / 4)
        assert (ours.mom_w, ours.wc) == (theirs.mom_w, theirs.wc)
        assert small.color_noise_at(epoch) == recipe.color_noise_at(epoch)
    assert ours.eps_b == pytest.approx(0.1)


def test_a_run_is_saved_after_every_epoch_or_as_often_as_the_whole(recipe):
    assert str(scaled_recipe(recipe, 0.1, 20_000).save_every) == "1 epoch"
    assert str(scaled_recipe(recipe, 0.5, 320_000).save_every) == "200 batches"


def test_changes_of_one_epoch_stay_together():
    recipe = TrainingRecipe(epochs=10, schedule=(Change(4, ("a",)), Change(4, ("b",)), Change(9), Change(11)))
    scaled = scaled_recipe(recipe, 0.2, 2000)
    assert [(c.epoch, c.layers) for c in scaled.schedule] == [(2, ("a",)), (2, ("b",)), (3, ())]
    assert scaled.epochs == 3


@pytest.mark.parametrize(
    ("images", "minibatch"), [(1024, 128), (1023, 64), (300, 32), (64, 8), (10, 4), (1, 4)]
)
def test_an_epoch_has_eight_minibatches_or_they_get_small(images, minibatch):
    assert scaled_minibatch(128, images) == minibatch


# --- classes and images -------------------------------------------------------------------------------------
def labels(classes, train, test):
    return {
        split: np.random.RandomState(1).permutation(np.repeat(np.arange(classes), count)).astype(np.int32)
        for split, count in (("train", train), ("test", test))
    }


def test_a_share_of_the_classes_and_of_the_images_of_each_is_drawn_by_the_seed():
    of_all = labels(100, 30, 10)
    chosen = choose(of_all, 100, 0.2, seed=1)
    assert len(chosen.classes) == 20
    assert chosen.classes.tolist() == sorted(chosen.classes)
    for split, count in (("train", 6), ("test", 2)):
        left = of_all[split][chosen.places[split]]
        assert np.unique(left, return_counts=True)[1].tolist() == [count] * 20
        assert set(left) == set(chosen.classes)
        assert (np.diff(chosen.places[split]) > 0).all()
    again, other = choose(of_all, 100, 0.2, seed=1), choose(of_all, 100, 0.2, seed=2)
    assert all(np.array_equal(again.places[s], chosen.places[s]) for s in chosen.places)
    assert other.classes.tolist() != chosen.classes.tolist()


def test_at_least_six_classes_and_an_image_of_each_are_left():
    chosen = choose(labels(20, 3, 2), 20, 0.001, seed=0)
    assert len(chosen.classes) == 6
    assert [len(places) for places in chosen.places.values()] == [6, 6]
    assert len(choose(labels(4, 3, 2), 4, 0.001, seed=0).classes) == 4


def test_classes_without_images_of_both_kinds_are_not_drawn():
    of_all = labels(8, 4, 4)
    of_all["test"] = of_all["test"][of_all["test"] != 3]
    assert 3 not in choose(of_all, 8, 1.0, seed=0).classes


# --- copied -------------------------------------------------------------------------------------------------
def everything(folder):
    """Of each image of a folder, by its name: split, class name, pixels."""
    found = {}
    for split in ("train", "test"):
        for file in folder.split(split):
            contents = file.read()
            for image, label, name in zip(contents.images, contents.labels, contents.names, strict=True):
                found[name] = (split, folder.meta.class_ids[label], image.tobytes())
    return found


@pytest.fixture(scope="module", params=["raw", "jpeg"])
def source(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "all"
    return small_145.make_images(path, classes=16, per_class=20, tests=10, encoding=request.param, batch=48)


def scaled(source, out, scale=0.5, seed=3):
    return scaled_folder(source, out, scale=scale, seed=seed, minibatch=128)


def test_the_images_are_copied_as_they_are_under_new_labels(source, tmp_path):
    folder = scaled(source, tmp_path / "out")
    before, after = everything(source), everything(folder)
    assert len(after) == 8 * 10 + 8 * 5
    assert all(before[name] == image for name, image in after.items())
    assert len(folder.meta.class_names) == len(folder.meta.class_ids) == 8
    assert folder.meta.encoding == source.meta.encoding
    assert folder.meta.recipe["of"] == source.meta.dataset
    assert list(verify(folder.path)) == []


def test_batches_hold_eight_minibatches_of_what_is_left(source, tmp_path):
    folder = scaled(source, tmp_path / "out")
    assert folder.meta.counts == {"train": (64, 16), "test": (40,)}


def test_the_order_of_the_source_stays(source, tmp_path):
    folder = scaled(source, tmp_path / "out")
    left = [name for file in folder.train for name in file.read_labels()[1]]
    whole = [name for file in source.train for name in file.read_labels()[1]]
    assert left == [name for name in whole if name in set(left)]


def test_the_statistics_are_those_of_the_images_that_are_left(source, tmp_path):
    folder = scaled(source, tmp_path / "out")
    images = np.concatenate([file.read().images for file in folder.train])
    wanted = PixelSums.of(images).statistics()
    assert np.array_equal(folder.meta.statistics.mean_image, wanted.mean_image)
    assert not np.array_equal(folder.meta.statistics.mean_image, source.meta.statistics.mean_image)


def test_copying_goes_on_where_it_was_interrupted(source, tmp_path, monkeypatch):
    write = "write_jpegs" if source.meta.encoding == "jpeg" else "write"
    real, written = getattr(BatchWriter, write), []

    def interrupted(self, split, number, *contents):
        written.append((split, number))
        if len(written) == 3:
            raise KeyboardInterrupt
        real(self, split, number, *contents)

    monkeypatch.setattr(BatchWriter, write, interrupted)
    with pytest.raises(KeyboardInterrupt):
        scaled(source, tmp_path / "out")
    scaled(source, tmp_path / "out")
    assert written == [("train", 1), ("train", 2), ("test", 1), ("test", 1)]
    assert everything(BatchFolder(tmp_path / "out")) == everything(scaled(source, tmp_path / "unbroken"))


def test_another_share_does_not_go_into_the_same_folder(source, tmp_path):
    scaled(source, tmp_path / "out")
    for other in ({"seed": 4}, {"scale": 0.25}):
        with pytest.raises(DataError, match="holds another dataset"):
            scaled(source, tmp_path / "out", **other)
