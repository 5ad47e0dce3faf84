"""The pages of the network of run 145: the picture, and a page for each stage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alexnet2012.report.diagram import network_svg
from alexnet2012.study.formulas import mathml
from alexnet2012.study.launches import CASES, launches_of_run_145, run_145
from alexnet2012.study.markdown import markdown
from alexnet2012.study.room import ReadingRoom, neighbours, page, part_page, root_of, stage_page
from alexnet2012.study.source import Excerpt, highlighted
from alexnet2012.study.stages import ORIGINAL_LAYERS, ORIGINAL_PARAMS, Stage, our_cfg, rates, section
from cuda_convnet.config.specs import NeuronLayerSpec


def stage_pages(room: ReadingRoom) -> Iterator[tuple[str, str]]:
    """The picture of the network, and the page of each stage."""
    spec = run_145()
    yield (
        "network.html",
        page(
            "network",
            "network.html",
            "The network of run 145",
            wide=True,
            picture=network_svg(spec, room.layer_pages),
            stages=room.stages,
            weights=spec.num_parameters,
            multiply_adds=sum(layer.multiply_adds for layer in spec),
            launches=len(launches_of_run_145()),
        ),
    )
    for stage in room.stages:
        yield stage_page(stage), _stage(room, stage)


def _stage(room: ReadingRoom, stage: Stage) -> str:
    href = stage_page(stage)
    root = root_of(href)
    explaining = sorted(  # what is about this type alone comes first
        (part for part in room.parts if stage.types & set(part.types)), key=lambda part: len(part.types)
    )
    kernels = {f"{part.slug}.cu": part_page(part) for part in room.kernels}
    formulas = [part.formulas[0] for part in explaining if part.group == "layers" and part.formulas]
    return page(
        "stage",
        href,
        stage.title,
        room="network.html",
        wide=True,
        stage=stage,
        columns=sum(not isinstance(layer, NeuronLayerSpec) for layer in stage.layers),
        number=room.stages.index(stage) + 1,
        count=len(room.stages),
        text=markdown(stage.words.text, root),
        explained=[(part.title, part_page(part)) for part in explaining],
        rates=rates(stage.layers[0]),
        formulas=[(mathml(formula.tex), markdown(formula.says, root)) for formula in formulas],
        launches=[
            (launched, times, kernels.get(launched.launch.file, "")) for launched, times in stage.launches
        ],
        cases=CASES,
        compared=room.fidelity.layers(layer.name for layer in stage.layers),
        engines=room.fidelity.engines,
        machine=room.fidelity.machine,
        sections=list(_sections(room, stage)),
        turn=[other and (other.title, stage_page(other)) for other in neighbours(room.stages, stage)],
    )


def _sections(room: ReadingRoom, stage: Stage) -> Iterator[tuple[Excerpt, Excerpt]]:
    """The first layer's sections of the original's files beside those of ours."""
    for path, lines, kind in (
        (ORIGINAL_LAYERS, stage.words.cfg, "layers.cfg"),
        (ORIGINAL_PARAMS, stage.words.params, "params.cfg"),
    ):
        if lines is not None:
            title, file = f"[{stage.slug}]", our_cfg(kind)
            first, last = section(file, stage.slug)
            shown = Path("reproduce/alexnet2012/experiments/145", kind).as_posix()
            yield (
                room.originals.excerpt("alexnet", path, *lines, title=title),
                Excerpt(title, shown, first, last, highlighted(file)[first - 1 : last]),
            )
