"""Every layer type: what its section says becomes its specification."""

from __future__ import annotations

import numpy as np
import pytest
from cfg_texts import CONV, FC, RATES, network

from cuda_convnet.config import ClassTree
from cuda_convnet.config import specs as s
from cuda_convnet.config.layers import KINDS

TYPES_OF_2012 = [
    "data",
    "fc",
    "treefc",
    "conv",
    "local",
    "softmax",
    "eltsum",
    "eltmax",
    "neuron",
    "pool",
    "rnorm",
    "cnorm",
    "cmrnorm",
    "nailbed",
    "blur",
    "href",
    "resize",
    "rgb2yuv",
    "rgb2lab",
    "rscale",
    "concat",
    "hs",
    "cost.logreg",
    "cost.msm",
    "cost.crossent",
    "cost.crossent2",
    "cost.sum2",
    "cost.gsum2",
    "cost.tica",
    "cost.rflickr",
]
TYPES_OF_2014 = ["pass", "dropout", "dropout2", "sfc", "sum", "cmpool", "crop", "cost.bce", "cost.dce"]


def has(layer, **fields):
    found = {name: getattr(layer, name) for name in fields}
    assert found == fields
    return True


def test_the_language_has_the_thirty_types_of_2012_and_nine_of_cuda_convnet2():
    assert len(TYPES_OF_2012) == 30
    assert set(KINDS) == {*TYPES_OF_2012, *TYPES_OF_2014}


def test_data():
    layer = network("[c] type=cost.sum2 inputs=data")["data"]
    assert isinstance(layer, s.DataSpec)
    assert has(layer, data_idx=0, start=0, outputs=3072, gpu=-1, replicas=(), inputs=())


def test_fc():
    spec = network(
        f"[fc] {FC} initB=0.5", "[fc] epsW=1 epsB=2 momW=3 momB=4 wc=5 wball=6 superEps=7 superMom=8"
    )
    layer = spec["fc"]
    assert isinstance(layer, s.FCSpec)
    assert has(layer, outputs=10, num_inputs=(3072,), weights_per_filter=(3072,), init_w=(0.1,), init_b=0.5)
    assert has(layer, eps_w=(1.0,), eps_b=2.0, mom_w=(3.0,), mom_b=4.0, wc=(5.0,), wball=(6.0,))
    assert has(layer, super_eps=7.0, super_mom=8.0, init_w_func="", init_b_func="", weight_source=(None,))
    assert has(layer, weight_shapes=((3072, 10),), matrix_shapes=((3072, 10),), bias_matrix_shape=(1, 10))


def test_what_a_layer_with_weights_does_not_say():
    layer = network(f"[fc] {FC}", f"[fc] {RATES}")["fc"]
    assert has(layer, init_b=0.0, wc=(0.0,), wball=(0.0,), super_eps=0.0, super_mom=0.0, update_period=0)
    assert has(layer, sched_w=(s.Schedule(),), sched_b=s.Schedule(), quant_f="default", quant_b="default")


def test_fc_with_two_inputs_has_a_matrix_for_each():
    text = f"[a] {FC} [b] type=fc inputs=data,a outputs=4 initW=0.1,0.2"
    layer = network(text, "[b] epsW=1,2 epsB=3 momW=4,5 momB=6 wc=7,8")["b"]
    assert has(layer, num_inputs=(3072, 10), matrix_shapes=((3072, 4), (10, 4)), init_w=(0.1, 0.2))
    assert has(layer, eps_w=(1.0, 2.0), mom_w=(4.0, 5.0), wc=(7.0, 8.0), wball=(0.0, 0.0))


def test_treefc_has_a_column_for_each_node_of_the_tree_and_an_output_for_each_class():
    tree = ClassTree(((), (), (), (0, 1), (3, 2)), root=4)
    layer = network("[t] type=treefc inputs=data initW=0.1", num_classes=3, tree=tree)["t"]
    assert isinstance(layer, s.TreeFCSpec)
    assert has(layer, outputs=3, tree=tree, matrix_shapes=((3072, 5),), bias_matrix_shape=(1, 3))
    assert layer.multiply_adds == 3072 * 3


