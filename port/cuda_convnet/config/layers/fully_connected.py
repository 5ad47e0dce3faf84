"""Fully connected layers: type fc, and treefc over a tree of classes; cuda-convnet2's sfc.

Answers to `alexnet:layer.py`, FCLayerParser and TreeFCLayerParser.
"""

from __future__ import annotations

import re

from cuda_convnet.config.drafts import Draft, Drafts, Kind
from cuda_convnet.config.layers.weights import PARAMS, check_shared_shapes, read_weight_params, read_weights
from cuda_convnet.config.specs import ClassTree, FCSpec, SplitFCSpec, TreeFCSpec

IMAGENET_CLASSES = 1000


def read_fc(layer: Draft, drafts: Drafts) -> None:
    read_weights(layer, drafts)
    outputs = layer.section.integer("outputs")
    layer.section.check_range("outputs", outputs, 1)
    sizes = drafts.sizes(layer)
    layer.outputs = outputs
    layer.fields |= {"num_inputs": sizes, "weights_per_filter": sizes}
    check_shared_shapes(layer, drafts, [(size, outputs) for size in sizes])


def read_treefc(layer: Draft, drafts: Drafts) -> None:
    """Its outputs are the data's classes, its tree comes with the data.

    Without data, the layer's name tells the number of classes, as in fc1000 (else there are 1000), and all
    classes hang on the root.
    """
    read_weights(layer, drafts)
    if any(layer.fields["weight_source"]):
        raise layer.section.error(
            "a treefc layer cannot share weights; leave 'weightSource' out", "weightSource"
        )
    if drafts.num_classes is None:
        digits = re.search(r"[0-9]{2,6}\Z", layer.name)
        drafts.num_classes = int(digits.group()) if digits and int(digits.group()) else IMAGENET_CLASSES
        drafts.notes.append(f"layer '{layer.name}': assumed {drafts.num_classes:,} classes")
    if drafts.tree is None:
        drafts.notes.append(f"layer '{layer.name}': assumed a tree in which every class hangs on the root")
    tree = drafts.tree or ClassTree.flat(drafts.num_classes)
    if len(tree.children) < drafts.num_classes:
        text = (
            f"the tree has {len(tree.children)} nodes, which are fewer than the {drafts.num_classes} classes"
        )
        raise layer.section.error(f"{text}; give the tree of this data")
    sizes = drafts.sizes(layer)
    layer.outputs = drafts.num_classes
    layer.fields |= {"num_inputs": sizes, "weights_per_filter": sizes, "tree": tree}
    check_shared_shapes(layer, drafts, [(size, len(tree.children)) for size in sizes])


def read_sfc(layer: Draft, drafts: Drafts) -> None:
    read_weights(layer, drafts)
    section = layer.section
    parts, outputs = section.integer("parts"), section.integer("outputs")
    section.check_range("parts", parts, 1)
    section.check_range("outputs", outputs, 1)
    sizes = drafts.sizes(layer)
    for index, size in enumerate(sizes):
        section.check_divisible("the number of input features", size, parts, "'parts'", "parts", index)
    layer.outputs = outputs * parts
    layer.fields |= {"num_inputs": sizes, "weights_per_filter": sizes, "parts": parts}
    check_shared_shapes(layer, drafts, [(size, outputs) for size in sizes])


KINDS = {
    "fc": Kind(FCSpec, read_fc, read_weight_params, params=PARAMS),
    "treefc": Kind(TreeFCSpec, read_treefc, read_weight_params, num_inputs=1, params=PARAMS),
    "sfc": Kind(SplitFCSpec, read_sfc, read_weight_params, params=PARAMS),
}
