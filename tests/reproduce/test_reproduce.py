"""`alexnet2012 reproduce`, as it is typed, with an experiment that takes a second."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from alexnet2012 import cli
from alexnet2012.experiment import read_experiment
from alexnet2012.record import places
from cuda_convnet.checkpoint import list_checkpoints, load_checkpoint
from cuda_convnet.data.batches import BatchWriter
from cuda_convnet.metrics import read_metrics, without_timings

ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

COLUMN = """
[conv1{c}]
type=conv
inputs=data
channels=1
filters=16
padding=1
stride=1
filterSize=3
initW=0.01
partialSum=8
sharedBiases=1
neuron=relu
gpu={gpu}

[pool1{c}]
type=pool
pool=max
inputs=conv1{c}
sizeX=3
stride=2
channels=16
"""
LAYERS = (
    "[data]\ntype=data\ndataIdx=0\n[labels]\ntype=data\ndataIdx=1\n"
    + COLUMN.format(c="a", gpu=0)
    + COLUMN.format(c="b", gpu=1)
    + """
[fc10]
type=fc
inputs=pool1a,pool1b
outputs=10
initW=0.01,0.01

[probs]
type=softmax
inputs=fc10

[logprob]
type=cost.logreg
inputs=labels,probs
gpu=0
"""
)
ONE = "epsW=0.0001\nepsB=0.0002\nmomW=0.9\nmomB=0.9\nwc=0.0005\n"
PARAMS = (
    f"[conv1a]\n{ONE}[conv1b]\n{ONE}"
    "[fc10]\nepsW=0.0001,0.0001\nepsB=0.0002\nmomW=0.9,0.9\nmomB=0.9\nwc=0.0005,0.0005\n"
    "[logprob]\ncoeff=1\ntopk=2\n"
)
EXPERIMENT = """
title = "A small reproduction"
[data]
source = "digits"
size = 8
border = 1
[wanted]
accuracy = 0.2
[training]
epochs = 3
minibatch = 128
crop_border = 1
multiview_test = true
test_every = "1 epoch"
seed = 3
[[training.schedule]]
epoch = 3
multiply = { epsW = 0.1, epsB = 0.1 }
"""


def make_experiment(folder, text=EXPERIMENT):
    folder.mkdir()
    (folder / "layers.cfg").write_text(LAYERS)
    (folder / "params.cfg").write_text(PARAMS)
    (folder / "experiment.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("experiments") / "small")


def states(run):
    _, path = list_checkpoints(run / "checkpoints")[-1]
    return load_checkpoint(path).state


# --- from images to report ----------------------------------------------------------------------------------
def test_a_run_leaves_batches_checkpoints_metrics_fidelity_and_report(reproduce, experiment, tmp_path):
    run = tmp_path / "run"
    status, out, err = reproduce(experiment, "--run", run, "--threads", 1)
    assert status == 0, err
    assert {path.name for path in run.iterdir()} == {
        "reproduction.json", "data", "checkpoints", "metrics.jsonl", "layers.cfg", "params.cfg",
        "recipe.json", "fidelity.json", "report.html",
    }  # fmt: skip
    metrics = read_metrics(run / "metrics.jsonl")
    tests = [record for record in metrics if record["kind"] == "test"]
    assert [(r["epoch"], r["cases"], r["views"]) for r in tests] == [(1, 360, 5), (2, 360, 5), (3, 360, 5)]

    right = round(360 * (1 - tests[-1]["costs"]["logprob"][1]))
    assert f"{right} of 360 held-out images right" in out
    assert f"{right / 360:.1%}" in out
    assert "wanted: at least 20%" in out
    assert out.endswith(f"Reached. The report: {run / 'report.html'}\n")
    assert "epoch 3/3: epsW x 0.1, epsB x 0.1 in all layers" in err

    fidelity = json.loads((run / "fidelity.json").read_text())
    assert {case["op"] for case in fidelity["cases"]} == {"neuron_relu", "pool_max"}
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "A small reproduction" in page
    assert f"{right} right, {360 - right} wrong" in page
    assert "conv1a" in page
    assert "conv1b" in page
    assert f"All {len(fidelity['cases'])} lie within their bounds" in page


def test_what_is_not_reached_gives_exit_status_1(reproduce, tmp_path):
    experiment = make_experiment(
        tmp_path / "strict", EXPERIMENT.replace("0.2", "1.0").replace("epochs = 3", "epochs = 1")
    )
    status, out, _ = reproduce(experiment, "--threads", 1)
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("strict-")
    assert status == 1
    assert f"Not reached. The report: {run.relative_to(tmp_path) / 'report.html'}" in out
    assert "✗ not reached" in (run / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_is_reported_again_without_training(reproduce, experiment, tmp_path):
    run = tmp_path / "run"
    reproduce(experiment, "--run", run, "--threads", 1)
    before = states(run), (run / "metrics.jsonl").read_bytes()
    (run / "report.html").unlink()
    status, _, _ = reproduce("--run", run)
    assert status == 0
    assert (run / "report.html").exists()
    assert (run / "metrics.jsonl").read_bytes() == before[1]
    assert all(np.array_equal(before[0][name], array) for name, array in states(run).items())


def test_the_seed_decides(reproduce, experiment, tmp_path):
    for name, seed in (("one", 3), ("two", 4)):
        assert reproduce(experiment, "--run", tmp_path / name, "--seed", seed, "--threads", 1)[0] == 0
    one, two = states(tmp_path / "one"), states(tmp_path / "two")
    assert not np.array_equal(one["fc10/weights0"], two["fc10/weights0"])
    assert json.loads((tmp_path / "two" / "reproduction.json").read_text())["seed"] == 4


def test_without_archives_the_run_goes_on_and_says_so(reproduce, experiment, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(places, "original_path", lambda: tmp_path / "empty")
    monkeypatch.setattr(
        sys, "argv", ["alexnet2012", "reproduce", str(experiment), "--run", "run", "--threads", "1"]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert "nothing was compared" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


# --- interrupted --------------------------------------------------------------------------------------------
def test_an_interrupted_run_tells_how_to_go_on_and_ends_with_the_same_bits(reproduce, experiment, tmp_path):
    long = make_experiment(tmp_path / "long", EXPERIMENT.replace("epochs = 3", "epochs = 12"))
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "alexnet2012",
        "reproduce",
        str(long),
        "--run",
        str(run),
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(list_checkpoints(run / "checkpoints")) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"To go on: alexnet2012 reproduce --run {run}\n" in out
    assert "Traceback" not in err
    assert not (run / "report.html").exists()

    status, _, err = reproduce("--run", run, "--threads", 1)
    assert status == 0, err
    assert (run / "report.html").exists()
    assert reproduce(long, "--run", tmp_path / "unbroken", "--threads", 1)[0] == 0
    resumed, unbroken = states(run), states(tmp_path / "unbroken")
    assert resumed.keys() == unbroken.keys()
    assert all(np.array_equal(resumed[name], unbroken[name]) for name in unbroken)
    logs = [
        list(map(without_timings, read_metrics(r / "metrics.jsonl"))) for r in (run, tmp_path / "unbroken")
    ]
    assert logs[0] == logs[1]


def test_a_run_that_was_interrupted_while_packing_goes_on(reproduce, experiment, tmp_path, monkeypatch):
    run = tmp_path / "run"
    finish = BatchWriter.finish
    monkeypatch.setattr(BatchWriter, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    status, out, _ = reproduce(experiment, "--run", run)
    assert status == 130
    assert out.endswith(f"Stopped. To go on: alexnet2012 reproduce --run {run}\n")
    monkeypatch.setattr(BatchWriter, "finish", finish)
    (run / "checkpoints").mkdir()  # as if killed before the first checkpoint, too
    assert reproduce("--run", run, "--threads", 1)[0] == 0


# --- users' mistakes ----------------------------------------------------------------------------------------
def mistake(result):
    status, out, err = result
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    (line,) = err.splitlines()
    return line


def test_an_unknown_experiment_is_one_line_that_lists_those_there_are(reproduce, tmp_path):
    line = mistake(reproduce("nonesuch"))
    assert line.startswith(
        "alexnet2012: no experiment 'nonesuch' to reproduce; there are 145, digits, or name a folder"
    )
    assert not (tmp_path / "runs").exists()


def test_a_missing_package_is_one_line_with_the_command_that_installs_it(reproduce, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name in ("sklearn", "jinja2") else find_spec(name, *more),
    )
    line = mistake(reproduce())
    assert "`reproduce` needs scikit-learn, jinja2; " in line
    assert line.rstrip("'").endswith("[digits,study]")
    assert " -m pip install " in line


def test_a_folder_with_something_else_in_it_is_left_alone(reproduce, experiment, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    line = mistake(reproduce(experiment, "--run", tmp_path / "mine"))
    assert f"{tmp_path / 'mine'}: not empty and not made by `reproduce`" in line
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_run_is_not_taken_for_one_of_another_experiment_or_seed(reproduce, experiment, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    note = {"experiment": read_experiment(str(experiment)).reference, "seed": 3}
    (run / "reproduction.json").write_text(json.dumps(note))
    assert "a run of seed 3, not 4; give another folder, or no seed" in mistake(
        reproduce("--run", run, "--seed", 4)
    )
    assert f"a run of experiment {experiment}, not digits;" in mistake(reproduce("digits", "--run", run))
    (run / "reproduction.json").write_text("{")
    assert "reproduction.json: cannot be read; give a new folder" in mistake(reproduce("--run", run))


def test_a_folder_that_cannot_be_made_is_one_line(reproduce, experiment, tmp_path):
    (tmp_path / "file").write_text("")
    line = mistake(reproduce(experiment, "--run", tmp_path / "file" / "run"))
    assert "cannot write into the folder of the run: Not a directory" in line


def test_a_mistake_in_the_network_names_file_and_line(reproduce, tmp_path):
    broken = make_experiment(tmp_path / "broken")
    (broken / "layers.cfg").write_text(LAYERS.replace("outputs=10", "outputs=ten"))
    status, _, err = reproduce(broken, "--run", tmp_path / "run")
    assert status == 2
    assert "Traceback" not in err
    assert "layers.cfg:" in err.splitlines()[-1]
    assert "layer 'fc10'" in err.splitlines()[-1]


def test_an_unknown_engine_is_one_line(reproduce, experiment):
    assert "abacus" in mistake(reproduce(experiment, "--engine", "abacus"))


# --- the real one -------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_miniature_reads_98_percent_of_the_held_out_digits(tmp_path):
    run = tmp_path / "digits"
    command = [sys.executable, "-m", "alexnet2012", "reproduce", "--run", str(run)]
    done = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    test = read_metrics(run / "metrics.jsonl")[-1]
    assert (test["kind"], test["cases"], test["views"]) == ("test", 360, 5)
    assert test["costs"]["logprob"][1] <= 0.02
    fidelity = json.loads((run / "fidelity.json").read_text())["summary"]
    assert fidelity["ok"] == fidelity["cases"] > 400
    shutil.rmtree(run)
