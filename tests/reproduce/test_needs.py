"""`reproduce --list`: what the experiments need, and what they should reach."""

import json

import pytest

import small_145
from alexnet2012 import experiment, words
from alexnet2012.experiment import read_experiment
from alexnet2012.rerun import needs
from cuda_convnet.config import read_network
from cuda_convnet.engines import get_engine


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Experiment 145 in small, so that its steps take no time."""
    folder = small_145.make_experiment(tmp_path / "145")
    real = experiment.read_experiment
    monkeypatch.setattr(needs, "read_experiment", lambda name: real(str(folder) if name == "145" else name))
    return real(str(folder))


def test_every_experiment_is_told(reproduce, small):
    status, out, _ = reproduce("--list", "--threads", 1)
    assert status == 0
    lines = [line.strip() for line in out.splitlines()]
    assert "145: Run 145 of 2012" in lines
    assert "digits: AlexNet of 2012, in miniature" in lines
    assert "run     alexnet2012 reproduce 145 --data DIR" in lines
    told = " ".join(lines)
    assert "`alexnet2012 data imagenet SRC --out DIR` makes the folder" in told
    assert "in 2012 5 to 6 days on two GTX 580" in told
    assert "top-5 error 0.1821 and top-1 error 0.4066, both within 0.01" in told
    assert "at least 98% of 360 held-out digits" in told
    assert "with engine numpy" in lines[0]


def test_as_json_it_has_the_same_in_numbers(reproduce, small):
    status, out, _ = reproduce("--list", "--json", "--threads", 1)
    assert status == 0
    found = json.loads(out)
    assert found["engine"] == "numpy"
    by_name = {one["experiment"]: one for one in found["experiments"]}
    assert set(by_name) == {"145", "digits"}
    run_145 = by_name["145"]
    images = 1_281_167 + 50_000
    assert run_145["data_bytes"] == images * needs.JPEG_BYTES
    parameters = read_network(*small.files, data_dims=small.data_dims).num_parameters
    assert run_145["run_bytes"] == 3 * 8 * parameters
    seconds = 90 * 1_281_167 / run_145["images_per_second"]
    assert seconds < 3600 * run_145["hours"] < 1.1 * seconds
    assert by_name["digits"]["made_by"] == ""


def test_json_alone_is_a_mistake(reproduce):
    status, _, err = reproduce("--json")
    assert status == 2
    assert "--json goes with --list" in err


def test_a_step_that_takes_long_is_inferred_from_steps_with_fewer_images(monkeypatch):
    asked = []

    class Net:
        def __init__(self, *_, **__):
            pass

        def train_minibatch(self, data):
            asked.append(data[0].shape[1])

    monkeypatch.setattr(needs, "ConvNet", Net)
    monkeypatch.setattr(needs.measure, "seconds", lambda run: run() or 0.5 + 0.04 * asked[-1])
    what = read_experiment("145")
    spec = read_network(*what.files)
    engine = get_engine("numpy", threads=1)
    assert needs._step_seconds(spec, engine, 128) == pytest.approx(0.5 + 0.04 * 128)
    assert max(asked) == needs.MORE
    monkeypatch.setattr(needs.measure, "seconds", lambda run: run() or 0.001 * asked[-1])
    assert needs._step_seconds(spec, engine, 128) == pytest.approx(0.128)


@pytest.mark.parametrize(
    ("hours", "told"),
    [(0.004, "14 seconds"), (0.5, "30 minutes"), (5, "5.0 hours"), (40, "40 hours"), (1300, "54 days")],
)
def test_hours_for_people(hours, told):
    assert words.duration(hours) == told


@pytest.mark.parametrize(
    ("count", "told"), [(999, "999 bytes"), (1_500_000, "1.5 MB"), (54.6e9, "55 GB"), (4e12, "4000 GB")]
)
def test_bytes_for_people(count, told):
    assert words.size(count) == told
