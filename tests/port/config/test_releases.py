"""Every .cfg file of the three releases is read as it is.

Needs `--releases DIR`, where DIR/alexnet, DIR/cuda-convnet and DIR/cuda-convnet2 are their work trees.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from cuda_convnet.config import read_network
from cuda_convnet.config.specs import ConvSpec, TreeFCSpec
from cuda_convnet.errors import ConfigError

pytestmark = pytest.mark.release

FOLDERS = {
    "alexnet": ("layers", "layers-cifar", "example-layers"),
    "cuda-convnet": ("example-layers",),
    "cuda-convnet2": ("layers",),
}
# "uses def file #120", "same def file: 153", "config file #153-4gpu"; "like #153 (so uses same file)"
NAMED = (r"(?:def|config) file:? *#?([\w-]+)", r"like #([\w-]+) \((?:so|hence) uses same file\)")


def stem(path):
    """145-half of layers-145-half.cfg and layer-params-145-half.cfg; gc of layers.gc.cfg."""
    return re.fullmatch(r"(?:layers|layer-params)[-.](.+)\.cfg(?:\.save)?", path.name).group(1)


def ancestors(name):
    """The name, then what is left of it as words fall off its end."""
    words = name.split("-")
    return ["-".join(words[:n]) for n in range(len(words), 0, -1)]


def layers_of(params, known):
    """The layer file that a parameter file belongs to.

    It is that of the same name; else the one that the notes in the parameter file name; else that of the name
    with words taken off its end.
    """
    if stem(params) in known:
        return known[stem(params)]
    notes = "\n".join(re.findall(r"^#.*", params.read_text(), re.MULTILINE))
    for pattern in NAMED:
        for name in re.findall(pattern, notes):
            if name in known:
                return known[name]
    return next((known[name] for name in ancestors(stem(params)) if name in known), None)


def files(folder):
    """The layer files of a folder by stem, and its parameter files."""
    return {stem(p): p for p in sorted(folder.glob("layers*.cfg"))}, sorted(folder.glob("layer-params*.cfg"))


def pairs(releases, release):
    """(layer file, parameter file) of a release; a layer file without one of its own takes its ancestor's."""
    found = []
    for name in FOLDERS[release]:
        known, params = files(releases / release / name)
        matched = [(layers_of(p, known), p) for p in params]
        found += [pair for pair in matched if pair[0] is not None]
        own = {stem(p): p for p in params}
        for layers in set(known.values()) - {pair[0] for pair in found}:
            found.append((layers, next(own[a] for a in ancestors(stem(layers)) if a in own)))
    return found


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
