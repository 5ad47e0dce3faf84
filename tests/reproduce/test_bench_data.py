"""`alexnet2012 bench data` measures packing and loading beside the libraries and beside PyTorch."""

import json
import weakref
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alexnet2012 import bench_data, machine
from alexnet2012.commands import bench
from cuda_convnet.data.statistics import Statistics
from cuda_convnet.errors import ConvnetError, DataError

pytest.importorskip("sklearn")
simplejpeg = pytest.importorskip("simplejpeg")
STEPS = {"data imagenet", "half", "bare", "steps alone"}


@pytest.fixture(scope="module")
def sources():
    return bench_data.photographs(64)


def run(tmp_path, *words):
    target = tmp_path / "bench.json"
    words = ["data", "--images", "40", "--rounds", "1", "--json", str(target), *words]
    result = CliRunner().invoke(bench.command, words, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output, json.loads(target.read_text())


@pytest.fixture
def no_peer(monkeypatch):
    real = machine.extra
    monkeypatch.setattr(
        machine, "extra", lambda name: machine.Check(name, False, "", "") if name == "peer" else real(name)
    )


@pytest.mark.usefixtures("no_peer")
def test_figures_are_printed_and_written_as_json(tmp_path):
    output, figures = run(tmp_path)
    assert "PyTorch is not here" in output
    assert "hours for ILSVRC2012 at this rate per core" in output
    packing, loading = figures["packing"], figures["loading"]
    assert set(packing["seconds"]) == set(packing["images_per_second"]) == STEPS
    assert packing["images"] == dict.fromkeys(STEPS, 40) | {"half": 20}
    for who, taken in packing["seconds"].items():
        assert packing["images_per_second"][who] == pytest.approx(packing["images"][who] / taken[0])
    assert set(loading["images_per_second"]) == {"jpeg", "decoder", "raw"}
    assert loading["ratio_to_decoder"]["all"] == pytest.approx(
        [loading["seconds"]["decoder"][0] / loading["seconds"]["jpeg"][0]]
    )
    assert set(figures["sources"]) == {"width", "height", "bytes"}
    assert figures["machine"] == machine.describe()


def test_hours_are_of_all_images_of_ilsvrc2012(tmp_path, sources, monkeypatch):
    ticks = {"data imagenet": [4.0], "half": [1.0], "bare": [2.0], "steps alone": [1.0], "workers": [1.0]}
    monkeypatch.setattr(bench_data.measure, "in_turn", lambda runs, rounds: list(ticks.values()))
    figures = bench_data.bench_packing(sources.files[:20], tmp_path, 1, 2)
    assert figures["images_per_second"]["data imagenet"] == 5
    assert figures["hours_for_ilsvrc2012"]["2"] == pytest.approx(1_331_167 / 5 / 2 / 3600)
    assert figures["ratio_to_bare"]["median"] == 0.5
    assert figures["ratio_of_all_to_half"]["median"] == 0.5
    assert figures["images_per_second"]["workers"] == 20


def test_the_photographs_are_like_those_of_ilsvrc2012(sources):
    assert len(set(sources.files)) == 64
    assert sources.width == pytest.approx(500, rel=0.05)
    assert sources.height == pytest.approx(375, rel=0.05)
    assert sources.size == pytest.approx(110_000, rel=0.1)


@pytest.mark.parametrize("extra", ["digits", "images"])
def test_without_its_packages_the_command_says_what_to_install(monkeypatch, extra):
    monkeypatch.setattr(machine, "extra", lambda name: machine.Check(name, name != extra, "", ""))
    with pytest.raises(ConvnetError, match=rf"pip install .*\[{extra}\]'$"):
        bench_data.photographs(20)


def test_the_bare_decoder_keeps_no_pixels(sources, monkeypatch):
    """New memory for the pixels of each image would make it a third slower than it is."""
    decode, images, alive = simplejpeg.decode_jpeg, [], []

    def watched(data):
        pixels = decode(data)
        images.append(weakref.ref(pixels))
        alive.append(sum(image() is not None for image in images))
        return pixels

    monkeypatch.setattr(simplejpeg, "decode_jpeg", watched)
    bench_data.bare_decoder(sources.files[:10])
    assert alive == [1] * 10


@pytest.mark.parametrize("words", [["data"], ["networks"]])
def test_the_folder_of_the_json_file_is_asked_for_before_anything_is_measured(tmp_path, words):
    target = tmp_path / "nowhere" / "bench.json"
    with pytest.raises(DataError, match=f"--json {target}: there is no folder {target.parent}; make it"):
        CliRunner().invoke(bench.command, [*words, "--json", str(target)], catch_exceptions=False)


def test_a_full_disk_is_named(tmp_path, sources, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        ConvnetError, match=r"bench data: .*/all cannot be written \(No space left on device\);"
    ):
        bench_data.bench_packing(sources.files[:4], tmp_path, 1, 1)


def test_networks_need_not_be_called_so():
    for words in (["nowhere"], ["networks", "nowhere"], ["--rounds", "1", "nowhere"]):
        with pytest.raises(ConvnetError, match="nowhere: no such experiment"):
            CliRunner().invoke(bench.command, words, catch_exceptions=False)
    listed = CliRunner().invoke(bench.command, ["--help"]).output
    assert "networks" in listed
    assert "data" in listed


@pytest.mark.peer
def test_pytorch_loads_the_same_images_beside(tmp_path):
    output, figures = run(tmp_path)
    loading = figures["loading"]
    assert {"torch jpeg", "torch raw"} <= set(loading["images_per_second"])
    assert {"ratio_to_torch_jpeg", "ratio_to_torch_raw"} <= set(loading)
    assert "PyTorch's DataLoader" in output


@pytest.mark.peer
def test_pytorch_crops_reflects_and_subtracts_the_mean_as_we_do():
    import torch

    from alexnet2012.peers.torch_loader import torch_loader

    y, x = np.mgrid[:20, :20].astype(np.uint8)
    picture = np.stack([y, x, np.full_like(x, 9)])
    statistics = Statistics(np.full((3, 20, 20), 2, np.float32), np.zeros(3), np.eye(3))
    images = torch_loader(picture[None], statistics, 4, 0.25, 1).dataset
    assert len(images) == 1
    torch.manual_seed(0)
    seen = set()
    for _ in range(200):
        rows, columns, grey = (images[0][0] * 1.25 + 2).numpy()
        assert rows.shape == (12, 12)
        assert (grey == 9).all()
        top, left, right = int(rows[0, 0]), int(columns[0, 0]), int(columns[0, -1])
        np.testing.assert_array_equal(rows[:, 0], np.arange(top, top + 12))
        assert abs(left - right) == 11
        seen.add((top, min(left, right), left > right))
    assert {top for top, _, _ in seen} == {left for _, left, _ in seen} == set(range(9))
    assert {mirrored for _, _, mirrored in seen} == {False, True}


@pytest.mark.peer
def test_pytorch_adds_noise_along_the_principal_components():
    import torch

    from alexnet2012.peers.torch_loader import torch_loader

    statistics = Statistics(np.zeros((3, 4, 4), np.float32), np.array([1.0, 4.0, 9.0]), np.eye(3))
    images = torch_loader(np.zeros((1, 3, 4, 4), np.uint8), statistics, 0, 0.1, 1).dataset
    torch.manual_seed(0)
    noise = torch.stack([images[0][0][:, 0, 0] for _ in range(2000)]) * 1.1
    assert noise.std(0).numpy() == pytest.approx([0.1, 0.2, 0.3], rel=0.1)
