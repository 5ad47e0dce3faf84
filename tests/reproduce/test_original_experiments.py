"""`alexnet2012 original experiments`: the lab notebook as lists, details and drawings."""

import json
import re
from functools import partial

import pytest

from alexnet2012.record import places

NOTEBOOK = """
only_named = ["90"]

[[experiment]]
id = "91"
told_in = [{ file = "layers/layer-params-91.cfg", lines = [3, 9] }]
network = "layers/layers-91.cfg"
based_on = "90"
changes = "twice the filters"
dataset = "ILSVRC-2010"
dataset_from = "notes"
machines = ["gpu", "guppy9"]
started = 2012-05-01T10:00:00
checkpoint = "ConvNet__2012-05-01_10.00.00"
ended = "killed"
ended_epoch = 8
ended_batch = 11295
verdict = "Better than 90."

[[experiment.schedule]]
start = true
set = { epsW = 0.01 }
layers = ["conv1", "conv2"]

[[experiment.schedule]]
epoch = 5
set = { epsW = 0.00001 }
was = { epsW = 0.01 }

[[experiment.error]]
views = "centre"
set = "validation"
logprob = 1.75
top1 = 0.42

[[experiment.error]]
views = "ten"
views_inferred = true
set = "test"
epoch = 8
top1 = 0.4
top5 = 0.18
note = "Named twice."

[[experiment]]
id = "92"
told_in = [{ file = "layers/layer-params-92.cfg", lines = [4, 4] }]
network = "layers/layers-91.cfg"
based_on = "91"
dataset = "ILSVRC-2012"
dataset_from = "inferred"
machines = ["guppy8"]
started = 2012-08-01T10:00:00

[[experiment.error]]
views = "ten"
set = "validation"
top1 = 0.39
top5 = 0.19

[[experiment]]
id = "93"
told_in = [{ file = "layers/layer-params-93.cfg", lines = [4, 5] }]
initialised_from = "92"
dataset = "unknown"
dataset_from = "unknown"

[[ensemble]]
id = "mean"
told_in = [{ file = "mean.py", lines = [1, 2] }]
members = ["91", "92"]
coefficients = [0.5, 0.25]
"""


@pytest.fixture
def run(monkeypatch, typed, tmp_path):
    """Runs the command over a small notebook, in an empty folder: (status, stdout, stderr)."""
    record = tmp_path / "original"
    record.mkdir()
    (record / "experiments.toml").write_text(NOTEBOOK)
    (record / "releases.toml").write_text((places.original_path() / "releases.toml").read_text())
    monkeypatch.setattr(places, "original_path", lambda: record)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    return partial(typed, "original", "experiments")


@pytest.fixture
def experiments(run):
    """Runs the command where nothing is wrong: its output."""

    def execute(*arguments):
        status, out, err = run(*arguments)
        assert (status, err) == (0, "")
        return out

    return execute


def names(output):
    """The first column of a table."""
    return [line.split()[0] for line in output.splitlines()[2:-2]]


def test_without_arguments_all_runs_are_listed_by_number(experiments):
    output = experiments()
    assert names(output) == ["91", "92", "93"]
    row = output.splitlines()[2]
    cells = ("2012-05-01", "ILSVRC-2010", "90", "twice the filters", "gpu, guppy9", "killed, 8, batch 11295")
    for cell in (*cells, "40.0%", "18.0%", "ten, test"):
        assert f" {cell} " in f"{row} "
    assert "weights from 92" in output.splitlines()[4]
    assert output.splitlines()[-1].startswith("3 runs, 2 with errors")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--dataset", "ILSVRC-2012"], ["92"]),
        (["--machine", "guppy9"], ["91"]),
        (["--network", "layers-91.cfg"], ["91", "92"]),
        (["--network", "layers/layers-91.cfg"], ["91", "92"]),
        (["--since", "2012-05-02"], ["92"]),
        (["--since", "2012-05-01", "--until", "2012-05-01"], ["91"]),
        (["--since", "0001-01-01", "--until", "9999-12-31"], ["91", "92"]),
        (["--of", "92"], ["92", "93"]),
        (["--of", "90"], ["91", "92", "93"]),
        (["--with-errors"], ["91", "92"]),
        (["--sort", "top1"], ["92", "91", "93"]),
        (["--sort", "top5"], ["91", "92", "93"]),
        (["--sort", "started"], ["91", "92", "93"]),
    ],
)
def test_options_choose_and_order(experiments, options, left):
    assert names(experiments(*options)) == left


def test_a_run_is_told_with_schedule_errors_verdict_and_links(experiments):
    told = experiments("91").splitlines()
    assert told[0] == "91"
    assert "  ended         killed, epoch 8, batch 11295" in told
    assert "  schedule      start       epsW 0.01 on conv1, conv2" in told
    assert "                epoch 5     epsW 0.00001 (was 0.01)" in told
    assert "  errors        centre view, validation set: top-1 0.42, logprob 1.75" in told
    assert "                ten views (inferred), test set, epoch 8: top-1 0.4, top-5 0.18" in told
    assert "                  Named twice." in told
    assert "  verdict       Better than 90." in told
    assert "  came from it  92: set against it" in told
    assert "  told in       layers/layer-params-91.cfg, lines 3 to 9" in told
    assert told[-1].strip().startswith("https://github.com/computerhistory/AlexNet-Source-Code/blob/")
    assert told[-1].endswith("/layers/layer-params-91.cfg#L3-L9")


def test_an_average_is_told_with_its_members(experiments):
    told = experiments("mean").splitlines()
    assert told[:3] == ["mean", "  members       91, 92", "  coefficients  0.5, 0.25"]


