"""Every .cfg file of the three releases is read as it is.

Needs `--releases DIR`, where DIR/alexnet, DIR/cuda-convnet and DIR/cuda-convnet2 are their work trees.
"""

from __future__ import annotations

from collections import Counter

import pytest

from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, TreeFCSpec
from cuda_convnet.errors import ConfigError
from release_files import FOLDERS, files, layers_of, pairs

pytestmark = pytest.mark.release


@pytest.mark.parametrize(
    ("release", "definitions", "read"),
    [("alexnet", 72, 107), ("cuda-convnet", 7, 7), ("cuda-convnet2", 6, 6)],
)
def test_all_layer_files_are_read_with_the_parameter_files_that_belong_to_them(
    releases, release, definitions, read
):
    found = pairs(releases, release)
    assert len({layers for layers, _ in found}) == definitions
    assert len(found) == read
    for layers, params in found:
        spec = read_network(layers, params)
        assert spec.num_classes is not None or layers.name == "layers-flickr-105.cfg"
        assert spec.layers_cfg == layers.read_text()


def test_only_one_parameter_file_belongs_to_a_layer_file_that_was_not_released(releases):
    known, params = files(releases / "alexnet" / "layers")
    assert [p.name for p in params if layers_of(p, known) is None] == ["layer-params-107.cfg"]


def test_images_are_taken_for_those_of_their_data_sets(releases):
    sizes = Counter()
    for release, folders in FOLDERS.items():
        for name in folders:
            known, _ = files(releases / release / name)
            for layers in known.values():
                sizes[release, name, dict(read_network(layers, None).assumed)[0]] += 1
    assert sizes == {
        ("alexnet", "layers", 3 * 224**2): 63,
        ("alexnet", "layers-cifar", 3 * 32**2): 2,
        ("alexnet", "example-layers", 3 * 32**2): 7,
        ("cuda-convnet", "example-layers", 3 * 32**2): 7,
        ("cuda-convnet2", "layers", 3 * 32**2): 1,
        ("cuda-convnet2", "layers", 3 * 224**2): 5,
    }


def test_run_145_as_released(releases):
    folder = releases / "alexnet" / "layers"
    spec = read_network(folder / "layers-145.cfg", folder / "layer-params-145.cfg")
    assert spec.num_parameters == 60_965_224
    assert spec["conv1a"].modules_x == 55
    assert spec.notes == ()


def test_networks_over_trees_of_classes(releases):
    folder = releases / "alexnet" / "layers"
    for name in ("137-tree", "146-2009-tree"):
        spec = read_network(folder / f"layers-{name}.cfg", folder / f"layer-params-{name}.cfg")
        assert isinstance(spec["fc1000"], TreeFCSpec)
        assert spec["fc1000"].outputs == spec.num_classes == 1000


def test_cuda_convnet2_sums_over_squares(releases):
    spec = read_network(releases / "cuda-convnet2" / "layers" / "layers-imagenet-1gpu.cfg", None)
    assert all(layer.sum_width for layer in spec if isinstance(layer, ConvSpec))


def test_a_file_that_an_editor_left_behind_is_refused_as_the_original_refuses_it(releases):
    folder = releases / "alexnet" / "layers"
    left = folder / "layer-params-147.cfg.save"
    with pytest.raises(ConfigError) as caught:
        read_network(folder / "layers-147.cfg", left)
    assert (
        str(caught.value)
        == f"{left}:1: 'ano[conv1a]' stands before the first section; start that with [name]"
    )
