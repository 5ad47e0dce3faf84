"""Pages on kernels: every kernel file has one, and every picture is that of a launch that was recorded."""

from __future__ import annotations

import re
from functools import cache
from math import prod

import pytest

from alexnet2012.fidelity.archive import open_archive
from alexnet2012.fidelity.ops import REPLAYS, read_case, replay_case
from alexnet2012.kernel_use import call_rare_operations
from alexnet2012.record.places import activation_archives
from alexnet2012.study.grid_picture import grid_svg
from alexnet2012.study.launches import launch_of, launches_of_run_145
from alexnet2012.study.parts import Axis, Grid, read_parts
from cuda_convnet.engines.kernel_engine import KernelEngine
from cuda_convnet.engines.kernel_engine.launch import Launch
from cuda_convnet.engines.kernel_engine.recording import RecordingDevice
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.engines.operations import OPERATIONS
from cuda_convnet.errors import DataError

ON_THE_HOST = "on_the_host"
KERNELS = [part for part in read_parts() if part.group == "kernels"]
GRIDS = [(part, grid) for part in read_parts() for grid in part.grids]


def counts(axes: tuple[Axis, ...]) -> tuple[int, ...]:
    return tuple(axis.count for axis in axes)


@cache
def rare_launches() -> list[Launch]:
    device = RecordingDevice()
    call_rare_operations(KernelEngine(device))
    return device.launches


@cache
def archived_launches(case: str) -> list[Launch]:
    """Of the archived case `op/case`, replayed without trouble."""
    op, _, name = case.partition("/")
    device = RecordingDevice()
    (path,) = [path for path in activation_archives() if path.name == "ops.h5"]
    with open_archive(path) as archive:
        recorded = read_case(archive, op, archive.file[op][name])
        outputs = list(replay_case(archive.name, name, recorded, KernelEngine(device)))
    assert not [output.problem for output in outputs if output.problem]
    return device.launches


def recorded_launch(grid: Grid) -> Launch:
    """That of its layer, of its archived case, or, where no archive has the operation, of a call of it."""
    if grid.layer:
        return launch_of(grid)
    launches = archived_launches(grid.case) if "/" in grid.case else rare_launches()
    return next(launch for launch in launches if launch.kernel == grid.kernel)


def test_every_kernel_file_has_a_page_and_every_page_a_kernel_file():
    files = {path.stem for path in kernels_folder().glob("*.cu")}
    assert {part.slug for part in KERNELS} == files | {ON_THE_HOST}


def test_the_page_on_the_host_is_the_last_one():
    assert KERNELS[-1].slug == ON_THE_HOST


@pytest.mark.parametrize("part", KERNELS, ids=lambda part: part.slug)
def test_a_page_has_a_text_mathematics_a_picture_and_the_original_beside_the_port(part):
    assert len(part.text.split()) >= 60
    assert len(part.changed.split()) >= 30
    assert all((part.lead, part.formulas, part.grids, part.pairs))


@pytest.mark.parametrize("part", KERNELS, ids=lambda part: part.slug)
def test_operations_are_archived_ones_or_declared(part):
    assert set(part.operations) <= {*REPLAYS, *OPERATIONS}
    assert part.operations or part.slug == ON_THE_HOST


@pytest.mark.parametrize(("part", "grid"), GRIDS, ids=lambda it: getattr(it, "slug", None) or it.kernel)
def test_a_picture_is_that_of_a_recorded_launch(part, grid):
    launch = recorded_launch(grid)
    assert part.slug == ON_THE_HOST or launch.file == f"{part.slug}.cu"
    assert prod(counts(grid.axes)) == prod(launch.grid)
    block = counts(grid.block)
    assert (1,) * (3 - len(block)) + block == launch.block[::-1]


@pytest.mark.parametrize(("part", "grid"), GRIDS, ids=lambda it: getattr(it, "slug", None) or it.kernel)
def test_a_picture_has_a_layer_or_a_case(part, grid):
    assert bool(grid.layer) != bool(grid.case)


def test_grids_of_two_dimensions_are_drawn_from_y_to_x():
    for _, grid in GRIDS:
        launch = recorded_launch(grid)
        if launch.grid[1] > 1:
            assert counts(grid.axes) == launch.grid[1::-1]


def test_a_case_without_an_archive_is_one_that_the_archives_lack():
    for _, grid in GRIDS:
        if grid.case and "/" not in grid.case:
            assert grid.case in set(OPERATIONS) - set(REPLAYS)


def test_every_launch_of_run_145_is_of_a_kernel_with_a_page():
    pages = {f"{part.slug}.cu" for part in KERNELS}
    assert {launched.launch.file for launched in launches_of_run_145()} <= pages


def test_a_launch_that_a_layer_does_not_make_is_named():
    with pytest.raises(DataError, match="layer conv1a of run 145 launches no img_acts_manycolor backward"):
        launch_of(Grid("img_acts_manycolor", layer="conv1a", during="backward"))


def test_of_launches_of_a_kernel_the_first_in_that_pass_is_meant():
    update = [it.launch for it in launches_of_run_145() if (it.layer, it.during) == ("conv2a", "update")]
    assert launch_of(Grid("matrix_add", layer="conv2a", during="update")) == update[0] != update[-1]


@pytest.mark.parametrize(("part", "grid"), GRIDS, ids=lambda it: getattr(it, "slug", None) or it.kernel)
def test_captions_fit_into_their_picture(part, grid):
    captions = re.findall(r"<text[^>]*>([^<]*)</text>", grid_svg(grid))
    assert max(map(len, captions)) <= 95