def test_conv():
    text = (
        "type=conv inputs=data channels=3 filters=32 filterSize=7 padding=2 stride=3 initW=0.1 partialSum=11"
    )
    layer = network(f"[c] {text} sharedBiases=0", f"[c] {RATES} wcNormMin=0.5 wcNormMax=2")["c"]
    assert isinstance(layer, s.ConvSpec)
    assert has(layer, channels=(3,), img_size=(32,), padding=(2,), stride=(3,), filter_size=(7,), groups=(1,))
    assert has(layer, filters=32, filter_channels=(3,), modules_x=11, modules=121, outputs=121 * 32)
    assert has(layer, partial_sum=11, shared_biases=False, rand_sparse=(False,), over_sample=(1,))
    assert has(layer, wc_norm_min=(0.5,), wc_norm_max=(2.0,), weights_per_filter=(147,), init_c_func="")
    assert has(layer, weight_shapes=((3, 7, 7, 32),), matrix_shapes=((147, 32),))
    assert has(layer, bias_matrix_shape=(121 * 32, 1))
    assert layer.multiply_adds == 121 * 147 * 32


def test_what_a_conv_layer_does_not_say():
    layer = network(f"[c] {CONV}")["c"]
    assert has(layer, padding=(0,), stride=(1,), groups=(1,), shared_biases=True, bias_matrix_shape=(16, 1))
    assert has(layer, wc_norm_min=(0.0,), wc_norm_max=(0.0,), sum_width=0)


@pytest.mark.parametrize(
    ("image", "filter_size", "padding", "stride", "modules"),
    [
        (224, 11, 0, 4, 55),
        (32, 5, 2, 1, 32),
        (27, 5, 2, 1, 27),
        (13, 3, 0, 2, 6),
        (14, 3, 0, 2, 7),
        (5, 9, 2, 3, 1),
    ],
)
def test_the_last_window_of_a_convolution_may_hang_over_the_edge(
    image, filter_size, padding, stride, modules
):
    text = f"[c] {CONV} padding={padding} stride={stride}".replace(
        "filterSize=5", f"filterSize={filter_size}"
    )
    assert network(text, data_dims={0: 3 * image**2})["c"].modules_x == modules


def test_filters_are_written_per_group():
    text = (
        f"[c] {CONV} [d] type=conv inputs=c channels=16 filters=32 groups=4 filterSize=3 initW=1 partialSum=0"
    )
    layer = network(text)["d"]
    assert has(layer, filters=128, filter_channels=(4,), weight_shapes=((4, 3, 3, 128),), over_sample=(1,))


def test_random_sparse_connections_choose_their_number_of_channels():
    text = f"""[c] {CONV} [d] type=conv inputs=c,c channels=16,16 filters=16,32 groups=4,2 filterSize=3,3
    initW=1,1 partialSum=0 randSparse=true,0 filterChannels=8,8 initCFunc=module.func"""
    layer = network(text, "[d] epsW=1,1 epsB=1 momW=1,1 momB=1")["d"]
    assert has(layer, rand_sparse=(True, False), filter_channels=(8, 8), over_sample=(2, 1), filters=64)
    assert layer.init_c_func == "module.func"


def test_filter_channels_are_read_only_with_random_sparse_connections():
    spec = network(f"[c] {CONV} filterChannels=77")
    assert spec["c"].filter_channels == (3,)
    assert spec.notes == ("layers.cfg:12: layer 'c': option 'filterchannels' is not read",)


def test_local_has_filters_for_every_module():
    text = "type=local inputs=data channels=3 filters=16 filterSize=5 stride=3 initW=0.1"
    layer = network(f"[l] {text}")["l"]
    assert type(layer) is s.LocalSpec
    assert has(layer, modules=100, weight_shapes=((100, 3, 5, 5, 16),), matrix_shapes=((7500, 16),))
    assert has(layer, bias_matrix_shape=(1600, 1), weights_per_filter=(75,))
    assert layer.multiply_adds == 7500 * 16


