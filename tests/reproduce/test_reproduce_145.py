"""`alexnet2012 reproduce 145 --data DIR`, end to end: in small, and once with the real network."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import imagenet_archive
import small_145
from alexnet2012.experiment import read_experiment
from alexnet2012.predictions import Predictions
from alexnet2012.rerun import recorded
from cuda_convnet.checkpoint import list_checkpoints, load_checkpoint
from cuda_convnet.config import read_network
from cuda_convnet.data.batches import BatchFolder, verify
from cuda_convnet.engines import get_engine
from cuda_convnet.hdf5 import read_hdf5
from cuda_convnet.metrics import read_metrics, without_timings
from cuda_convnet.passes import PassType
from cuda_convnet.training import load_network

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
EPOCHS = 9
PHASES = [1, 3, 6, 7, 8, 9]  # of nine epochs, as 1, 25, 51, 67, 72, 79 are of ninety


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return small_145.make_images(tmp_path_factory.mktemp("images") / "all", per_class=64, tests=60).path


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return small_145.make_experiment(tmp_path_factory.mktemp("experiments") / "small")


def miniature(reproduce, experiment, images, run, *more):
    return reproduce(
        experiment, "--data", images, "--scale", 0.1, "--run", run, "--threads", 1, "--seed", 5, *more
    )


@pytest.fixture(scope="module")
def finished():
    """The folder of a miniature that ran without a break, made by the first test that needs it."""
    return {}


@pytest.fixture
def unbroken(finished, reproduce, experiment, images, tmp_path_factory):
    if not finished:
        run = tmp_path_factory.mktemp("unbroken") / "run"
        status, out, err = miniature(reproduce, experiment, images, run)
        finished.update(run=run, status=status, out=out, err=err)
    return finished


def last(run):
    _, path = list_checkpoints(run / "checkpoints")[-1]
    return load_checkpoint(path)


def first_records(run):
    """Of each epoch the record that tells its rates."""
    return [record for record in read_metrics(run / "metrics.jsonl") if "rates" in record]


# --- in miniature -------------------------------------------------------------------------------------------
def test_a_miniature_runs_to_its_end_and_leaves_everything(unbroken):
    assert unbroken["status"] == 0, unbroken["err"]
    assert {path.name for path in unbroken["run"].iterdir()} == {
        "reproduction.json", "data", "checkpoints", "metrics.jsonl", "layers.cfg", "params.cfg",
        "recipe.json", "views", "fidelity.json", "report.html",
    }  # fmt: skip
    note = json.loads((unbroken["run"] / "reproduction.json").read_text())
    assert (note["scale"], note["seed"]) == (0.1, 5)
    assert unbroken["out"].endswith(f"It ran to its end. The report: {unbroken['run'] / 'report.html'}\n")


def test_every_change_of_the_schedule_happens_in_an_epoch_of_its_own(unbroken):
    records = first_records(unbroken["run"])
    minibatch = json.loads((unbroken["run"] / "recipe.json").read_text())["minibatch"]
    assert minibatch == 4  # of 36 images; rates are as much smaller than those of 2012
    assert [record["epoch"] for record in records] == list(range(1, EPOCHS + 1))
    seen = []
    for record in records:
        rates = record["rates"]
        state = (
            *(round(128 / minibatch * value, 9) for value in rates["conv1a"]),
            *(round(128 / minibatch * value, 9) for value in rates["fc10"]),
            record["color_noise"],
        )
        assert rates["conv1b"] == rates["conv1a"]
        assert rates["conv2a"] == rates["conv5b"]
        assert rates["conv3a"] == rates["fc64bb"] == rates["fc10"]
        if not seen or seen[-1][1] != state:
            seen.append((record["epoch"], state))
    assert seen == [
        (1, (0.01, 0.02, 0.01, 0.01, 0.02, 0.1)),
        (3, (0.001, 0.02, 0.001, 0.001, 0.02, 0.1)),
        (6, (0.0001, 0.02, 0.0001, 0.0001, 0.02, 0.1)),
        (7, (0.00001, 0.002, 0.0001, 0.0001, 0.02, 0.0)),
        (8, (0.0, 0.0, 0.0001, 0.0001, 0.02, 0.0)),
        (9, (0.0, 0.0, 0.00001, 0.00001, 0.02, 0.0)),
    ]


def test_conv1_stands_still_at_rate_zero_and_the_others_move(unbroken):
    *_, (_, before), (_, after) = list_checkpoints(unbroken["run"] / "checkpoints")
    before, after = load_checkpoint(before), load_checkpoint(after)
    assert (before.position.epoch, after.position.epoch) == (9, 10)
    for layer, stands in (("conv1a", True), ("conv1b", True), ("conv2a", False), ("fc10", False)):
        for matrix in ("weights0", "biases"):
            name = f"{layer}/{matrix}"
            assert np.array_equal(before.state[name], after.state[name]) is stands, name


def test_tests_are_of_the_centre_while_it_trains(unbroken):
    tests = [r for r in read_metrics(unbroken["run"] / "metrics.jsonl") if r["kind"] == "test"]
    assert [(r["epoch"], r["views"], r["cases"]) for r in tests] == [(e, 1, 36) for e in range(1, EPOCHS + 1)]


def test_ten_views_are_averaged_at_the_end(unbroken):
    run = unbroken["run"]
    _, checkpoint = list_checkpoints(run / "checkpoints")[-1]
    net = load_network(checkpoint, get_engine("numpy", threads=1))
    folder = BatchFolder(run / "data")
    border = small_145.BORDER
    mean = folder.meta.statistics.mean_image
    inner = small_145.SIZE - 2 * border
    middle = mean[:, border : border + inner, border : border + inner]
    assert len(folder.test) == 2
    for number, file in enumerate(folder.test, 1):
        contents = file.read()
        views = []
        for y, x in ((0, 0), (0, 2 * border), (border, border), (2 * border, 0), (2 * border, 2 * border)):
            crops = contents.images[:, :, y : y + inner, x : x + inner].astype(np.float32)
            for mirrored in (crops, crops[:, :, :, ::-1]):
                data = (mirrored - middle).reshape(len(crops), -1).T
                labels = contents.labels.astype(np.float32)[None]
                net.fprop([np.ascontiguousarray(data), labels], PassType.TEST)
                views.append(np.array(net.acts("probs")))
        assert len(views) == 10
        mean_probs = np.mean(views, axis=0)
        kept = read_hdf5(run / "views" / f"test_batch_{number:04}.h5").datasets
        truth = mean_probs[contents.labels, np.arange(len(contents.labels))]
        np.testing.assert_allclose(kept["truth_probabilities"], truth, rtol=1e-4)
        likeliest = np.sort(mean_probs, axis=0)[::-1][:5].T
        np.testing.assert_allclose(kept["guess_probabilities"], likeliest, rtol=1e-4)
        centre = np.array(views[4])
        assert np.abs(centre - mean_probs).max() > 1e-4  # views do differ


def test_the_report_says_what_was_obtained_what_is_recorded_and_that_they_do_not_compare(unbroken):
    page = (unbroken["run"] / "report.html").read_text(encoding="utf-8")
    assert "Run 145 of 2012, in miniature" in page
    assert "18.21%" in page
    assert "40.66%" in page
    assert "The two columns cannot be compared." in page
    assert "6 classes in place of 1,000" in page
    for epoch, then in zip(PHASES[1:], (25, 51, 67, 72, 79), strict=True):
        assert f'<td>{epoch}</td><td class="then">{then}</td>' in page
    assert "Not to be compared with the recorded run: 6 classes in place of 1,000;" in unbroken["out"]
    assert "mean of 10 views" in unbroken["out"]


def test_the_network_gets_as_many_outputs_as_there_are_classes_and_the_run_says_so(unbroken):
    text = (unbroken["run"] / "layers.cfg").read_text()
    assert "# 1000 in layers.cfg: these images have 6 classes.\noutputs=6\n" in text
    assert last(unbroken["run"]).num_classes == 6


def test_scale_1_is_the_whole_and_copies_nothing(reproduce, few, tmp_path):
    what = whole(tmp_path / "what")
    status, out, err = reproduce(what, "--data", few, "--scale", 1, "--run", tmp_path / "run", "--threads", 1)
    assert status in (0, 1), err
    assert not (tmp_path / "run" / "data").exists()
    assert "It ran to its end" not in out
    assert "a run of scale 1.0, not 0.5; give another folder" in mistake(
        reproduce("--run", tmp_path / "run", "--scale", 0.5)
    )


def test_from_the_archives_of_2012_to_the_report(reproduce, tmp_path):
    archive = imagenet_archive.build(
        tmp_path / "archives", classes=8, images=12, val=32, troubles=("cmyk_jpeg", "truncated_jpeg")
    )
    images, side = tmp_path / "images", str(small_145.SIZE)
    command = [
        sys.executable,
        "-m",
        "alexnet2012",
        "data",
        "imagenet",
        str(archive.src),
        "--out",
        str(images),
    ]
    command += ["--size", side, "--batch-size", "40", "--workers", "1"]
    made = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    what = small_145.make_experiment(tmp_path / "what")
    run = tmp_path / "run"
    status, out, err = reproduce(what, "--data", images, "--scale", 0.1, "--run", run, "--threads", 1)
    assert status == 0, err
    assert len(first_records(run)) == EPOCHS
    scaled = BatchFolder(run / "data").meta
    assert set(scaled.class_ids) <= set(archive.wnids)
    assert len(scaled.class_ids) == 6
    assert "mean of 10 views" in out
    assert "ILSVRC2012_val_" in (run / "report.html").read_text(encoding="utf-8")


# --- killed -------------------------------------------------------------------------------------------------
def killed_when(condition, experiment, images, run, tmp_path):
    """Start a miniature in a process of its own, and kill it as soon as `condition` holds."""
    command = [
        sys.executable, "-m", "alexnet2012", "reproduce", str(experiment), "--data", str(images),
        "--run", str(run), "--scale", "0.1", "--seed", "5", "--threads", "1",
    ]  # fmt: skip
    with open(tmp_path / "output", "w") as output:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while not condition():
            assert process.poll() is None, (tmp_path / "output").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("epoch", [2, 7])
def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_bits(
    reproduce, experiment, images, unbroken, tmp_path, epoch
):
    run = tmp_path / "run"

    def is_there():
        found = list_checkpoints(run / "checkpoints")
        return bool(found) and found[-1][0].epoch >= epoch

    killed_when(is_there, experiment, images, run, tmp_path)
    assert last(run).position.epoch < EPOCHS + 1
    status, _, err = reproduce("--run", run, "--threads", 1)
    assert status == 0, err
    ours, theirs = last(run), last(unbroken["run"])
    assert ours.position == theirs.position
    assert ours.state.keys() == theirs.state.keys()
    assert all(ours.state[name].tobytes() == theirs.state[name].tobytes() for name in theirs.state)
    logs = [list(map(without_timings, read_metrics(r / "metrics.jsonl"))) for r in (run, unbroken["run"])]
    assert logs[0] == logs[1]
    for path in (unbroken["run"] / "views").iterdir():
        ours, theirs = (read_hdf5(folder / path.name).datasets for folder in (run / "views", path.parent))
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert (run / "report.html").exists()


def test_a_test_of_ten_views_that_was_interrupted_goes_on_behind_its_last_batch(
    reproduce, experiment, images, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    of = Predictions.of
    made = []

    def interrupted(*arguments):
        made.append(len(made))
        if len(made) == 2:
            raise KeyboardInterrupt
        return of(*arguments)

    monkeypatch.setattr(Predictions, "of", interrupted)
    status, out, _ = miniature(reproduce, experiment, images, run)
    assert status == 130
    assert out.endswith(f"Stopped. To go on: alexnet2012 reproduce --run {run}\n")
    first = run / "views" / "test_batch_0001.h5"
    assert [path.name for path in (run / "views").iterdir()] == [first.name]
    before = first.stat().st_mtime_ns
    monkeypatch.setattr(Predictions, "of", of)
    assert reproduce("--run", run)[0] == 0
    assert first.stat().st_mtime_ns == before
    assert len(list((run / "views").iterdir())) == 2


def test_a_finished_miniature_is_reported_again_without_its_source(
    reproduce, experiment, images, unbroken, tmp_path
):
    report = unbroken["run"] / "report.html"
    report.unlink()
    moved = images.rename(images.with_name("elsewhere"))
    try:
        status, _, err = reproduce("--run", unbroken["run"])
    finally:
        moved.rename(images)
    assert status == 0, err
    assert report.exists()


def test_a_damaged_copy_of_an_image_is_named_with_the_command_that_mends_it(reproduce, unbroken, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(unbroken["run"], run)
    path = run / "data" / "test" / "data_batch_0001.h5"
    path.write_bytes(path.read_bytes()[:1000])
    (problem,) = verify(run / "data")
    assert f"run `alexnet2012 reproduce --run {unbroken['run']}`, which makes what is" in problem.message
    status, _, err = reproduce("--run", run, "--threads", 1)
    assert status == 0, err
    assert list(verify(run / "data")) == []


# --- beside the recorded numbers ----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return small_145.make_images(
        tmp_path_factory.mktemp("few") / "images", classes=8, per_class=8, tests=4
    ).path


def whole(folder, *changes):
    return small_145.make_experiment(
        folder, *small_145.SHORT, ("minibatch = 128", "minibatch = 16"), *changes,
        classes=8, train_images=64, test_images=32,
    )  # fmt: skip


def test_errors_near_the_recorded_ones_are_reached(reproduce, few, tmp_path):
    near = whole(tmp_path / "near", ("within = 0.01", "within = 1.0"))
    status, out, err = reproduce(near, "--data", few, "--run", tmp_path / "run", "--threads", 1)
    assert status == 0, err
    assert out.endswith(f"Reached. The report: {tmp_path / 'run' / 'report.html'}\n")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "✓ both errors within 100 points of 2012" in page
    assert "cannot be compared" not in page
    assert "Difference" in page


def test_errors_far_from_the_recorded_ones_give_exit_status_1(reproduce, few, tmp_path):
    far = whole(tmp_path / "far", ("top1_error = 0.406640", "top1_error = 0.0"), ("0.182100", "0.99"))
    status, out, _ = reproduce(far, "--data", few, "--run", tmp_path / "run", "--threads", 1)
    assert status == 1
    assert "Not reached. The report:" in out
    assert "✗ not within 1 point of 2012" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_fewer_classes_run_to_the_end_and_do_not_compare(reproduce, tmp_path):
    images = small_145.make_images(tmp_path / "images", classes=3, per_class=8, tests=4, encoding="jpeg").path
    what = whole(tmp_path / "what")
    status, out, err = reproduce(what, "--data", images, "--run", tmp_path / "run", "--threads", 1)
    assert status == 0, err
    assert (
        "3 classes in place of 8; 24 images to learn from in place of 64; 12 test images in place of 32."
        in out
    )
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "five guesses cannot be wrong" in " ".join(page.split())


# --- users' mistakes ----------------------------------------------------------------------------------------
def mistake(result):
    status, out, err = result
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    (line,) = err.splitlines()
    return line


def test_without_data_one_line_tells_how_to_make_it(reproduce, tmp_path):
    assert mistake(reproduce("145")) == (
        "alexnet2012: experiment 145 needs --data DIR, a folder of images for it; "
        "`alexnet2012 data imagenet SRC --out DIR` makes it"
    )
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_is_not_there_is_one_line_that_tells_how_to_make_it(reproduce, tmp_path):
    line = mistake(reproduce("145", "--data", tmp_path / "none"))
    assert line.endswith("none: there is no such folder; `alexnet2012 data imagenet SRC --out DIR` makes one")


def test_images_of_another_size_are_one_line(reproduce, images):
    line = mistake(reproduce("145", "--data", images))
    assert "has images of 20x20 with 3 channels, and experiment 145 wants 256x256 in colour" in line


def test_digits_take_neither_data_nor_scale(reproduce, images):
    assert "experiment digits packs its own images; leave --data out" in mistake(
        reproduce("digits", "--data", images)
    )
    assert "experiment digits packs its own images; leave --scale out" in mistake(
        reproduce("digits", "--scale", 0.5)
    )


def test_a_network_that_counts_other_than_five_guesses_is_a_mistake(reproduce, few, tmp_path):
    what = whole(tmp_path / "what")
    params = (what / "params.cfg").read_text()
    (what / "params.cfg").write_text(params.replace("topk=5", "topk=3"))
    status, _, err = reproduce(what, "--data", few, "--run", tmp_path / "run")
    assert status == 2
    assert (
        "params.cfg: topk of cost.logreg must be 5, for the top-5 error is recorded" in err.splitlines()[-1]
    )


@pytest.mark.parametrize("scale", ["0", "1.5", "-1", "half", "nan", "inf"])
def test_a_scale_that_is_no_share_is_a_mistake(reproduce, experiment, images, scale):
    status, _, err = reproduce(experiment, "--data", images, "--scale", scale)
    assert status == 2
    assert not Path("runs").exists()
    assert "Invalid value for '--scale'" in err


def test_a_run_is_not_taken_for_one_of_another_scale_or_of_other_images(reproduce, unbroken, few, images):
    run = unbroken["run"]
    assert "a run of scale 0.1, not 0.2; give another folder, or no scale" in mistake(
        reproduce("--run", run, "--scale", 0.2)
    )
    assert f"{few}: not the images of the run in {run}, which are {images}" in mistake(
        reproduce("--run", run, "--data", few)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"experiment": 5},
        {"experiment": None},
        {"seed": "0"},
        {"seed": -1},
        {"seed": 2**64},
        {"data": 5},
        {"data": None},
        {"scale": "a"},
        {"scale": 7.0},
        {"scale": 0.0},
        {"more": 1},
    ],
    ids=str,
)
def test_a_note_that_is_none_is_one_line(reproduce, experiment, images, tmp_path, changes):
    note = {"experiment": str(experiment), "seed": 5, "data": str(images), "dataset": "a" * 64, "scale": 0.1}
    run = tmp_path / "run"
    run.mkdir()
    (run / "reproduction.json").write_text(json.dumps(note | changes))
    assert mistake(reproduce("--run", run)).endswith(
        "run/reproduction.json: cannot be read; give a new folder"
    )


def test_a_run_whose_experiment_has_become_another_kind_is_one_line(reproduce, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "reproduction.json").write_text(json.dumps({"experiment": "145", "seed": 0}))
    assert mistake(reproduce("--run", run)).endswith(
        "experiment 145 is another than when this run began; give a new folder"
    )


def test_images_that_have_moved_are_named_anew(reproduce, experiment, images, unbroken, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(images)
    status, _, err = reproduce("--run", unbroken["run"], "--data", elsewhere)
    assert status == 0, err


# --- the real one -------------------------------------------------------------------------------------------
def test_run_145_on_a_thousand_classes_is_its_own_network(tmp_path):
    what = read_experiment("145")
    images = small_145.make_images(
        tmp_path / "thousand", classes=1000, per_class=1, tests=1, size=8, batch=1000
    )
    sized = BatchFolder(images.path)
    sized.meta = type(sized.meta)(
        **{**vars(sized.meta), "image_shape": (3, 256, 256), "statistics": big_statistics()}
    )
    spec = recorded.read_network_for(what, sized, what.recipe)
    assert spec.layers_cfg == what.files[0].read_text()
    assert spec.num_parameters == read_network(*what.files).num_parameters == 60_965_224


def big_statistics():
    from cuda_convnet.data.statistics import Statistics

    return Statistics(np.zeros((3, 256, 256), np.float32), np.zeros(3), np.eye(3))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_run_145_itself_in_miniature(reproduce, tmp_path):
    images = small_145.make_images(
        tmp_path / "images", classes=8, per_class=2, tests=1, size=256, encoding="jpeg"
    )
    run = tmp_path / "run"
    status, out, err = reproduce("145", "--data", images.path, "--scale", 0.01, "--run", run)
    assert status == 0, err
    assert [round(32 * r["rates"]["conv2a"][0], 9) for r in first_records(run)] == [
        0.01, 0.001, 0.0001, 0.0001, 0.0001, 0.00001,
    ]  # fmt: skip
    assert [r["color_noise"] for r in first_records(run)] == [0.1, 0.1, 0.1, 0.0, 0.0, 0.0]
    assert last(run).state["fc1000/biases"].size == 6
    assert "mean of 10 views" in out
