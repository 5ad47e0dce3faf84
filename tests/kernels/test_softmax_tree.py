"""softmax_tree.cu, bit for bit beside the NumPy engine and beside sums along the tree."""

import numpy as np
import pytest
from beside import NUMPY, after, assert_same_bits, unread, values

from cuda_convnet.engines.bounds import difference
from cuda_convnet.engines.numpy_engine.fma import fma
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.engines.tree import walk_tree
from cuda_convnet.errors import EngineError

TREES = {
    "one": {"children": ((),), "root": 0},
    "flat": {"children": ((),) * 5 + ((0, 1, 2, 3, 4),), "root": 5},
    "deep": {"children": ((), (), (), (), (2, 0), (6, 3), (4, 1)), "root": 5},
}
FEATURES = [1, 33, 130]

trees = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
features = pytest.mark.parametrize("features", FEATURES)


@trees
@features
def test_weights_are_summed_from_the_root_down(engine, tree, features):
    nodes = len(tree["children"])
    offsets = values(1, nodes, features)
    arrays = {"offsets": offsets, "targets": unread(nodes, features)}
    ours, expected = (after(e, "softmax_tree_weights", arrays, **tree)["targets"] for e in (engine, NUMPY))
    assert_same_bits(ours, expected)
    if tree is TREES["deep"]:
        assert_same_bits(ours[2], ((offsets[5] + offsets[6]) + offsets[4]) + offsets[2])


@trees
@features
def test_gradients_are_summed_from_the_leaves_up(engine, tree, features):
    nodes = len(tree["children"])
    grads = values(1, nodes, features)
    inner = [node for node in range(nodes) if tree["children"][node]]
    grads[inner] = np.nan  # not to be read
    ours, expected = (
        after(e, "softmax_tree_grads", {"grads": grads}, **tree)["grads"] for e in (engine, NUMPY)
    )
    assert_same_bits(ours, expected)
    if tree is TREES["deep"]:
        assert_same_bits(ours[5], ((grads[2] + grads[0]) + grads[1]) + grads[3])


@trees
@features
def test_updates_are_divided_by_the_leaves_under_a_node(engine, tree, features):
    nodes = len(tree["children"])
    names = "weights", "inc", "grads"
    arrays = {name: values(seed, nodes, features) for seed, name in enumerate(names)}
    scalars = {"eps": 0.1, "mom": 0.9, "wc": 0.05}
    leaves = walk_tree("test", **tree).leaves[:, None].astype(np.float32)
    decayed = fma(arrays["weights"], np.float32(-0.05) / leaves, arrays["grads"])
    inc = fma(arrays["inc"], 0.9, np.float32(0.1) / leaves * decayed)
    ours = after(engine, "softmax_tree_update", arrays, **tree, **scalars)
    assert_same_bits(ours["inc"], inc)
    assert_same_bits(ours["weights"], arrays["weights"] + inc)
    assert_same_bits(ours["grads"], arrays["grads"])
    expected = after(NUMPY, "softmax_tree_update", arrays, **tree, **scalars)
    for name in ("inc", "weights"):
        arguments = {**arrays, **scalars, "original": expected[name]}
        bound = OPERATIONS["softmax_tree_update"].bound("numpy", name, arguments)
        assert bound.share(difference(expected[name], ours[name])) <= 1


def test_leaves_are_counted_under_every_node():
    np.testing.assert_array_equal(walk_tree("test", **TREES["deep"]).leaves, [1, 1, 1, 1, 2, 4, 3])


@pytest.mark.parametrize(
    ("children", "root", "problem"),
    [
        (((), (0,)), 0, "node 1 does not hang on the root 0"),
        (((1,), (0,)), 0, "two parents, or is above itself"),
        (((), (0, 0)), 1, "two parents, or is above itself"),
        (((), (0, 2)), 1, "node 2 is none of the 2 nodes"),
    ],
)
def test_what_is_no_tree_is_named(engine, children, root, problem):
    for either in (engine, NUMPY):
        with pytest.raises(EngineError, match=f"^softmax_tree_grads: .*{problem}"):
            after(either, "softmax_tree_grads", {"grads": values(1, 2, 3)}, children=children, root=root)


def test_a_matrix_with_another_number_of_nodes_is_named(engine):
    arrays = {"offsets": values(1, 5, 3), "targets": unread(5, 3)}
    with pytest.raises(EngineError, match=r"^softmax_tree_weights: offsets \(5, 3\) .* nodes 6"):
        after(engine, "softmax_tree_weights", arrays, **TREES["flat"])
