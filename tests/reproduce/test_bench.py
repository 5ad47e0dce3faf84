"""`alexnet2012 bench` measures steps and layers; the peer computes the same network."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from alexnet2012 import experiments, machine, measure
from alexnet2012.commands import bench
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import HiddenSexSpec
from cuda_convnet.engines import get_engine
from cuda_convnet.engines.numpy_engine.parallel import available_cores
from cuda_convnet.errors import ConvnetError
from cuda_convnet.network import ConvNet


def network(name):
    folder = experiments.path(name)
    return measure.learning(read_network(folder / "layers.cfg", folder / "params.cfg"))


@pytest.fixture
def no_peer(monkeypatch):
    monkeypatch.setattr(machine, "extra", lambda name: machine.Check(name, False, "", "pip install it"))


@pytest.mark.usefixtures("no_peer")
def test_figures_of_a_step_and_of_each_layer_are_written_as_json(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "sgemm_rate", lambda: 1e11)
    target = tmp_path / "bench.json"
    words = ["cifar10-80sec", "--minibatch", "4", "--rounds", "1", "--layers", "--json", str(target)]
    result = CliRunner().invoke(bench.command, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "images/s" in result.output
    (figures,) = json.loads(target.read_text())["networks"]
    steps = figures["steps"]["alexnet2012"]
    assert steps["images_per_second"] == pytest.approx(4 / steps["seconds"][0])
    layers = {row["layer"]: row for row in figures["layers"]}
    assert {"conv1", "pool1", "fc10", "logprob"} <= set(layers)
    assert layers["conv1"]["forward_ms"] > 0
    assert layers["conv1"]["backward_ms"] > 0


@pytest.mark.usefixtures("no_peer")
def test_without_experiments_the_kernels_are_measured_in_conv2_of_run_145(tmp_path, monkeypatch):
    asked = []

    def rates(layer, engine, threads, cases):
        asked.append((layer.channels, layer.filters, layer.img_size, engine.name, threads, cases))
        return {"forward": 1.5e9, "images": 2e9, "weights": 2.5e9}

    monkeypatch.setattr(bench, "NETWORKS", ())
    monkeypatch.setattr(bench, "engine_problem", lambda name: None)
    monkeypatch.setattr(measure, "convolution_rates", rates)
    target = tmp_path / "bench.json"
    words = ["--threads", "3", "--json", str(target)]
    result = CliRunner().invoke(bench.command, words, catch_exceptions=False)
    assert asked == [((48,), 128, (27,), "host", 3, 128)]
    assert "GMAC/s per core: forward 1.50, images 2.00, weights 2.50" in result.output
    kernels = json.loads(target.read_text())["kernels"]
    assert kernels["multiply_adds_per_second_and_core"]["weights"] == 2.5e9


@pytest.mark.usefixtures("no_peer")
def test_without_a_compiler_bench_says_why_kernels_are_not_measured(monkeypatch):
    monkeypatch.setattr(bench, "NETWORKS", ())
    monkeypatch.setattr(bench, "engine_problem", lambda name: "install g++")
    result = CliRunner().invoke(bench.command, [], catch_exceptions=False)
    assert "not measured; install g++" in result.output


@pytest.mark.parametrize("name", ["conv1", "conv3"])
def test_a_convolutions_rate_is_its_multiply_adds_over_its_time(name, monkeypatch):
    times = iter([9, 9, 9, 1, 2, 4])  # the first three calls compile, and do not count

    def seconds(run):
        run()
        return next(times)

    monkeypatch.setattr(measure, "seconds", seconds)
    layer = network("cifar10-80sec")[name]
    rates = measure.convolution_rates(layer, get_engine("numpy", threads=1), threads=2, cases=3)
    whole = layer.multiply_adds * 3
    assert rates == {"forward": whole / 2, "images": whole / 4, "weights": whole / 8}


def test_an_unknown_experiment_is_told_with_those_that_exist():
    with pytest.raises(ConvnetError, match=r"nothing: no such experiment; there are .*145"):
        CliRunner().invoke(bench.command, ["nothing"], catch_exceptions=False)


def test_a_step_of_run_145_at_128_images_is_about_530_gflop():
    assert measure.step_flops(network("145"), 128) / 1e9 == pytest.approx(530, abs=5)


def test_no_gradient_towards_the_data_is_counted():
    spec = network("cifar10-80sec")
    conv1 = 2 * spec["conv1"].multiply_adds
    assert measure.step_flops(spec, 1) == 3 * 2 * sum(layer.multiply_adds for layer in spec) - conv1


def test_layers_are_as_they_were_after_they_were_timed():
    spec = network("cifar10-80sec")
    net = ConvNet(spec, seed=0, minibatch_size=2)
    data = measure.random_data(spec, 2, 10)
    times = measure.layer_times(net, lambda: net.train_minibatch(data), rounds=1)
    assert [t.layer.name for t in times] == [layer.name for layer in spec.forward_order]
    assert all("fprop" not in vars(layer) for layer in net.layers.values())


def peer_of(net):
    """A peer with the weights of `net`."""
    import torch

    from alexnet2012.peers.torch_network import TorchNetwork

    peer = TorchNetwork(net.spec, available_cores())
    for layer in net.weight_layers:
        for i, weights in enumerate(layer.weights):
            w = net.engine.to_host(weights.w)
            w = np.moveaxis(w, -1, 0) if w.ndim == 4 else w.T
            with torch.no_grad():
                peer.weights[layer.name][i].copy_(torch.from_numpy(np.ascontiguousarray(w)))
    return peer


@pytest.mark.peer
def test_the_peer_has_the_same_cost_and_takes_the_same_step():
    net = ConvNet(network("cifar10-80sec"), seed=1)
    peer, data = peer_of(net), measure.random_data(net.spec, 4, 10)
    cost = net.train_minibatch(data)
    assert peer.train_minibatch(data) == pytest.approx(cost.values["logprob"][0], rel=1e-5)
    for layer in net.weight_layers:
        biases = net.engine.to_host(layer.biases.w).ravel()
        assert peer.biases[layer.name].detach().numpy() == pytest.approx(biases, rel=1e-3, abs=1e-8)


@pytest.mark.peer
def test_the_peer_of_run_145_has_nearly_the_same_cost():
    spec = network("145")
    kept = [replace(layer, keep=1.0) if isinstance(layer, HiddenSexSpec) else layer for layer in spec]
    net = ConvNet(replace(spec, layers=tuple(kept)), seed=1)
    peer, data = peer_of(net), measure.random_data(spec, 4, 1000)
    ours = net.train_minibatch(data).values["logprob"][0]
    assert peer.train_minibatch(data) == pytest.approx(ours, rel=1e-2)  # its windows hang over other edges
