"""Reads a network from a layer file and a parameter file.

In the order of the original: all sections of the layer file, then the neurons that layers declare for
themselves become layers of their own, then every layer but a cost must be used, then the parameter file.
Which options mean what is in the modules of `layers`; how the releases differ is told in the package.

Answers to `alexnet:layer.py`, LayerParser.parse_layers and NeuronLayerParser.detach_neuron_layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cuda_convnet.config.drafts import Draft, Drafts, check_consumers, read_inputs
from cuda_convnet.config.layers import KINDS
from cuda_convnet.config.lexer import CfgFile, lex
from cuda_convnet.config.schedules import parse_quantiser
from cuda_convnet.config.specs import ClassTree, LayerSpec, NetworkSpec
from cuda_convnet.config.values import NoParameters, ParameterSection, Section, closest
from cuda_convnet.errors import ConfigError

IMAGE_SIZES = (32, 224, 24, 28, 256, 48, 64, 96, 128)
"""Sizes of images to try where nothing tells: CIFAR's, ImageNet's crops, then others in use.

The first with which the file breaks no rule is assumed. Networks for large images do not fit small ones:
their strides leave no pixel for the upper layers, and their `partialSum` divides the modules of the right
size only.
"""


def read_network(
    layers_path: str | Path,
    params_path: str | Path | None,
    *,
    data_dims: Mapping[int, int] | None = None,
    num_classes: int | None = None,
    num_gpus: int | None = None,
    tree: ClassTree | None = None,
) -> NetworkSpec:
    """The network in two .cfg files; see parse_network. `params_path` is None to look at the layers alone."""
    return parse_network(
        _read(layers_path),
        None if params_path is None else _read(params_path),
        layers_name=str(layers_path),
        params_name="" if params_path is None else str(params_path),
        data_dims=data_dims,
        num_classes=num_classes,
        num_gpus=num_gpus,
        tree=tree,
    )


def parse_network(
    layers_text: str,
    params_text: str | None,
    *,
    layers_name: str = "layers.cfg",
    params_name: str = "params.cfg",
    data_dims: Mapping[int, int] | None = None,
    num_classes: int | None = None,
    num_gpus: int | None = None,
    tree: ClassTree | None = None,
) -> NetworkSpec:
    """The network that two .cfg texts describe.

    `data_dims` are the features per image of the data that `dataIdx` counts, `num_classes` the classes,
    `tree` the tree over them, as the data provider knows them. What is not given is inferred: a label is one
    number, or one for each class where the cost wants that; the classes are the outputs that the cost sees;
    images are the first size of IMAGE_SIZES that breaks no rule. NetworkSpec.assumed and .notes say what was
    inferred. `num_gpus` limits the devices. Without parameters (`params_text` None) the specification can be
    looked at but not run.

    Raises ConfigError, one line that starts with file and line number.
    """
    layers_file = lex(layers_text, layers_name)
    params_file = None if params_text is None else lex(params_text, params_name)
    if not layers_file.sections:
        raise ConfigError(f"{layers_name}:1: there are no layers; a layer starts with [name] and type=..")
    drafts = _read_layers(
        layers_file,
        lambda image_size: Drafts(
            data_dims=dict(data_dims or {}),
            num_classes=num_classes,
            num_gpus=num_gpus,
            tree=tree,
            image_size=image_size,
            one_device=not any(layers_file.option(s, "gpu") for s in layers_file.sections.values()),
        ),
    )
    sections = (
        {name: Section(params_file, s) for name, s in params_file.sections.items()} if params_file else {}
    )
    return NetworkSpec(
        layers=tuple(_read_params(layer, params_file, sections) for layer in drafts.layers.values()),
        layers_cfg=layers_text,
        params_cfg=params_text or "",
        num_classes=drafts.num_classes,
        assumed=tuple(sorted(drafts.assumed.items())),
        has_params=params_file is not None,
        notes=(*drafts.notes, *_remarks(layers_file, params_file, drafts, sections)),
    )


def _read(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; give the path of a .cfg file") from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return data.decode("latin-1").replace("\r\n", "\n")


def _read_layers(file: CfgFile, new_drafts: Callable[[int], Drafts]) -> Drafts:
    """All layers of `file`, with the first size of images that breaks no rule if data has no size."""
    failures: list[tuple[int, int, ConfigError]] = []
    for image_size in IMAGE_SIZES:
        drafts = new_drafts(image_size)
        try:
            for section in file.sections.values():
                _read_layer(Section(file, section), drafts)
            _detach_neurons(drafts)
            check_consumers(drafts)
            _check_used(drafts)
        except ConfigError as error:
            if not drafts.guessed_image:
                raise
            failures.append((len(drafts.layers), image_size, error))
        else:
            return drafts
    _, image_size, best = max(failures, key=lambda failure: failure[0])
    if len({str(failure[2]) for failure in failures}) == 1:
        raise best
    raise ConfigError(
        f"{best} (assuming images of {image_size}x{image_size} pixels, as their size was not given)"
    )


def _read_layer(section: Section, drafts: Drafts) -> None:
    name = section.name
    if not section.has("type"):
        raise section.error("it has no type; write type=conv or another type")
    type_name = section.text("type")
    if type_name not in KINDS:
        hint = closest(type_name, list(KINDS))
        raise section.error(
            f"there is no layer type '{type_name}'{hint or '; there are ' + ', '.join(KINDS)}", "type"
        )
    kind = KINDS[type_name]
    layer = Draft(name, type_name, kind, section, params=kind.params)
    if type_name != "data":
        read_inputs(layer, drafts)
    kind.read(layer, drafts)
    drafts.layers[name] = layer


def _detach_neurons(drafts: Drafts) -> None:
    """Each layer's `neuron` becomes a layer, last in the network, which the layer's consumers now take."""
    for source in list(drafts.layers.values()):
        if source.type == "neuron" or not source.neuron:
            continue
        layer = Draft(
            _unused_name(source, drafts),
            "neuron",
            KINDS["neuron"],
            source.section,
            inputs=[source.name],
            gpus=source.gpus,
            neuron=source.neuron,
            src_layer=source.name,
        )
        layer.kind.read(layer, drafts)
        for consumer in drafts.layers.values():
            consumer.inputs = [layer.name if name == source.name else name for name in consumer.inputs]
        drafts.layers[layer.name] = layer


def _unused_name(source: Draft, drafts: Drafts) -> str:
    wish = f"{source.name}_neuron"
    names = (wish, *(f"{wish}.{i}" for i in range(1, 100)))
    free = next((name for name in names if name not in drafts.layers), None)
    if free is None:
        text = f"its neuron has no name, for {names[0]} to {names[-1]} are taken; rename one of them"
        raise source.section.error(text)
    return free


def _check_used(drafts: Drafts) -> None:
    used = {name for layer in drafts.layers.values() for name in layer.inputs}
    for layer in drafts.layers.values():
        if not layer.type.startswith("cost.") and layer.name not in used:
            raise layer.section.error(
                f"no layer takes this {layer.type} layer as an input; use it or remove it"
            )


def _read_params(layer: Draft, file: CfgFile | None, sections: dict[str, Section]) -> LayerSpec:
    """The specification of a layer, once its section of the parameter file is read too."""
    params: ParameterSection = NoParameters()
    if layer.name in sections:
        params = sections[layer.name]
    elif layer.params and file is not None:
        text = f"there is no section [{layer.name}] in {file.name}"
        raise layer.section.error(f"{text}; a {layer.type} layer needs one, with {layer.params}")
    layer.kind.read_params(layer, params)
    # a detached neuron takes these from the section of the layer that it was detached from
    quantisers = params if layer.name in sections else sections.get(layer.src_layer, params)
    return layer.kind.spec(
        name=layer.name,
        type=layer.type,
        inputs=tuple(layer.inputs),
        outputs=layer.outputs or 0,
        gpu=layer.gpus[0],
        replicas=layer.gpus if layer.type != "data" else (),
        quant_f=_quantiser(quantisers, "quantF"),
        quant_b=_quantiser(quantisers, "quantB"),
        line=layer.section.line,
        **layer.fields,
    )


def _quantiser(section: ParameterSection, option: str) -> str:
    try:
        return parse_quantiser(section.text(option, "default"))
    except ValueError as error:
        raise section.error(f"'{option}': {error}", option) from None


def _remarks(
    layers: CfgFile, params: CfgFile | None, drafts: Drafts, sections: dict[str, Section]
) -> list[str]:
    """What was found in the files and not read, so that a misspelt option does not go unseen."""
    remarks = list(layers.remarks)
    for layer in drafts.layers.values():
        if not layer.src_layer:
            remarks += layer.section.unread()
    if params is not None:
        remarks += params.remarks
        for name, section in sections.items():
            if name in drafts.layers:
                remarks += section.unread()
            else:
                remarks.append(
                    f"{params.name}:{section.line}: there is no layer '{name}'; the section is not read"
                )
    return remarks