def test_softmax():
    layer = network(f"[f] {FC} [p] type=softmax inputs=f")["p"]
    assert isinstance(layer, s.SoftmaxSpec)
    assert layer.outputs == 10


def test_eltsum():
    text = f"[a] {FC} [b] {FC} [e] type=eltsum inputs=a,b"
    assert has(network(text)["e"], outputs=10, coeffs=(1.0, 1.0))
    assert has(network(f"{text} coeffs=0.5,-1")["e"], coeffs=(0.5, -1.0))


def test_eltmax():
    layer = network(f"[a] {FC} [b] {FC} [e] type=eltmax inputs=a,b")["e"]
    assert isinstance(layer, s.EltwiseMaxSpec)
    assert has(layer, outputs=10, inputs=("a", "b"))


def test_neuron():
    layer = network("[n] type=neuron inputs=data neuron=tanh[1.7159,0.6667]")["n"]
    assert isinstance(layer, s.NeuronLayerSpec)
    assert has(layer, outputs=3072, neuron=s.NeuronSpec("tanh", (1.7159, 0.6667)), src_layer="")


@pytest.mark.parametrize("pool", ["max", "maxabs", "avg", "rand"])
def test_pool(pool):
    params = "[p] doMax=yes" if pool == "rand" else ""
    spec = network(f"[p] type=pool pool={pool} inputs=data channels=3 sizeX=5 stride=3 start=-2", params)
    assert has(spec["p"], pool=pool, channels=3, img_size=32, size_x=5, stride=3, start=-2, outputs_x=11)
    assert has(spec["p"], outputs=363, do_max=pool == "rand", sum=False, image_shape=(3, 11, 11))


def test_pool_takes_the_number_of_outputs_it_is_told():
    text = "[p] type=pool pool=max inputs=data channels=3 sizeX=3 stride=2 outputsX={}"
    assert network(text.format(0))["p"].outputs_x == 16
    assert network(text.format(7))["p"].outputs_x == 7


@pytest.mark.parametrize(("type_name", "divisor"), [("rnorm", 9), ("cnorm", 9), ("cmrnorm", 3)])
def test_the_scale_of_a_normalisation_is_divided_by_its_window(type_name, divisor):
    text = f"[c] {CONV} [n] type={type_name} inputs=c channels=16 size=3"
    layer = network(text, "[n] scale=0.5 pow=0.75 minDiv=2")["n"]
    assert isinstance(layer, s.NormSpec)
    assert has(layer, scale=0.5 / divisor, pow=0.75, size=3, channels=16, img_size=28, blocked=False)
    assert layer.min_div == (2.0 if type_name == "cmrnorm" else 1.0)
    assert network(f"{text} blocked=on")["n"].blocked is True


def test_nailbed_takes_every_nth_pixel():
    layer = network("[n] type=nailbed inputs=data channels=3 stride=5")["n"]
    assert has(layer, stride=5, outputs_x=7, start=1, outputs=147, image_shape=(3, 7, 7))


def test_blur_holds_the_taps_of_its_gaussian():
    layer = network("[b] type=blur inputs=data channels=3 filterSize=5 stdev=1.5")["b"]
    taps = np.exp(-np.array([4, 1, 0, 1, 4]) / 4.5).astype(np.float32)
    assert has(layer, filter_size=5, stdev=1.5, outputs=3072, filter=tuple(map(float, taps / taps.sum())))


def test_href():
    layer = network("[h] type=href inputs=data channels=3")["h"]
    assert isinstance(layer, s.HorizontalReflectionSpec)
    assert has(layer, channels=3, img_size=32, outputs=3072)


def test_resize():
    layer = network("[r] type=resize inputs=data channels=3 scale=1.3")["r"]
    assert has(layer, scale=1.3, tgt_size=24, outputs=3 * 24**2, image_shape=(3, 24, 24))


def test_rscale():
    layer = network("[r] type=rscale inputs=data channels=3 maxScale=1.3 tgtSize=28")["r"]
    assert has(layer, max_scale=1.3, tgt_size=28, outputs=3 * 28**2, image_shape=(3, 28, 28))


