"""Neurons, learning-rate schedules and quantisers, in all the ways they are written."""

from __future__ import annotations

import pytest
from cfg_texts import FC, RATES, network

from cuda_convnet.config.neurons import NEURONS, parse_neuron
from cuda_convnet.config.schedules import parse_quantiser, parse_rate, parse_schedule
from cuda_convnet.config.specs import NeuronSpec, Schedule
from cuda_convnet.errors import ConfigError


def test_there_are_twelve_neurons_of_2012_and_log():
    assert set(NEURONS) == {
        *[
            "ident",
            "logistic",
            "abs",
            "relu",
            "nrelu",
            "softrelu",
            "square",
            "sqrt",
            "tanh",
            "brelu",
            "linear",
            "drelu",
        ],
        "log",
    }


@pytest.mark.parametrize("name", [name for name, params in NEURONS.items() if not params])
def test_a_neuron_without_parameters_is_its_name(name):
    assert parse_neuron(name) == NeuronSpec(name)
    assert network(f"[f] {FC} neuron={name}")["f_neuron"].neuron == NeuronSpec(name)


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("tanh[1.7159,0.6667]", "tanh", (1.7159, 0.6667)),
        ("tanh [ -1 , .5 ] ", "tanh", (-1.0, 0.5)),
        ("linear[3,2.2]", "linear", (3.0, 2.2)),
        ("linear[1e-3,2.]", "linear", (0.001, 2.0)),
        ("brelu[6]", "brelu", (6.0,)),
        ("drelu[0.5]", "drelu", (0.5,)),
        ("log[1]", "log", (1.0,)),
    ],
)
def test_a_neuron_with_parameters_has_them_in_brackets(text, name, params):
    assert parse_neuron(text) == NeuronSpec(name, params)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tanh", r"neuron 'tanh' is not of the form tanh\[a,b\] with numbers for a and b"),
        ("tanh[1]", r"neuron 'tanh\[1\]' is not of the form tanh\[a,b\] with numbers for a and b"),
        ("tanh[1,2,3]", r"is not of the form tanh\[a,b\]"),
        ("tanh[1,]", r"is not of the form tanh\[a,b\]"),
        ("tanh[1,2", r"is not of the form tanh\[a,b\]"),
        ("tanh[a,b]", r"is not of the form tanh\[a,b\]"),
        ("brelu[1-2]", r"is not of the form brelu\[a\]"),
        ("relu[1]", r"neuron 'relu\[1\]' is not of the form relu$"),
        ("Relu", r"there is no neuron 'Relu'; the neurons are abs, .*; did you mean 'relu'\?"),
        (" relu", r"is not of the form relu$"),
        ("", r"there is no neuron ''; the neurons are abs, brelu\[a\], drelu\[a\], ident, linear\[a,b\]"),
    ],
)
def test_a_neuron_that_is_none_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        parse_neuron(text)


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("default", Schedule()),
        ("linear[tgtFactor=10,noiseStdev=0.5]", Schedule("linear", 10.0, 0.5)),
        ("exp[tgtFactor=1000,noiseStdev=0]", Schedule("exp", 1000.0)),
        ("dexp[tgtFactor=250,noiseStdev=0,numSteps=4]", Schedule("dexp", 250.0, 0.0, 4)),
        ("jdexp[tgtFactor=250,noiseStdev=0.1,numSteps=4]", Schedule("jdexp", 250.0, 0.1, 4)),
        ("DExp [ TGTFACTOR = 250 , noisestdev=0, numsteps=4 ] ", Schedule("dexp", 250.0, 0.0, 4)),
        ("dexp[250,0.5,4]", Schedule("dexp", 250.0, 0.5, 4)),
        ("dexp[250,4]", Schedule("dexp", 250.0, 0.0, 4)),
        ("jdexp[1000,4]", Schedule("jdexp", 1000.0, 0.0, 4)),
        ("linear[1,1]", Schedule("linear", 1.0, 1.0)),
        ("exp[1000]", Schedule("exp", 1000.0)),
    ],
)
def test_schedules_of_2012(text, schedule):
    assert parse_schedule(text) == schedule
    layer = network(f"[f] {FC}", f"[f] {RATES} schedW={text.replace(' ', '')} schedB=exp[2]")["f"]
    assert layer.sched_w == (schedule,)
    assert layer.sched_b == Schedule("exp", 2.0)


