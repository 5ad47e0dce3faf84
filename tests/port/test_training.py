"""The training loop: what it computes, what it tells, what it leaves on the disk, and how it goes on."""

import errno
import gc
import itertools
import re
import shutil
import weakref
from unittest.mock import Mock

import numpy as np
import pytest

import cuda_convnet.hdf5
from cuda_convnet import training
from cuda_convnet.checkpoint import list_checkpoints, load_checkpoint
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.data.loader import Loader
from cuda_convnet.engines import get_engine
from cuda_convnet.errors import CheckpointError, ConfigError, DataError, NonFiniteError
from cuda_convnet.evaluation import averages, evaluate
from cuda_convnet.metrics import read_metrics, without_timings
from cuda_convnet.network import ConvNet
from cuda_convnet.recipe import Change
from cuda_convnet.training import (
    BatchDone,
    CheckpointSaved,
    EpochDone,
    Every,
    MinibatchDone,
    Stopped,
    load_network,
)
from tiny_run import LAYERS, PARAMS, last_checkpoint, make_folder, network, recipe, resume, start


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("data") / "patches")


def records(run):
    return [without_timings(record) for record in read_metrics(run / "metrics.jsonl")]


def content_hash(run):
    return load_checkpoint(last_checkpoint(run)).content_hash()


