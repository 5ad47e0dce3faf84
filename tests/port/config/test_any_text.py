"""Whatever stands in the files, the reader makes a network of it or says in one line what is wrong."""

from __future__ import annotations

from cfg_texts import CONV, FC, expand, with_costs, with_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cuda_convnet.config import NetworkSpec, parse_network
from cuda_convnet.config.layers import KINDS
from cuda_convnet.errors import ConfigError

NAMES = ["data", "labels", "a", "b", "c", "d"]
OPTIONS = [
    "type",
    "inputs",
    "neuron",
    "gpu",
    "dataIdx",
    "start",
    "end",
    "channels",
    "filters",
    "filterSize",
    "padding",
    "stride",
    "groups",
    "randSparse",
    "filterChannels",
    "partialSum",
    "sumWidth",
    "modulesX",
    "sharedBiases",
    "initW",
    "initB",
    "initWFunc",
    "initCFunc",
    "weightSource",
    "outputs",
    "parts",
    "pool",
    "sizeX",
    "outputsX",
    "size",
    "scale",
    "pow",
    "minDiv",
    "blocked",
    "stdev",
    "maxScale",
    "tgtSize",
    "startX",
    "keep",
    "coeffs",
    "children",
    "enable",
    "epsW",
    "epsB",
    "momW",
    "momB",
    "wc",
    "wball",
    "schedW",
    "quantF",
    "wcNormMin",
    "coeff",
    "topk",
    "setSize",
    "threads",
    "posWeight",
    "updatePeriod",
]
WORDS = st.one_of(
    st.sampled_from(
        [*KINDS, *NAMES, "a,b", "a[0]", "relu", "tanh[1,2]", "max", "avg", "rand", "dexp[2,0,3]"]
    ),
    st.sampled_from(
        ["exp[base=1;tgtFactor=2]", "m.f(x)", "true", "half", "%(type)s", "%", "1,1", "0,1", ",", ""]
    ),
    st.integers(-3, 70).map(str),
    st.floats(width=16).map(str),
    st.sampled_from(["99999999999999999999999", "1e400", "-0", "²", "2147483647", "x\n y"]),
)
SECTIONS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(OPTIONS), WORDS, max_size=9)),
    max_size=6,
)


# a busy machine is no mistake of the reader
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def write(sections):
    return "".join(
        f"[{name}]\n" + "".join(f"{option}={word}\n" for option, word in options.items())
        for name, options in sections
    )


def outcome(layers, params, known):
    try:
        return parse_network(layers, params, **known)
    except ConfigError as error:
        return str(error)


def read(layers, params, **known):
    result = outcome(layers, params, known)
    if isinstance(result, NetworkSpec):
        assert set(result.shapes) == {layer.name for layer in result}
    else:
        assert "\n" not in result
        assert result.startswith(("layers.cfg:", "params.cfg:"))


@patient
@given(st.text(), st.text())
def test_any_text(layers, params):
    read(layers, params)


@patient
@given(SECTIONS, SECTIONS)
def test_any_sections_with_options_of_the_language(layers, params):
    data = "[data]\ntype=data\ndataIdx=0\n[labels]\ntype=data\ndataIdx=1\n"
    read(data + write(layers), write(params))


@patient
@given(
    st.sampled_from([f"[a] {CONV}", f"[a] {FC}"]),
    st.dictionaries(st.sampled_from(OPTIONS), WORDS, max_size=3),
)
def test_any_change_to_a_network_that_works(text, changes):
    layers, params = with_costs(with_data(text), "")
    read(expand(layers) + write([("a", changes)]), expand(params), data_dims={0: 3 * 32 * 32, 1: 1})