def test_colour_transforms():
    assert has(network("[y] type=rgb2yuv inputs=data")["y"], channels=3, img_size=32, outputs=3072)
    assert has(network("[l] type=rgb2lab inputs=data")["l"], center=False, outputs=3072)
    assert has(network("[l] type=rgb2lab inputs=data center=true")["l"], center=True)


def test_concat():
    layer = network(f"[a] {FC} [k] type=concat inputs=a,data,a")["k"]
    assert has(layer, outputs=3092, copy_offsets=(0, 10, 3082))


def test_hs_is_dropout():
    layer = network(f"[f] {FC} [h] type=hs inputs=f keep=0.5", "[h] enable=false")["h"]
    assert isinstance(layer, s.HiddenSexSpec)
    assert has(layer, keep=0.5, enable=False, outputs=10)


def test_cost_logreg():
    text = f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.logreg inputs=labels,p"
    assert has(network(text, "[c] coeff=0.5 topk=5")["c"], coeff=0.5, topk=5, outputs=0, children=())
    spec = network(text, "[c] coeff=1")
    assert spec["c"].topk == 1
    assert spec.num_classes == 10


def test_cost_msm():
    text = f"[f] {FC} [c] type=cost.msm inputs=labels,f"
    assert has(network(text, "[c] coeff=1 setSize=9 threads=32")["c"], set_size=9, threads=32)


def test_cost_crossent():
    text = f"[f] {FC} [p] type=softmax inputs=f [c] type=cost.crossent inputs=labels,p"
    assert network(text, "[c] coeff=2", data_dims={0: 3072, 1: 10})["c"].coeff == 2.0


@pytest.mark.parametrize("type_name", ["cost.crossent2", "cost.rflickr", "cost.dce", "cost.bce"])
def test_costs_of_each_class_by_itself(type_name):
    text = f"[f] {FC} neuron=logistic [c] type={type_name} inputs=labels,f"
    spec = network(text, "[c] coeff=2", data_dims={0: 3072, 1: 10})
    assert has(spec["c"], coeff=2.0, inputs=("labels", "f_neuron"))
    assert spec.notes == ()


def test_costs_of_each_class_by_itself_remark_on_an_input_that_is_not_logistic():
    text = f"[f] {FC} [c] type=cost.crossent2 inputs=labels,f"
    (note,) = network(text, data_dims={0: 3072, 1: 10}).notes
    assert (
        note == "layers.cfg:14: layer 'c': input 'f' is not logistic, so results may not be what you intend"
    )


def test_cost_sum2():
    assert has(network("[c] type=cost.sum2 inputs=data", "[c] coeff=-1")["c"], coeff=-1.0, outputs=0)


def test_cost_gsum2():
    assert has(network("[c] type=cost.gsum2 inputs=labels,data", "[c] coeff=3")["c"], coeff=3.0)


def test_cost_tica():
    layer = network("[c] type=cost.tica inputs=data channels=3 sizeX=5", "[c] coeff=3")["c"]
    assert has(layer, coeff=3.0, channels=3, img_size=32, size_x=5)


def test_quantisers_of_any_layer_are_in_the_parameter_file():
    spec = network(
        "[c] type=cost.sum2 inputs=data", "[c] coeff=1 quantF=half quantB=Half [data] quantF=default"
    )
    assert has(spec["c"], quant_f="half", quant_b="half")
    assert has(spec["data"], quant_f="default", quant_b="default")


def test_a_layer_runs_on_the_device_of_its_first_input():
    text = f"[a] {FC} gpu=1 [b] {FC} gpu=0 [c] type=concat inputs=a,b [d] type=softmax inputs=c"
    spec = network(f"{text} [cost] type=cost.sum2 inputs=d gpu=3")
    assert [spec[n].gpu for n in ("data", "a", "b", "c", "d", "cost")] == [-1, 1, 0, 1, 1, 3]


def test_a_layer_remembers_the_line_where_it_starts():
    spec = network(f"[a] {FC} neuron=relu")
    assert (spec["data"].line, spec["a"].line, spec["a_neuron"].line) == (1, 4, 4)
