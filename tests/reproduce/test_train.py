"""train, resume and test, as they are typed, and killed at any moment."""

import contextlib
import fcntl
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from alexnet2012 import cli
from alexnet2012.recipes import read_recipe
from cuda_convnet.checkpoint import list_checkpoints, load_checkpoint
from cuda_convnet.engines.numpy_engine import NumpyEngine
from cuda_convnet.errors import ConfigError
from cuda_convnet.metrics import read_metrics, without_timings
from tiny_run import LAYERS, PARAMS, last_checkpoint, make_folder

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with layers.cfg, params.cfg and batches in `data`."""
    place = tmp_path_factory.mktemp("place")
    (place / "layers.cfg").write_text(LAYERS)
    (place / "params.cfg").write_text(PARAMS)
    make_folder(place / "data")
    return place


@pytest.fixture
def alexnet2012(monkeypatch, capsys):
    """Runs a command in this process: (exit status, stdout, stderr)."""

    def execute(*arguments):
        monkeypatch.setattr(sys, "argv", ["alexnet2012", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return execute


def train_arguments(place, run, *more):
    files = ["--data", place / "data", "--layers", place / "layers.cfg", "--params", place / "params.cfg"]
    return ["train", *files, "--run", run, "--minibatch", 8, "--seed", 3, "--threads", 1, *more]


def started(*arguments):
    """A command in a process of its own."""
    command = [sys.executable, "-m", "alexnet2012", *map(str, arguments)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def records(run):
    return [without_timings(record) for record in read_metrics(run / "metrics.jsonl")]


def wait_for(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- the three commands -----------------------------------------------------------------------------------
def test_train_resume_and_test_work_together(place, tmp_path, alexnet2012):
    run = tmp_path / "run"
    status, out, err = alexnet2012(*train_arguments(place, run, "--epochs", 1))
    assert status == 0
    assert re.fullmatch(
        rf"Trained 1 epochs; the last test: logprob 0\.\d+, error .*\. The run is in {run}\n", out
    )
    assert "epoch 1/1, batch 3/3: test: logprob 0." in err
    assert [record["kind"] for record in records(run)] == ["train"] * 3 + ["test"]

    status, out, err = alexnet2012("resume", run)
    assert status == 0
    assert f"All 1 epochs are over. For more: alexnet2012 resume {run} --epochs 2" in err
    status, out, err = alexnet2012("resume", run, "--epochs", 2, "--threads", 1)
    assert status == 0
    assert out.startswith("Trained 2 epochs; the last test: logprob 0.")
    assert len(records(run)) == 8

    status, out, _ = alexnet2012("test", run)
    assert status == 0
    assert out.startswith(f"{last_checkpoint(run).name} on 9 test images of {place / 'data'}: logprob ")
    status, out, _ = alexnet2012("test", last_checkpoint(run), "--data", place / "data", "--json")
    report = json.loads(out)
    assert report["costs"] == records(run)[-1]["costs"]
    assert (report["cases"], report["views"], report["position"]["epoch"]) == (9, 1, 3)
    status, out, _ = alexnet2012("test", run, "--multiview", "--json")
    assert json.loads(out)["views"] == 10
    assert json.loads(out)["costs"] != report["costs"]


def test_the_options_of_2012_have_their_names(place, tmp_path, alexnet2012):
    arguments = [
        "train", "--data-path", place / "data", "--layer-def", place / "layers.cfg",
        "--layer-params", place / "params.cfg", "--mini", 16, "--test-freq", 2, "--crop-border", 1,
        "--color-noise", 0.1, "--scalar-mean", "--wupdate-freq", 2, "--multiview-test",
        "--conv-to-local", "conv1", "--epochs", 2, "--run", tmp_path / "run",
    ]  # fmt: skip
    assert alexnet2012(*arguments)[0] == 0
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    for name, value in {
        "minibatch": 16,
        "test_every": "2 batches",
        "crop_border": 1,
        "color_noise": 0.1,
        "scalar_mean": True,
        "wupdate_freq": 2,
        "multiview_test": True,
        "conv_to_local": ["conv1"],
        "epochs": 2,
    }.items():
        assert recipe[name] == value
    tests = [(record["epoch"], record["batch"]) for record in records(tmp_path / "run") if "views" in record]
    assert tests == [(1, 2), (2, 1), (2, 3)]


def test_a_recipe_in_a_file_has_a_schedule_and_options_override_it(place, tmp_path, alexnet2012):
    (tmp_path / "experiment.toml").write_text(
        '[training]\nepochs = 90\nminibatch = 4\ntest_every = "never"\n'
        "[[training.schedule]]\nepoch = 2\nmultiply = { epsW = 0.1 }\n"
    )
    more = ["--recipe", tmp_path / "experiment.toml", "--epochs", 2]
    assert alexnet2012(*train_arguments(place, tmp_path / "run", *more))[0] == 0
    rates = [record["rates"]["fc4"][0] for record in records(tmp_path / "run") if "rates" in record]
    assert rates == [pytest.approx(0.001), pytest.approx(0.0001)]


def test_a_run_starts_with_the_weights_of_a_checkpoint(place, tmp_path, alexnet2012):
    assert alexnet2012(*train_arguments(place, tmp_path / "a"))[0] == 0
    first = last_checkpoint(tmp_path / "a")
    assert alexnet2012(*train_arguments(place, tmp_path / "b", "--init-from", first))[0] == 0
    assert records(tmp_path / "b")[0]["costs"]["logprob"] < records(tmp_path / "a")[0]["costs"]["logprob"]


def check_grads(alexnet2012, place, layers, *more):
    """--check-grads on a network with few weights and no corners."""
    (place / "smooth.cfg").write_text(layers.replace("padding=1", "padding=0").replace("relu", "tanh[1,1]"))
    files = ["--layers", place / "smooth.cfg", "--params", place / "params.cfg"]
    status, out, _ = alexnet2012("train", *files, "--check-grads", "--mini", 4, *more)
    lines = out.splitlines()
    names = [line.split()[0] for line in lines[1:5]]
    assert names == ["conv1/weights0", "conv1/biases", "fc4/weights0", "fc4/biases"]
    return status, [line.split()[-1] for line in lines[1:5]], lines[-1]


def test_all_gradients_agree_with_finite_differences_on_random_images(place, alexnet2012):
    # images of 32 x 32 are assumed: convolution and pooling make 2 x 2 of them
    layers = LAYERS.replace("filterSize=3", "filterSize=4").replace("stride=1", "stride=4")
    layers = layers.replace("inputs=hs1", "inputs=pool1")
    pool = "[pool1]\ntype=pool\npool=avg\ninputs=hs1\nchannels=16\nsizeX=4\nstride=4\n"
    found = check_grads(alexnet2012, place, layers.replace("[fc4]", f"{pool}[fc4]"))
    assert found == (0, ["ok"] * 4, "All 4 gradients are right.")


def test_all_gradients_agree_with_finite_differences_on_images_of_the_data(place, tmp_path, alexnet2012):
    # dark images: the steps of finite differences are large for weights on pixels of 0 to 255
    make_folder(tmp_path / "dark", contrast=0.02)
    layers = LAYERS.replace("stride=1", "stride=3")
    found = check_grads(alexnet2012, place, layers, "--data", tmp_path / "dark")
    assert found == (0, ["ok"] * 4, "All 4 gradients are right.")


def test_a_wrong_gradient_is_found(place, tmp_path, alexnet2012, monkeypatch):
    right = NumpyEngine.matrix_add_sum

    def wrong(self, matrix, vec, *, axis, scale_sum=1.0, **more):
        right(self, matrix, vec, axis=axis, scale_sum=1.1 * scale_sum, **more)

    monkeypatch.setattr(NumpyEngine, "matrix_add_sum", wrong)
    make_folder(tmp_path / "dark", contrast=0.02)
    layers = LAYERS.replace("stride=1", "stride=3").replace("partialSum=1", "partialSum=0")
    status, verdicts, last = check_grads(alexnet2012, place, layers, "--data", tmp_path / "dark")
    assert (status, verdicts) == (1, ["ok", "WRONG", "ok", "WRONG"])
    assert last == "2 of 4 gradients are wrong."


def test_a_terminal_gets_a_bar_that_fits_it(place, tmp_path):
    for width in (60, 150):
        terminal, end = os.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        arguments = map(str, train_arguments(place, tmp_path / str(width), "--epochs", 3))
        command = [sys.executable, "-m", "alexnet2012", *arguments]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=end)
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):
            while piece := os.read(terminal, 1 << 16):
                shown += piece
        os.close(terminal)
        assert process.wait() == 0
        pictures = [
            re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", line) for line in re.split("[\r\n]+", shown.decode())
        ]
        bars = [picture for picture in pictures if picture.startswith("[")]
        assert len(bars) > 10
        assert "[############] 100%" in bars[-1]
        assert re.search(r"\d+ images/s", bars[-1])
        assert ("test: logprob" in bars[-1]) == (width == 150)
        assert max(map(len, bars)) <= width


# --- signals -----------------------------------------------------------------------------------------------
def test_a_run_that_is_killed_again_and_again_gives_the_bits_of_an_unbroken_one(place, tmp_path, alexnet2012):
    """kill -9, at random moments of real processes."""
    more = ["--epochs", 30, "--test-freq", 4, "--color-noise", 0.1, "--wupdate-freq", 2]
    assert alexnet2012(*train_arguments(place, tmp_path / "unbroken", *more))[0] == 0

    run, killed = tmp_path / "killed", 0
    chance = random.Random(2012)
    process = started(*train_arguments(place, run, *more))
    for _ in range(3):
        lines = len(records(run)) if (run / "metrics.jsonl").exists() else 0
        wait_for(lambda: (run / "metrics.jsonl").exists() and len(records(run)) > lines + 4, process)  # noqa: B023
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        readable = [load_checkpoint(path) for _, path in list_checkpoints(run / "checkpoints")]
        assert readable
        process = started("resume", run, "--threads", 1)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "warning" not in err
    assert killed == 3
    assert records(run) == records(tmp_path / "unbroken")
    final, expected = (load_checkpoint(last_checkpoint(each)) for each in (run, tmp_path / "unbroken"))
    assert final.position == (31, 1, 0)
    assert final.content_hash() == expected.content_hash()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_minibatch_saves_and_tells_how_to_go_on(place, tmp_path, number, status):
    run = tmp_path / "a run"
    process = started(*train_arguments(place, run, "--epochs", 100000, "--test-freq", "never"))
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(records(run)) > 5, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    position = load_checkpoint(last_checkpoint(run)).position
    assert out == (
        f"Stopped at {position} (epoch.batch.minibatch), all is saved. To go on: alexnet2012 resume '{run}'\n"
    )
    assert "stopping after this minibatch" in err
    assert "Traceback" not in err
    assert position > (2, 1, 0)


def test_a_second_signal_ends_the_process_at_once(place, tmp_path):
    run = tmp_path / "run"
    slow = "import time, cuda_convnet.training as t; t.check_finite = lambda *_: time.sleep(30)"
    code = f"{slow}\nimport sys; sys.argv[0] = 'alexnet2012'\nfrom alexnet2012.cli import main; main()"
    arguments = [sys.executable, "-c", code, *map(str, train_arguments(place, run))]
    process = subprocess.Popen(
        arguments, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: bool(list_checkpoints(run / "checkpoints")), process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() in ("\n", f"Training 2,756 parameters; the run folder is {run}\n")
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert load_checkpoint(last_checkpoint(run)).position == (1, 1, 0)


# --- mistakes ----------------------------------------------------------------------------------------------
def told(alexnet2012, *arguments):
    """The one line that a mistake gives, without the program's name."""
    status, out, err = alexnet2012(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("alexnet2012: ")
    assert err.count("\n") == 1
    return err.removeprefix("alexnet2012: ").strip()


def test_mistakes_are_one_line_and_status_2(place, tmp_path, alexnet2012):
    run = tmp_path / "run"
    (tmp_path / "wrong.cfg").write_text(LAYERS.replace("channels=3", "channels=4"))
    (tmp_path / "wrong.toml").write_text("[training]\nepoch = 3\n")
    (tmp_path / "no.toml").write_text("[training\n")
    (tmp_path / "empty").mkdir()

    def train(*more):
        return told(alexnet2012, *train_arguments(place, run, *more))

    assert train("--data", tmp_path / "nowhere").startswith(f"{tmp_path}/nowhere: there is no such folder")
    assert train("--data", tmp_path / "empty").startswith(f"{tmp_path}/empty is not a batch folder: meta.h5")
    assert train("--layers", tmp_path / "no.cfg").startswith(f"{tmp_path}/no.cfg: No such file")
    assert train("--layers", tmp_path / "wrong.cfg").startswith(f"{tmp_path}/wrong.cfg:")
    assert "crop border of 4 leaves nothing" in train("--crop-border", 4)
    assert "no engine 'abacus'" in train("--engine", "abacus")
    assert "layer 'fc4' is of type 'fc'" in train("--conv-to-local", "fc4")
    assert "no layer with weights is called 'fc9'" in train("--unshare-weights", "fc9")
    assert "[training]: the recipe has no 'epoch'" in train("--recipe", tmp_path / "wrong.toml")
    assert "not TOML" in train("--recipe", tmp_path / "no.toml")
    assert train("--init-from", place / "layers.cfg").endswith("layers.cfg is not an HDF5 file")
    assert told(alexnet2012, "resume", run).startswith(f"{run}/checkpoints: there is no checkpoint here")
    assert told(alexnet2012, "test", run).startswith(f"{run} is missing")
    assert not run.exists()

    assert alexnet2012(*train_arguments(place, run))[0] == 0
    assert "there is a run in this folder" in train()
    assert "wrong.cfg" in told(alexnet2012, "resume", run, "--params", tmp_path / "wrong.cfg")
    assert "No such file" in told(alexnet2012, "resume", run, "--params", tmp_path / "no.cfg")
    assert "there is no such folder" in told(alexnet2012, "resume", run, "--data", tmp_path / "nowhere")


def test_options_that_are_wrong_are_a_usage_error(place, tmp_path, alexnet2012):
    for more, message in (
        (["--epochs", 0], "0 is not in the range x>=1"),
        (["--test-freq", "often"], "'often' is not a number of batches, 'N epochs' or 'never'"),
        (["--color-noise", -1], "-1.0 is not in the range x>=0"),
    ):
        status, _, err = alexnet2012(*train_arguments(place, tmp_path / "run", *more))
        assert status == 2
        assert message in err
    status, _, err = alexnet2012("train", "--layers", place / "layers.cfg", "--params", place / "params.cfg")
    assert status == 2
    assert "Missing option '--data'" in err


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(place, tmp_path, alexnet2012):
    run = tmp_path / "run"
    assert alexnet2012(*train_arguments(place, run, "--epochs", 2))[0] == 0
    newest = last_checkpoint(run)
    newest.write_bytes(newest.read_bytes()[:-10])
    status, out, err = alexnet2012("test", run)
    assert status == 0
    assert out.startswith("checkpoint-0002.0001.0000.h5 on 9 test images")
    assert err.startswith(f"warning: {newest} is cut short")
    assert newest.exists()
    status, _, err = alexnet2012("resume", run, "--threads", 1)
    assert status == 0
    assert err.startswith(f"warning: {newest} is cut short")
    assert load_checkpoint(newest).position == (3, 1, 0)


def test_a_cost_that_is_not_a_number_is_one_line(place, tmp_path, alexnet2012):
    (tmp_path / "wild.cfg").write_text(PARAMS.replace("epsW=0.00001", "epsW=1e38"))
    more = ["--params", tmp_path / "wild.cfg", "--threads", 2]
    status, _, err = alexnet2012(*train_arguments(place, tmp_path / "run", *more))
    assert status == 2
    first, last = err.splitlines()
    assert first.startswith("Training 2,756 parameters")
    assert last.startswith("alexnet2012: epoch 1, batch 1, minibatch ")
    assert "it first arose in layer 'conv1'" in last


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "r.toml: No such file or directory"),
        ("epochs = 3", None),
        ("training = 3", "r.toml: training must be a table"),
        (
            "[training]\nepochs = 'many'",
            "r.toml: [training]: epochs must be a whole number of at least 1, not 'many'",
        ),
        ("[training]\nepochs 3", "r.toml: not TOML: "),
    ],
)
def test_a_recipe_file_is_read_or_its_mistake_is_told(tmp_path, text, message):
    path = tmp_path / "r.toml"
    if text is not None:
        path.write_text(text)
    if message is None:
        assert read_recipe(path).epochs == 1
        return
    with pytest.raises(ConfigError) as error:
        read_recipe(path)
    assert str(error.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(error.value)