def test_json_holds_the_chosen_runs_and_links_to_their_lines(experiments, tmp_path):
    path = tmp_path / "runs.json"
    assert names(experiments("--of", "92", "--json", path)) == ["92", "93"]
    first, second = json.loads(path.read_text())["experiments"]
    assert (first["id"], first["started"], first["errors"][0]["top1"]) == ("92", "2012-08-01T10:00:00", 0.39)
    assert first["told_in"][0]["link"].endswith("/layers/layer-params-92.cfg#L4")
    assert second["started"] is None


def test_an_average_is_not_among_runs_that_an_option_chose(experiments):
    assert json.loads(experiments("--json", "-"))["ensembles"]
    assert not json.loads(experiments("--dataset", "ILSVRC-2012", "--json", "-"))["ensembles"]


def test_numbers_are_told_with_the_digits_that_they_are_written_with(experiments, tmp_path):
    path = tmp_path / "original" / "experiments.toml"
    path.write_text(NOTEBOOK.replace("top5 = 0.18\n", "top5 = 0.180000\n"))
    assert "top-1 0.4, top-5 0.180000\n" in experiments("91")
    report = json.loads(experiments("91", "--json", "-"))
    assert report["experiments"][0]["errors"][1]["top5"] == 0.18


def test_json_on_stdout_is_all_that_is_printed(experiments):
    report = json.loads(experiments("91", "mean", "--json", "-"))
    assert [each["id"] for each in report["experiments"]] == ["91"]
    assert [each["members"] for each in report["ensembles"]] == [["91", "92"]]


@pytest.mark.parametrize("what", ["errors", "tree"])
def test_a_drawing_is_an_svg_here_unless_said_otherwise(experiments, tmp_path, what):
    assert experiments("--draw", what) == f"{what}.svg\n"
    assert "92" in (tmp_path / "work" / f"{what}.svg").read_text()


def test_a_drawing_shows_the_chosen_runs_alone(experiments, tmp_path):
    experiments("--draw", "tree", "--dataset", "ILSVRC-2010", "--out", tmp_path / "few.svg")
    text = (tmp_path / "few.svg").read_text()
    assert ">91<" in text
    assert ">92<" not in text
    assert ">only named by others<" in text  # 90
    assert ">not chosen<" not in text


def test_what_a_chosen_run_comes_from_is_drawn_as_not_chosen(experiments, tmp_path):
    experiments("--draw", "tree", "--dataset", "ILSVRC-2012", "--out", tmp_path / "few.svg")
    text = (tmp_path / "few.svg").read_text()
    assert ">91<" in text
    assert ">not chosen<" in text
    assert ">only named by others<" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["94"], "94: the notes tell of no run of that name; without RUN, all are listed"),
        (["92-b"], "92-b: the notes tell of no run of that name; of that number there are 92"),
        (
            ["--dataset", "MNIST"],
            "--dataset MNIST: no run has it; there are ILSVRC-2010, ILSVRC-2012, unknown",
        ),
        (["--machine", "gpu1"], "--machine gpu1: no run has it; there are gpu, guppy8, guppy9"),
        (["--network", "layers-9.cfg"], "--network layers-9.cfg: no run has it; there are layers-91.cfg"),
        (["--since", "May"], "--since May: no date; .* started from 2012-05-01 to 2012-08-01"),
        (["--until", "2012-13-01"], "--until 2012-13-01: no date; write YYYY-MM-DD"),
        (["--of", "89"], "89: the notes tell of no run of that name"),
        (["--out", "x.png"], "--out x.png: goes with --draw; say what to draw: errors or tree"),
        (["--draw", "tree", "--out", "x.gif"], "x.gif: drawings are written as .svg, .png or .pdf"),
        (
            ["--machine", "guppy9", "--dataset", "ILSVRC-2012"],
            "--machine guppy9: of what else is chosen no run",
        ),
        (["91", "--dataset", "ILSVRC-2012"], "--dataset ILSVRC-2012: of what else is chosen no run is left"),
        (
            ["mean", "--dataset", "ILSVRC-2012"],
            "--dataset ILSVRC-2012: of what else is chosen no run is left",
        ),
        (["--since", "2013-01-01", "--until", "2012-01-01"], "--since 2013-01-01: of what else is chosen"),
        (["--since", "2012-07-01", "--until", "2012-06-01"], "--until 2012-06-01: of what else is chosen"),
        (["93", "--with-errors"], "--with-errors: of what else is chosen no run is left; take this away"),
        (["--draw", "tree", "--since", "2014-01-01"], "--since 2014-01-01: of what else is chosen no run"),
        (
            ["--draw", "errors", "--dataset", "unknown"],
            "--draw errors: of what else is chosen no run is left",
        ),
        (["mean", "--draw", "tree"], "--draw tree: of what else is chosen no run is left"),
        (["--json", "nowhere/x.json"], "--json nowhere/x.json: there is no folder nowhere"),
    ],
)
def test_a_mistake_is_one_line_that_tells_what_there_is_and_exit_status_2(run, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert re.match(f"alexnet2012: {message}", err)
    assert err.count("\n") == 1


def test_many_values_are_told_by_those_most_like(run, tmp_path):
    runs = [
        NOTEBOOK.split("[[experiment]]")[2].replace('"92"', f'"{i}"').replace("layers-91", f"layers-{i}")
        for i in range(100, 130)
    ]
    path = tmp_path / "original" / "experiments.toml"
    path.write_text(NOTEBOOK + "".join(f"[[experiment]]{text}" for text in runs))
    status, out, err = run("--network", "layers-1090.cfg")
    assert (status, out) == (2, "")
    assert re.search(r"there are layers-109\.cfg, .* and 21 more\n$", err)