def same_state(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def train(trainer, meddle):
    """Train to the end, and hand each event to `meddle`."""
    for event in trainer.train():
        meddle(event)


# --- what is computed -----------------------------------------------------------------------------------
def test_the_loop_trains_on_each_minibatch_once_in_order(folder, tmp_path):
    trainer = start(folder, tmp_path / "run")
    list(trainer.train())

    net = ConvNet(network(), get_engine("numpy", threads=1), 3, minibatch_size=8)
    expected = []
    sums = np.zeros(3)
    cases = 0
    for piece in Loader(folder, "train", seed=3, minibatch=8).minibatches(last_epoch=2):
        progress = ((piece.epoch - 1) * 3 + piece.batchnum - 1) / 6
        position = piece.epoch, piece.batchnum, piece.minibatch
        sums += net.train_minibatch(piece.data, progress, position).values["logprob"]
        cases += piece.num_cases
        if piece.minibatch == piece.minibatches - 1:
            expected.append((progress, cases, *sums / cases))
            sums, cases = np.zeros(3), 0
    same_state(trainer.net.get_state(), net.get_state())
    found = [
        (record["progress"], record["cases"], *record["costs"]["logprob"])
        for record in records(tmp_path / "run")
        if record["kind"] == "train"
    ]
    assert found == expected
    assert [round(progress, 3) for progress, *_ in found] == [0, 0.167, 0.333, 0.5, 0.667, 0.833]


def test_training_makes_the_network_better(folder, tmp_path):
    costs = [
        e.costs["logprob"]
        for e in start(folder, tmp_path, epochs=8).train()
        if isinstance(e, training.TestDone)
    ]
    assert costs[0][0] > 0.5
    assert costs[-1][0] < 0.05
    assert costs[-1][1] == 0


def test_the_events_tell_all_that_happens_in_order(folder, tmp_path):
    events = list(start(folder, tmp_path / "run", epochs=1).train())
    kinds = [type(event) for event in events]
    batch = [MinibatchDone, MinibatchDone, MinibatchDone, BatchDone]
    last = [
        MinibatchDone,
        BatchDone,
        training.TestMinibatchDone,
        training.TestMinibatchDone,
        training.TestDone,
        EpochDone,
    ]
    assert kinds == [CheckpointSaved, *batch, *batch, *last, CheckpointSaved]
    assert [event.cases for event in events if isinstance(event, MinibatchDone)] == [8, 8, 4, 8, 8, 4, 7]
    assert [event.cases for event in events if isinstance(event, training.TestMinibatchDone)] == [8, 1]
    test = next(event for event in events if isinstance(event, training.TestDone))
    assert (test.epoch, test.batch, test.cases) == (1, 3, 9)


def test_the_library_prints_nothing(folder, tmp_path, capfd):
    list(start(folder, tmp_path / "run", epochs=1).train())
    assert capfd.readouterr() == ("", "")


def test_a_test_is_the_cost_of_all_test_images(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", epochs=1)
    test = next(event for event in trainer.train() if isinstance(event, training.TestDone))
    batch = next(Loader(folder, "test", seed=0).minibatches())
    expected = averages(trainer.net.test_minibatch(batch.data))["logprob"]
    assert test.costs["logprob"] == pytest.approx(expected, rel=1e-6)
    assert test.cases == 9


def test_a_multiview_test_averages_the_predictions_for_ten_views(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", epochs=1, multiview_test=True)
    test = next(event for event in trainer.train() if isinstance(event, training.TestDone))
    batch = next(Loader(folder, "test", seed=0, multiview=True).minibatches())
    assert (batch.num_views, batch.num_cases) == (10, 9)
    probs = np.zeros((4, 9))
    for data in batch.views:
        trainer.net.fprop(data)
        probs += trainer.net.acts("probs") / 10
    labels = batch.data[1][0].astype(int)
    logprob, error, _ = test.costs["logprob"]
    assert logprob == pytest.approx(-np.log(probs[labels, np.arange(9)]).mean(), rel=1e-5)
    assert error == pytest.approx((probs.argmax(0) != labels).mean())
    assert records(tmp_path / "run")[-1]["views"] == 10


@pytest.mark.parametrize(
    ("test_every", "expected"),
    [
        (Every(1, epochs=True), [(1, 3), (2, 3)]),
        (Every(2), [(1, 2), (2, 1), (2, 3)]),
        (Every(4), [(2, 1), (2, 3)]),
        (Every(0), []),
    ],
    ids=str,
)
def test_tests_come_as_often_as_the_recipe_says_and_at_the_end(folder, tmp_path, test_every, expected):
    events = start(folder, tmp_path / "run", test_every=test_every).train()
    assert [
        (event.epoch, event.batch) for event in events if isinstance(event, training.TestDone)
    ] == expected


def test_one_image_is_enough(tmp_path):
    folder = make_folder(tmp_path / "data", train=(1,), test=(1,))
    list(start(folder, tmp_path / "run").train())
    assert [record["cases"] for record in records(tmp_path / "run")] == [1, 1, 1, 1]


# --- the schedule ---------------------------------------------------------------------------------------
DROPS = (
    Change(2, (), {}, {"epsW": 0.5, "epsB": 0.5}),
    Change(3, ("conv1",), {"epsW": 0.0, "epsB": 0.0}, color_noise=0.0),
)


def test_the_schedule_drops_rates_and_freezes_layers_by_itself(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", epochs=3, schedule=DROPS)
    states = {1: trainer.net.get_state()}
    for event in trainer.train():
        if isinstance(event, EpochDone):
            states[event.epoch + 1] = trainer.net.get_state()
    for name in ("conv1/weights0", "conv1/biases"):
        assert not np.array_equal(states[2][name], states[3][name])
        np.testing.assert_array_equal(states[3][name], states[4][name])
    assert not np.array_equal(states[3]["fc4/weights0"], states[4]["fc4/weights0"])
    rates = [record["rates"] for record in records(tmp_path / "run") if "rates" in record]
    assert [rate["fc4"] for rate in rates] == [
        pytest.approx([0.001, 0.002]),
        pytest.approx([0.0005, 0.001]),
        pytest.approx([0.0005, 0.001]),
    ]
    assert rates[2]["conv1"] == [0, 0]


def test_the_first_record_of_an_epoch_tells_the_colour_noise(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", color_noise=0.1, schedule=(Change(2, color_noise=0.0),))
    train(trainer, lambda event: None)
    told = [record for record in records(tmp_path / "run") if "color_noise" in record]
    found = [(record["epoch"], record["batch"], record["color_noise"]) for record in told]
    assert found == [(1, 1, 0.1), (2, 1, 0.0)]


def test_a_network_that_the_schedule_replaces_does_not_stay_in_memory(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", epochs=3, schedule=(Change(2, multiply={"epsW": 0.5}),))
    old = weakref.ref(trainer.net.layers["conv1"])
    alive = []
    gc.disable()
    try:
        train(trainer, lambda event: alive.append(old() is not None))
    finally:
        gc.enable()
    assert alive[0]
    assert not alive[-1]


def test_the_schedule_turns_the_colour_noise_off(folder, tmp_path, monkeypatch):
    seen = []

    class Spy(Loader):
        def minibatches(self, *where, **end):
            for minibatch in super().minibatches(*where, **end):
                if self._training:
                    seen.append((minibatch.epoch, minibatch.batchnum, self._color_noise))
                yield minibatch

    monkeypatch.setattr(training, "Loader", Spy)
    list(start(folder, tmp_path / "run", epochs=4, color_noise=0.1, schedule=DROPS).train())
    noise = {1: 0.1, 2: 0.1, 3: 0.0, 4: 0.0}
    assert seen == [(epoch, batch, noise[epoch]) for epoch in noise for batch in (1, 1, 1, 2, 2, 2, 3)]


def test_the_schedule_does_what_was_done_by_hand_in_2012(folder, tmp_path):
    """Stop, halve the rates in the parameter file, go on."""
    by_itself = start(folder, tmp_path / "a", schedule=(Change(2, (), {}, {"epsW": 0.5, "epsB": 0.5}),))
    list(by_itself.train())

    by_hand = start(folder, tmp_path / "b")
    for event in by_hand.train():
        if isinstance(event, EpochDone):
            by_hand.stop()
    halved = re.sub(r"(eps[WB])=(\S+)", lambda match: f"{match[1]}={float(match[2]) / 2}", PARAMS)
    by_hand = resume(tmp_path / "b", params=(halved, "halved.cfg"))
    list(by_hand.train())
    same_state(by_itself.net.get_state(), by_hand.net.get_state())
    assert records(tmp_path / "a") == records(tmp_path / "b")
    assert (tmp_path / "b" / "params.cfg").read_text() == halved


# --- stopping and going on --------------------------------------------------------------------------------
WAYS = {
    "plain": {},
    "gradients of three minibatches": {"wupdate_freq": 3},
    "colour noise, views and a schedule": {
        "epochs": 3,
        "color_noise": 0.1,
        "multiview_test": True,
        "schedule": DROPS,
        "test_every": Every(2),
    },
    "a local layer": {"conv_to_local": ("conv1",)},
    "checkpoints rarely": {"save_every": Every(2, epochs=True), "keep": 1},
}


def stop_after(trainer, number):
    """Train, and stop at event `number`; the events."""
    events = []
    for event in trainer.train():
        events.append(event)
        if len(events) == number:
            trainer.stop()
    return events


@pytest.mark.parametrize("way", WAYS, ids=list(WAYS))
def test_a_run_that_is_stopped_all_the_time_gives_the_bits_of_an_unbroken_one(folder, tmp_path, way):
    list(start(folder, tmp_path / "unbroken", **WAYS[way]).train())

    run = tmp_path / "stopped"
    trainer = start(folder, run, **WAYS[way])
    positions = []
    for number in itertools.cycle((2, 3, 4, 7)):
        events = stop_after(trainer, number)
        if not isinstance(events[-1], Stopped):
            break
        assert events[-1].position == trainer.position == load_checkpoint(last_checkpoint(run)).position
        positions.append(trainer.position)
        trainer = resume(run)
        assert trainer.warnings == []
    assert any(position.minibatch for position in positions)
    assert len(positions) >= 5
    assert content_hash(run) == content_hash(tmp_path / "unbroken")
    assert records(run) == records(tmp_path / "unbroken")
    assert read_metrics(run / "metrics.jsonl")[0].keys() >= {"seconds", "images_per_second", "time"}


def test_a_run_that_is_stopped_in_a_test_tests_again(folder, tmp_path):
    list(start(folder, tmp_path / "unbroken").train())
    trainer = start(folder, tmp_path / "stopped")
    for event in trainer.train():
        if isinstance(event, training.TestMinibatchDone):
            trainer.stop()
    assert isinstance(event, Stopped)
    assert event.position == (1, 3, 1)
    assert not any(record["kind"] == "test" for record in records(tmp_path / "stopped"))
    list(resume(tmp_path / "stopped").train())
    assert content_hash(tmp_path / "stopped") == content_hash(tmp_path / "unbroken")
    assert records(tmp_path / "stopped") == records(tmp_path / "unbroken")


def test_a_trainer_that_was_stopped_can_go_on_itself(folder, tmp_path):
    list(start(folder, tmp_path / "unbroken").train())
    trainer = start(folder, tmp_path / "stopped")
    assert isinstance(stop_after(trainer, 4)[-1], Stopped)
    assert not isinstance(list(trainer.train())[-1], Stopped)
    assert content_hash(tmp_path / "stopped") == content_hash(tmp_path / "unbroken")


def test_a_run_that_broke_off_goes_on_from_its_last_checkpoint(folder, tmp_path):
    list(start(folder, tmp_path / "unbroken").train())
    run = tmp_path / "broken"
    events = start(folder, run, save_every=Every(2)).train()
    for event in events:
        if isinstance(event, BatchDone) and (event.epoch, event.batch) == (2, 1):
            break
    events.close()
    assert len(records(run)) == 5
    trainer = resume(run)
    assert trainer.position == (1, 3, 0)
    list(trainer.train())
    assert records(run) == records(tmp_path / "unbroken")
    same_state(
        load_network(last_checkpoint(run)).get_state(),
        load_network(last_checkpoint(tmp_path / "unbroken")).get_state(),
    )


def test_a_run_may_become_longer(folder, tmp_path):
    list(start(folder, tmp_path / "run", epochs=1).train())
    trainer = resume(tmp_path / "run")
    assert trainer.done
    assert list(trainer.train()) == []
    trainer = resume(tmp_path / "run", epochs=3)
    assert trainer.progress == 1 / 3
    list(trainer.train())
    progress = [record["progress"] for record in records(tmp_path / "run") if record["kind"] == "train"]
    assert progress == [0, 1 / 3, 2 / 3, 3 / 9, 4 / 9, 5 / 9, 6 / 9, 7 / 9, 8 / 9]
    assert resume(tmp_path / "run").recipe.epochs == 3


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(folder, tmp_path):
    list(start(folder, tmp_path / "unbroken").train())
    run = tmp_path / "run"
    list(start(folder, run).train())
    damaged = last_checkpoint(run)
    damaged.write_bytes(damaged.read_bytes()[:-10])
    trainer = resume(run)
    assert trainer.position == (2, 1, 0)
    assert len(trainer.warnings) == 1
    assert trainer.warnings[0].startswith(f"{damaged} is cut short")
    assert trainer.warnings[0].endswith(f"it is now called {damaged.name}.damaged")
    list(trainer.train())
    assert content_hash(run) == content_hash(tmp_path / "unbroken")
    assert damaged.with_name(f"{damaged.name}.damaged").exists()


# --- the disk -------------------------------------------------------------------------------------------
def test_the_last_two_checkpoints_stay_and_those_for_good(folder, tmp_path):
    list(start(folder, tmp_path / "run", epochs=5, keep_epochs=(1, 2), test_every=Every(0)).train())
    kept = [position for position, _ in list_checkpoints(tmp_path / "run" / "checkpoints")]
    assert kept == [(2, 1, 0), (3, 1, 0), (6, 1, 0)]


def test_a_run_folder_tells_what_was_asked_for(folder, tmp_path):
    list(start(folder, tmp_path / "run").train())
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"checkpoints", "metrics.jsonl", "layers.cfg", "params.cfg", "recipe.json"}
    assert (tmp_path / "run" / "layers.cfg").read_text() == LAYERS


def test_a_run_is_never_overwritten(folder, tmp_path):
    list(start(folder, tmp_path / "run", epochs=1).train())
    with pytest.raises(
        CheckpointError, match="run: there is a run in this folder; resume it, or choose another"
    ):
        start(folder, tmp_path / "run")


def test_two_processes_do_not_train_in_one_folder(folder, tmp_path):
    first = start(folder, tmp_path / "run").train()
    next(first)
    with pytest.raises(CheckpointError, match="run: another process is training in this folder"):
        next(resume(tmp_path / "run").train())
    first.close()
    next(resume(tmp_path / "run").train())


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(folder, tmp_path, monkeypatch):
    list(start(folder, tmp_path / "unbroken", epochs=3).train())
    run = tmp_path / "run"

    def fill(event):
        if isinstance(event, EpochDone) and event.epoch == 2:
            full = OSError(errno.ENOSPC, "No space left on device")
            monkeypatch.setattr(cuda_convnet.hdf5.os, "fsync", Mock(side_effect=full))

    with pytest.raises(CheckpointError, match="No space left on device"):
        train(start(folder, run, epochs=3), fill)
    monkeypatch.undo()
    trainer = resume(run)
    assert trainer.position == (2, 1, 0)
    list(trainer.train())
    assert content_hash(run) == content_hash(tmp_path / "unbroken")


def test_a_log_that_cannot_be_written_is_told_in_one_line(folder, tmp_path):
    log = tmp_path / "run" / "metrics.jsonl"

    def put_a_folder_in_its_place(event):
        if isinstance(event, BatchDone):
            log.unlink()
            log.mkdir()

    with pytest.raises(CheckpointError, match="run: cannot write to the folder of the run") as error:
        train(start(folder, tmp_path / "run"), put_a_folder_in_its_place)
    assert "\n" not in str(error.value)


def test_a_folder_that_cannot_be_made_is_told_in_one_line(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="file/run: cannot make the folder of the run"):
        next(start(folder, tmp_path / "file" / "run").train())


# --- numbers that are none --------------------------------------------------------------------------------
def test_a_cost_that_is_not_a_number_stops_the_run_and_names_the_layer(folder, tmp_path):
    wild = network(params=PARAMS.replace("epsW=0.00001", "epsW=1e38"))
    run = tmp_path / "run"
    with pytest.raises(NonFiniteError) as error, np.errstate(all="ignore"):
        list(start(folder, run, wild).train())
    message = str(error.value)
    assert message.startswith("epoch 1, batch 1, minibatch ")
    assert "cost 'logprob' is " in message
    assert "it first arose in layer 'conv1'" in message
    assert "\n" not in message
    assert load_checkpoint(last_checkpoint(run)).position == (1, 1, 0)

    list(resume(run, params=(PARAMS, "params.cfg")).train())
    assert load_checkpoint(last_checkpoint(run)).position == (3, 1, 0)


def test_weights_that_are_not_numbers_are_never_saved(folder, tmp_path):
    trainer = start(folder, tmp_path / "run")
    saved = []

    def spoil(event):
        if isinstance(event, CheckpointSaved):
            saved.append(event.path)
        if isinstance(event, EpochDone):
            trainer.net.layers["fc4"].biases.w[0, 0] = np.nan

    with pytest.raises(
        NonFiniteError, match=r"^at 2\.1\.0 \(epoch\.batch\.minibatch\) fc4/biases holds a NaN"
    ):
        train(trainer, spoil)
    assert [path for _, path in list_checkpoints(tmp_path / "run" / "checkpoints")] == saved
    assert len(saved) == 1


def test_a_test_cost_that_is_not_a_number_is_told(folder, tmp_path):
    trainer = start(folder, tmp_path / "run")

    def spoil(event):
        if isinstance(event, BatchDone) and event.batch == 3:
            trainer.net.layers["fc4"].biases.w[0, 0] = np.nan

    with pytest.raises(NonFiniteError, match=r"test batch 1: cost 'logprob' is nan.* arose in layer 'fc4'"):
        train(trainer, spoil)


# --- networks and data that do not go together ------------------------------------------------------------
def test_data_of_another_size_than_the_networks_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"images give 108 values .* and the network wants 192"):
        start(folder, tmp_path / "run", network(size=8))
    assert not (tmp_path / "run").exists()


def test_a_batch_that_is_damaged_stops_the_run_and_loses_nothing(folder, tmp_path):
    list(start(folder, tmp_path / "unbroken").train())
    batch = tmp_path / "data" / "train" / "data_batch_0003.h5"
    shutil.copytree(folder.path, tmp_path / "data")
    batch.write_bytes(batch.read_bytes()[:-100])
    run = tmp_path / "run"
    with pytest.raises(DataError, match=r"data_batch_0003\.h5 is cut short"):
        list(start(BatchFolder(tmp_path / "data"), run).train())
    assert load_checkpoint(last_checkpoint(run)).position == (1, 3, 0)

    shutil.copy(folder.path / "train" / "data_batch_0003.h5", batch)
    list(resume(run).train())
    assert records(run) == records(tmp_path / "unbroken")


def test_a_batch_that_fails_in_its_middle_stops_the_run_and_loses_nothing(folder, tmp_path, monkeypatch):
    list(start(folder, tmp_path / "unbroken").train())

    class Failing(Loader):
        def minibatches(self, *where, **end):
            for minibatch in super().minibatches(*where, **end):
                if self._training and (minibatch.batchnum, minibatch.minibatch) == (2, 1):
                    raise DataError("this image cannot be decoded")
                yield minibatch

    monkeypatch.setattr(training, "Loader", Failing)
    run = tmp_path / "run"
    with pytest.raises(DataError, match="this image cannot be decoded"):
        list(start(folder, run).train())
    assert load_checkpoint(last_checkpoint(run)).position == (1, 2, 1)

    monkeypatch.undo()
    list(resume(run).train())
    assert content_hash(run) == content_hash(tmp_path / "unbroken")
    assert records(run) == records(tmp_path / "unbroken")


def test_other_data_than_the_runs_is_refused_and_moved_data_is_found(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder.path, tmp_path / "data")
    stop_after(start(BatchFolder(tmp_path / "data"), run), 3)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="data: there is no such folder"):
        resume(run)
    other = make_folder(tmp_path / "other", train=(20, 20, 8))
    with pytest.raises(DataError, match=f"other: not the data of {run}, which is trained on .*data"):
        resume(run, folder=other)
    list(resume(run, folder=BatchFolder(tmp_path / "moved")).train())
    list(start(folder, tmp_path / "unbroken").train())
    assert records(run) == records(tmp_path / "unbroken")


def test_parameters_for_other_layers_are_refused_on_resuming(folder, tmp_path):
    list(start(folder, tmp_path / "run", epochs=1).train())
    with pytest.raises(ConfigError, match=r"there is no section \[fc4\] in new.cfg"):
        resume(tmp_path / "run", params=(PARAMS.replace("[fc4]", "[fc5]"), "new.cfg"))


# --- weights that travel ------------------------------------------------------------------------------------
def test_a_run_can_start_with_another_runs_weights(folder, tmp_path):
    list(start(folder, tmp_path / "first", epochs=1).train())
    first = load_checkpoint(last_checkpoint(tmp_path / "first")).state
    trainer = start(folder, tmp_path / "second")
    assert not np.array_equal(trainer.net.get_state()["fc4/weights0"], first["fc4/weights0"])
    from cuda_convnet.training import Trainer

    source = last_checkpoint(tmp_path / "first")
    trainer = Trainer.start(network(), folder, recipe(), tmp_path / "third", weights_from=source)
    state = trainer.net.get_state()
    for name in ("conv1/weights0", "conv1/biases", "fc4/weights0", "fc4/biases"):
        np.testing.assert_array_equal(state[name], first[name])
        assert first[f"{name}_inc"].any()
        assert not state[f"{name}_inc"].any()
    assert trainer.position == (1, 1, 0)

    larger = network(LAYERS.replace("filters=16", "filters=32"))
    with pytest.raises(CheckpointError, match="is of another network: layer 'conv1': weights0 has shape"):
        Trainer.start(larger, folder, recipe(), tmp_path / "fourth", weights_from=source)


def test_a_network_comes_back_from_its_checkpoint(folder, tmp_path):
    trainer = start(folder, tmp_path / "run", conv_to_local=("conv1",))
    test = [event for event in trainer.train() if isinstance(event, training.TestDone)][-1]
    net = load_network(last_checkpoint(tmp_path / "run"))
    assert net.spec["conv1"].type == "local"
    same_state(net.get_state(), trainer.net.get_state())
    costs = [cost for _, cost in evaluate(net, Loader(folder, "test", seed=0, minibatch=8))]
    assert averages(costs[0] + costs[1]) == test.costs


@pytest.mark.parametrize("name", ["layers.cfg", "metrics.jsonl", "meta.h5"])
def test_a_new_run_overwrites_nobodys_files(folder, tmp_path, name):
    kept = tmp_path / "run" / name
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(CheckpointError, match=f"it holds a {name}; choose a new folder"):
        start(folder, kept.parent)
    assert kept.read_text() == "mine"


def test_a_run_that_is_killed_before_its_first_step_can_be_resumed_or_begun_again(
    folder, tmp_path, monkeypatch
):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    runs = [tmp_path / name for name in ("save_checkpoint", "write_whole")]
    for run in runs:
        with monkeypatch.context() as patch:
            patch.setattr(training, run.name, killed)
            with pytest.raises(Killed):
                list(start(folder, run).train())
    list(start(folder, runs[0]).train())
    list(resume(runs[1], folder=folder).train())
    assert content_hash(runs[0]) == content_hash(runs[1])
