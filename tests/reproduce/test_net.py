"""`alexnet2012 net`: the network as a table."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from alexnet2012.commands.net import command
from cuda_convnet.errors import ConfigError, ConvnetError

LAYERS = """\
[data]
type=data
dataIdx=0
[labels]
type=data
dataIdx=1
[conv]
type=conv
inputs=data
channels=3
filters=16
filterSize=5
padding=2
initW=0.1
partialSum=0
neuron=tanh[1.5,0.5]
[fc1]
type=fc
inputs=conv
outputs=64
initW=0.1
[fc2]
type=fc
inputs=conv
outputs=64
initW=0.1
weightSource=fc1
[concat]
type=concat
inputs=fc1,fc2
[probs]
type=softmax
inputs=concat
[cost]
type=cost.logreg
inputs=labels,probs
"""


@pytest.fixture
def layers(tmp_path):
    path = tmp_path / "layers.cfg"
    path.write_text(LAYERS)
    return path


def run(*arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def cells(output, layer):
    line = next(line for line in output.splitlines() if line.split()[:1] == [layer])
    return line.split()[1:]


def test_run_145_by_name():
    output = run("145")
    assert cells(output, "total") == ["60,965,224", "724,406,816"]
    assert cells(output, "conv1a") == ["conv", "11x11/4", "data", "48x55x55", "17,472", "52,707,600", "0"]
    assert cells(output, "conv1b")[-1] == "1"
    assert cells(output, "fc1000") == ["fc", "hs2a,hs2b", "1000", "4,097,000", "4,096,000", "0"]
    assert cells(output, "data") == ["data", "3x224x224"]


def test_an_experiment_knows_the_size_of_its_images():
    assert cells(run("digits"), "data") == ["data", "1x16x16"]
    assert "--data-dim" not in run("digits")


def test_each_layer_comes_after_its_inputs_and_columns_are_aligned(layers):
    lines = run(layers).splitlines()
    assert [line.split()[0] for line in lines[2:11]] == [
        *["data", "labels", "conv", "conv_neuron", "fc1", "fc2", "concat", "probs", "cost"]
    ]
    header = lines[0]
    for name in ("type", "inputs", "output", "device"):
        start = header.index(name)
        assert {line[start - 1 : start] for line in lines[2:11] if len(line) >= start} == {" "}
    numbers = {"conv": "1,216", "fc1": "1,048,640", "fc2": "64*", "total": "1,049,920"}
    rows = {line.split()[0]: line for line in lines if line.split()}
    ends = {rows[layer].index(f" {n}") + len(n.rstrip("*")) for layer, n in numbers.items()}
    assert len(ends) == 1


def test_a_type_is_told_with_what_makes_it_special(layers):
    output = run(layers)
    assert cells(output, "conv")[:2] == ["conv", "5x5/1"]
    assert cells(output, "conv_neuron")[:2] == ["neuron", "tanh[1.5,0.5]"]
    assert cells(run("145"), "pool1a")[:3] == ["pool", "max", "3x3/2"]


def test_shared_weights_are_marked_and_counted_once(layers):
    output = run(layers)
    assert cells(output, "fc2")[3] == "64*"
    assert "* fc2[0] shares the 1,048,576 weights of fc1[0], counted once" in output
    assert cells(output, "total")[0] == f"{1216 + 16 * 1024 * 64 + 2 * 64:,}"


def test_what_was_assumed_is_said(layers):
    output = run(layers)
    assert "assumed: data 0 (data) holds 3x32x32 images; say otherwise with --data-dim 0=N" in output
    assert "assumed: data 1 (labels) holds 1 value per image; say otherwise with --data-dim 1=N" in output


def test_what_is_told_is_not_assumed(layers):
    output = run(layers, "--data-dim", f"0={3 * 16 * 16}", "--data-dim", "1=1")
    assert cells(output, "conv")[3] == "16x16x16"
    assert "assumed" not in output


def test_a_network_without_a_parameter_file_is_shown(layers):
    assert "no parameter file was given, so nothing that belongs there was checked" in run(layers)
    assert "no parameter file" not in run("145")


def test_a_parameter_file_is_checked(layers, tmp_path):
    params = tmp_path / "params.cfg"
    params.write_text("[conv]\nepsW=0.1\n")
    with pytest.raises(ConvnetError, match=r"params\.cfg:1: layer 'conv': 'epsB' is missing"):
        run(layers, params)


def test_what_was_not_read_is_noted_up_to_a_number(layers):
    layers.write_text(LAYERS + "".join(f"odd{i}=1\n" for i in range(20)))
    output = run(layers)
    assert f"note: {layers}:37: layer 'cost': option 'odd0' is not read" in output
    assert output.count("note: ") == 9
    assert "note: and 12 more like these; --json has them all" in output


def test_devices_of_replicas_are_listed(layers):
    layers.write_text(
        LAYERS.replace("partialSum=0", "sumWidth=4\ngpu=0,1").replace(
            "inputs=labels", "gpu=0,1\ninputs=labels"
        )
    )
    assert cells(run(layers), "conv")[-1] == "0,1"


def test_the_table_as_json(layers):
    report = json.loads(run(layers, "--json"))
    assert report["totals"]["weights"] == 1216 + 16 * 1024 * 64 + 2 * 64
    assert report["totals"]["multiply_adds"] == 1024 * 75 * 16 + 2 * 16 * 1024 * 64
    assert report["totals"]["devices"] == [0]
    assert report["assumed"] == {"0": 3072, "1": 1}
    assert report["has_params"] is False
    by_name = {layer["name"]: layer for layer in report["layers"]}
    assert by_name["conv"]["shape"] == [16, 32, 32]
    assert by_name["fc2"]["shares"] == ["fc1[0]"]
    assert by_name["fc2"]["weights"] == 64
    assert by_name["data"]["devices"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.cfg"], "nothing.cfg: no such file; give a .cfg file or an experiment: 145, cifar10-18pct"),
        (["145", "--data-dim", "0"], "--data-dim 0: must be IDX=N, as 0=150528 for 3x224x224 images"),
        (["145", "--data-dim", "0=3x3"], "--data-dim 0=3x3: must be IDX=N"),
        (["145", "--data-dim", "0=0"], "--data-dim 0=0: must be IDX=N"),
        (["145", "--data-dim", "0=100"], "layers.cfg:20: layer 'conv1a[0]': input 'data' has 100 features"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message):
    with pytest.raises(ConvnetError) as caught:
        run(*arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_prints_the_line_and_exits_with_2():
    done = subprocess.run(
        [sys.executable, "-m", "alexnet2012", "net", "nothing.cfg"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("alexnet2012: nothing.cfg: no such file")
    assert done.stderr.count("\n") == 1


def test_a_size_for_data_that_the_network_does_not_take_is_refused():
    with pytest.raises(ConfigError, match="--data-dim 7=3: the network takes data 0, 1"):
        CliRunner().invoke(command, ["145", "--data-dim", "7=3"], catch_exceptions=False)
