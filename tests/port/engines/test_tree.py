"""The order in which a tree of classes is walked."""

import numpy as np
import pytest

from cuda_convnet.engines.tree import walk_tree
from cuda_convnet.errors import EngineError

DEEP = ((), (), (), (), (2, 0), (6, 3), (4, 1))


def test_every_node_comes_after_its_parent():
    walk = walk_tree("test", DEEP, 5)
    place = {node: i for i, node in enumerate(walk.order)}
    assert sorted(place) == list(range(7))
    assert walk.order[0] == 5
    np.testing.assert_array_equal(walk.parents, [4, 6, 4, 5, 6, -1, 5])
    assert all(place[walk.parents[node]] < place[node] for node in range(7) if node != 5)


def test_children_and_leaves_of_every_node_are_told():
    walk = walk_tree("test", DEEP, 5)
    lists = [tuple(walk.children[a:b]) for a, b in zip(walk.starts[:-1], walk.starts[1:], strict=True)]
    assert lists == list(DEEP)
    np.testing.assert_array_equal(walk.leaves, [1, 1, 1, 1, 2, 4, 3])


@pytest.mark.parametrize("children", [((), (0,)), ((1,), (0,)), ((5,), ())], ids=str)
def test_what_is_no_tree_is_refused(children):
    with pytest.raises(EngineError, match=r"^test: "):
        walk_tree("test", children, 0)
