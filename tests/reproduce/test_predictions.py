"""Predictions: the likeliest classes, what is kept of a test that is interrupted, and what that is of."""

from functools import reduce
from operator import add

import numpy as np
import pytest

import small_145
from alexnet2012 import experiments
from alexnet2012.predictions import Predictions, predict
from alexnet2012.stored_images import by_file, images_at, split_labels
from cuda_convnet.config import parse_network
from cuda_convnet.cost import Cost
from cuda_convnet.data.loader import Loader
from cuda_convnet.engines import get_engine
from cuda_convnet.errors import ConfigError, DataError
from cuda_convnet.evaluation import averages
from cuda_convnet.network import ConvNet

NAMES = tuple("abcdefg")


def some(seed=0, count=9, views=10):
    random = np.random.RandomState(seed)
    probabilities = random.dirichlet(np.ones(len(NAMES)), count).T.astype(np.float32)
    labels = random.randint(0, len(NAMES), count).astype(np.int32)
    cost = Cost(count, {"logprob": (1.0, 2.0, 3.0)}, {"logprob": 1.0})
    names = [f"image {i}" for i in range(count)]
    return probabilities, labels, Predictions.of(probabilities, labels, names, NAMES, cost, views)


# --- what they say ------------------------------------------------------------------------------------------
def test_the_five_likeliest_classes_are_kept_likeliest_first():
    probabilities, labels, found = some()
    assert found.guesses.shape == found.guess_probabilities.shape == (9, 5)
    for i in range(9):
        order = np.argsort(-probabilities[:, i])[:5]
        assert found.guesses[i].tolist() == order.tolist()
        assert found.guess_probabilities[i].tolist() == probabilities[order, i].tolist()
        assert found.truth_probabilities[i] == probabilities[labels[i], i]


def test_of_fewer_classes_than_five_all_are_kept():
    probabilities = np.array([[0.2, 0.5], [0.8, 0.5]], np.float32)
    found = Predictions.of(
        probabilities, np.array([0, 1], np.int32), ["x", "y"], ("a", "b"), Cost(2, {}, {}), 1
    )
    assert found.guesses.tolist() == [[1, 0], [0, 1]]
    assert (found.correct, found.accuracy) == (0, 0.0)


def test_the_hardest_are_mistakes_and_the_surest_are_right():
    _, _, found = some(count=200)
    hardest = found.hardest(200)
    mistakes = len(hardest) - found.correct
    assert (found.predicted[hardest[:mistakes]] != found.labels[hardest[:mistakes]]).all()
    assert (np.diff(found.truth_probabilities[hardest[:mistakes]]) >= 0).all()
    surest = found.surest(5)
    assert (found.predicted[surest] == found.labels[surest]).all()
    assert (np.diff(found.truth_probabilities[surest]) <= 0).all()
    right = found.predicted == found.labels
    assert found.truth_probabilities[surest[0]] == found.truth_probabilities[right].max()


def test_predictions_add_up():
    one, two = some(1)[2], some(2)[2]
    both = reduce(add, [one, two])
    assert both.labels.tolist() == one.labels.tolist() + two.labels.tolist()
    assert both.guesses.shape == (18, 5)
    assert (both.cost.num_cases, both.cost.values["logprob"]) == (18, (2.0, 4.0, 6.0))


# --- kept, and read again -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_145.make_images(
        tmp_path_factory.mktemp("images") / "all", classes=6, per_class=4, tests=7, batch=16
    )


def network(seed=0):
    files = experiments.path("digits")
    layers = (files / "layers.cfg").read_text().replace("channels=1\n", "channels=3\n")
    spec = parse_network(
        layers.replace("outputs=10\n", "outputs=6\n"),
        (files / "params.cfg").read_text(),
        data_dims={0: 3 * 16 * 16, 1: 1},
        num_classes=6,
    )
    return ConvNet(spec, get_engine("numpy", threads=1), seed, minibatch_size=8)


@pytest.fixture
def loader(folder):
    return Loader(folder, "test", seed=0, minibatch=8, crop_border=2, multiview=True)


def test_costs_and_errors_are_those_of_a_test_of_the_network(folder, loader):
    found = predict(network(), loader, folder)
    assert found.views == 10
    assert len(found.labels) == found.cost.num_cases == 42
    logprob, top1, top2 = averages(found.cost)["logprob"]
    assert logprob == pytest.approx(-np.log(found.truth_probabilities).mean(), rel=1e-5)
    assert top1 == pytest.approx(1 - found.accuracy)
    among = (found.guesses[:, :2] == found.labels[:, None]).any(axis=1)
    assert top2 == pytest.approx(1 - among.mean())
    assert found.labels.tolist() == split_labels(folder.test).tolist()
    assert found.names[16:18] == folder.test[1].read_labels()[1][:2]


def equal(one, two):
    return all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("labels", "guesses", "guess_probabilities", "truth_probabilities", "names")
    ) and (one.cost, one.views) == (two.cost, two.views)


def test_what_is_kept_is_not_computed_again(folder, loader, tmp_path, monkeypatch):
    keep = tmp_path / "views", "a network"
    whole = predict(network(), loader, folder, keep)
    assert sorted(path.name for path in keep[0].iterdir()) == [
        "test_batch_0001.h5", "test_batch_0002.h5", "test_batch_0003.h5",
    ]  # fmt: skip
    (keep[0] / "test_batch_0003.h5").unlink()
    seen = []
    net = network()
    test = net.multiview_test_minibatch
    monkeypatch.setattr(net, "multiview_test_minibatch", lambda views: seen.append(len(views)) or test(views))
    shown = []
    again = predict(net, loader, folder, keep, lambda done, total: shown.append((done, total)))
    assert equal(whole, again)
    assert seen == [10, 10]  # of the third batch's ten images: eight and two
    assert shown == [(32, 42), (40, 42), (42, 42)]
    net.multiview_test_minibatch = None  # everything is there
    assert equal(whole, predict(net, loader, folder, keep))


def test_what_is_kept_of_another_network_or_damaged_is_computed_again(folder, loader, tmp_path):
    of_one = predict(network(1), loader, folder, (tmp_path, "one"))
    of_two = predict(network(2), loader, folder, (tmp_path, "two"))
    assert not equal(of_one, of_two)
    file = tmp_path / "test_batch_0002.h5"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert equal(of_two, predict(network(2), loader, folder, (tmp_path, "two")))


def test_predictions_that_cannot_be_kept_are_one_line(folder, loader, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"test_batch_0001.h5 cannot be written \(File exists\)"):
        predict(network(), loader, folder, (tmp_path / "file", "one"))


def test_a_network_without_a_cost_of_classes_gives_no_predictions(folder, loader):
    class Costless:
        spec = ()

    with pytest.raises(ConfigError, match=r"no layer of type cost\.logreg"):
        predict(Costless(), loader, folder)


# --- some images of a folder --------------------------------------------------------------------------------
@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_some_images_are_fetched_in_the_order_that_is_asked_for(tmp_path, encoding):
    folder = small_145.make_images(tmp_path / "all", classes=3, tests=9, encoding=encoding, batch=8)
    whole = np.concatenate([file.read().images for file in folder.test])
    places = [26, 0, 8, 7, 0, 15]
    found = images_at(folder, "test", places)
    assert all(np.array_equal(image, whole[i]) for image, i in zip(found, places, strict=True))
    assert images_at(folder, "test", []) == []


def test_places_are_counted_over_the_batches(folder):
    assert by_file(folder.test, [0, 15, 16, 41]) == {0: [0, 15], 1: [0], 2: [9]}