def test_one_schedule_holds_for_the_weights_of_all_inputs():
    params = "[g] epsW=1,2 epsB=1 momW=1,1 momB=1 schedW=exp[10]"
    layer = network(f"[f] {FC} [g] type=fc inputs=data,f outputs=1 initW=1,1", params)["g"]
    assert layer.sched_w == (Schedule("exp", 10.0),) * 2
    assert layer.sched_b == Schedule()


@pytest.mark.parametrize(
    ("text", "rate", "schedule"),
    [
        ("0.01", 0.01, None),
        ("1e-3", 0.001, None),
        ("const[base=0.01]", 0.01, Schedule()),
        ("linear[base=0.01;tgtFactor=10]", 0.01, Schedule("linear", 10.0)),
        ("exp[base=0.01;tgtFactor=10]", 0.01, Schedule("exp", 10.0)),
        ("dexp[base=0.04;tgtFactor=250;numSteps=4]", 0.04, Schedule("dexp", 250.0, 0.0, 4)),
        ("DEXP[ BASE = 0.04 ; tgtfactor=250; numsteps=4 ]", 0.04, Schedule("dexp", 250.0, 0.0, 4)),
    ],
)
def test_rates_of_cuda_convnet2(text, rate, schedule):
    assert parse_rate(text) == (rate, schedule)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "expo[1]",
            r"there is no schedule 'expo'; there are default, linear, exp, dexp, jdexp; did you mean 'exp'\?",
        ),
        ("exp", r"schedule 'exp' is not of the form exp\[tgtFactor=\.\.,noiseStdev=\.\.\]"),
        ("exp[noiseStdev=0,tgtFactor=2]", r"is not of the form exp\[tgtFactor=\.\.,noiseStdev=\.\.\]"),
        ("exp[tgtFactor=2]", r"is not of the form exp\[tgtFactor=\.\.,noiseStdev=\.\.\]"),
        ("exp[tgtFactor=2,0]", r"is not of the form exp\[tgtFactor=\.\.,noiseStdev=\.\.\]"),
        ("exp[2,0,3]", r"is not of the form exp"),
        ("exp[tgtFactor=2,noiseStdev=0", r"is not of the form exp"),
        ("default[1]", r"is not of the form default$"),
        ("exp[x]", r"'tgtFactor' of schedule 'exp\[x\]' must be a number, not 'x'"),
        ("dexp[2,0,2.5]", r"'numSteps' of schedule 'dexp\[2,0,2\.5\]' must be a whole number, not '2\.5'"),
        ("exp[0]", r"tgtFactor of schedule 'exp' is 0; it must be more than 0"),
        ("dexp[2,0,0]", r"numSteps of schedule 'dexp' is 0; it must be at least 1"),
    ],
)
def test_a_schedule_that_is_none_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        parse_schedule(text)
    with pytest.raises(ConfigError, match=rf"^params.cfg:6: layer 'f': 'schedW': .*{message}"):
        network(f"[f] {FC}", f"[f] {RATES} schedW={text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", r"must be a number, or a schedule as exp\[base=0\.01;tgtFactor=10\], not 'fast'"),
        (
            "jdexp[base=1;tgtFactor=2;numSteps=3]",
            r"there is no schedule 'jdexp'; there are const, linear, exp, dexp",
        ),
        ("const[0.1]", r"is not of the form const\[base=\.\.\]"),
        ("exp[base=1]", r"is not of the form exp\[base=\.\.;tgtFactor=\.\.\]"),
        ("exp[base=1,tgtFactor=2]", r"is not of the form exp\[base=\.\.;tgtFactor=\.\.\]"),
    ],
)
def test_a_rate_that_is_none_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        parse_rate(text)


def test_a_rate_with_a_schedule_leaves_no_room_for_another():
    params = f"[f] {RATES.replace('epsW=0.1', 'epsW=exp[base=1;tgtFactor=2]')} schedW=exp[10]"
    with pytest.raises(ConfigError) as caught:
        network(f"[f] {FC}", params)
    assert str(caught.value) == (
        "params.cfg:6: layer 'f': 'epsW' has schedules of its own; leave 'schedW' out, or write plain numbers"
    )


@pytest.mark.parametrize(("text", "name"), [("default", "default"), ("half", "half"), (" HALF ", "half")])
def test_quantisers(text, name):
    assert parse_quantiser(text) == name
