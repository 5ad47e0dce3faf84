"""Checkpoints: whole or not there, verified when they are read, and refused by another network."""

import json
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cuda_convnet.checkpoint import (
    Checkpoint,
    DataIdentity,
    Position,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    load_latest,
    prune_checkpoints,
    save_checkpoint,
)
from cuda_convnet.cost import Cost
from cuda_convnet.errors import CheckpointError
from cuda_convnet.hdf5 import read_hdf5, write_hdf5
from cuda_convnet.network import ConvNet
from tiny_run import LAYERS, PARAMS, network


def example(**more):
    random = np.random.RandomState(0)
    values = {
        "state": {
            "conv1/weights0": random.randn(3, 3, 3, 8).astype(np.float32),
            "conv1/weights0_inc": random.randn(3, 3, 3, 8).astype(np.float32),
            "num_bwd_minibatches": np.array([1], np.int64),
        },
        "layers_cfg": "[data]\ntype=data\n# Grüße\n",
        "params_cfg": "",
        "data_dims": {0: 108, 1: 1},
        "num_classes": 4,
        "position": Position(3, 2, 5),
        "seed": 2**64 - 1,
        "engine": "numpy",
        "recipe": {"epochs": 7, "schedule": [{"epoch": 2, "set": {"epsW": 0.1}}]},
        "data": DataIdentity("data/patches", "f" * 64),
        "partial": Cost(40, {"logprob": (12.1, 3.0, 0.1 + 0.2)}, {"logprob": 1.0}),
        "costs": ({"kind": "train", "costs": {"logprob": [1 / 3, 0.5]}}, {"kind": "test"}),
    }
    return Checkpoint(**{**values, **more})


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


def loaded(path):
    """(the content hash, '') of a checkpoint, or ('', what is wrong with it)."""
    try:
        return load_checkpoint(path).content_hash(), ""
    except CheckpointError as error:
        return "", str(error)


def test_a_checkpoint_gives_back_what_was_saved(tmp_path):
    saved, path = example(), tmp_path / "new" / "c.h5"
    save_checkpoint(path, saved)
    loaded = load_checkpoint(path)
    assert loaded.content_hash() == saved.content_hash()
    for name, array in saved.state.items():
        assert loaded.state[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.state[name], array)
    for name in (
        "layers_cfg",
        "params_cfg",
        "data_dims",
        "num_classes",
        "position",
        "seed",
        "engine",
        "data",
    ):
        assert getattr(loaded, name) == getattr(saved, name)
    assert (loaded.recipe, loaded.costs, loaded.partial) == (saved.recipe, saved.costs, saved.partial)
    assert loaded.created["numpy"] == np.__version__
    assert [file.name for file in path.parent.iterdir()] == ["c.h5"]


@pytest.mark.parametrize(
    "change",
    [
        {"position": Position(3, 2, 6)},
        {"seed": 1},
        {"params_cfg": " "},
        {"costs": ()},
        {"partial": Cost(40, {"logprob": (12.1, 3.0, 0.3)}, {"logprob": 1.0})},
        {"state": {"num_bwd_minibatches": np.array([1], np.int64)}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_content_hash_depends_on_all_that_training_depends_on(change):
    assert replace(example(), **change).content_hash() != example().content_hash()


def test_the_content_hash_depends_on_every_bit_of_a_weight():
    other = example()
    weights = other.state["conv1/weights0"]
    weights.view(np.uint32)[0, 0, 0, 0] ^= 1
    assert other.content_hash() != example().content_hash()


def test_every_dataset_of_a_checkpoint_has_a_checksum(tmp_path):
    import h5py

    save_checkpoint(tmp_path / "c.h5", example())
    found = []
    with h5py.File(tmp_path / "c.h5") as file:
        file.visititems(lambda name, item: found.append(item.fletcher32) if hasattr(item, "dtype") else None)
    assert len(found) == 8
    assert all(found)


def test_a_truncated_checkpoint_is_named_wherever_it_was_cut(tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(path, example())
    content = path.read_bytes()
    for length in [0, 1, 7, 8, 40, *range(100, len(content), len(content) // 40), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"c\.h5 ") as error:
            load_checkpoint(path)
        one_line(error)


def test_a_flipped_bit_is_named_or_changes_nothing(tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(path, example())
    content, sound, named = path.read_bytes(), example().content_hash(), 0
    random = np.random.RandomState(1)
    for place in sorted({*range(64), *random.randint(0, len(content), 400)}):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.randint(8)
        path.write_bytes(damaged)
        content_hash, message = loaded(path)
        assert content_hash == sound or "c.h5 " in message
        assert "\n" not in message
        named += bool(message)
    assert named > 200


def test_a_flipped_bit_in_the_weights_is_named_with_the_dataset(tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(path, example())
    content = bytearray(path.read_bytes())
    content[content.index(example().state["conv1/weights0"].tobytes()) + 100] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged: the dataset 'state/conv1/weights0'"):
        load_checkpoint(path)


def test_content_that_is_not_the_one_that_was_hashed_is_named(tmp_path):
    path = tmp_path / "c.h5"
    save_checkpoint(path, example())
    contents = read_hdf5(path)
    contents.datasets["state/conv1/weights0"][0, 0, 0, 0] += 1
    write_hdf5(path, contents.attributes, contents.datasets)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(path)


def test_other_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "c.h5"
    with pytest.raises(CheckpointError, match=r"c\.h5 is missing"):
        load_checkpoint(path)
    path.write_text("epsW=0.1")
    with pytest.raises(CheckpointError, match="not an HDF5 file"):
        load_checkpoint(path)
    write_hdf5(path, {"format": "cuda_convnet batch"}, {})
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(path)
    write_hdf5(path, {"format": "cuda_convnet checkpoint", "format_version": 2}, {})
    with pytest.raises(CheckpointError, match="format version 2; this program reads version 1"):
        load_checkpoint(path)


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_else(tmp_path):
    # in a process of its own, for a limit on the size of files cannot be taken back
    code = textwrap.dedent(f"""
        import resource, sys
        from pathlib import Path
        import numpy as np
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_checkpoint import example
        from cuda_convnet.checkpoint import save_checkpoint
        from cuda_convnet.errors import CheckpointError
        path = Path({str(tmp_path)!r}) / "c.h5"
        save_checkpoint(path, example())
        resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))
        big = np.random.RandomState(0).randn(100, 500).astype(np.float32)
        for _ in range(3):
            try:
                save_checkpoint(path, example(state={{"conv1/weights0": big}}))
            except CheckpointError as error:
                print(error)
    """)
    paths = [str(Path(__file__).parents[2] / "port"), str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.startswith(f"{tmp_path}/c.h5: cannot save the checkpoint (File too large)")
    assert load_checkpoint(tmp_path / "c.h5").content_hash() == example().content_hash()
    assert [file.name for file in tmp_path.iterdir()] == ["c.h5"]


def test_a_disk_without_room_is_told_when_it_is_really_full(tmp_path):
    """On a small tmpfs, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a tmpfs here")
    try:
        save_checkpoint(disk / "c.h5", example())
        big = {"conv1/weights0": np.ones((100, 500), np.float32)}
        with pytest.raises(CheckpointError, match="No space left on device"):
            save_checkpoint(disk / "c.h5", example(state=big))
        assert load_checkpoint(disk / "c.h5").content_hash() == example().content_hash()
        assert [file.name for file in disk.iterdir()] == ["c.h5"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_newest_readable_checkpoint_is_the_latest(tmp_path):
    for position in (Position(1, 2), Position(1, 10), Position(2, 1, 3)):
        save_checkpoint(checkpoint_path(tmp_path, position), example(position=position))
    (tmp_path / "checkpoint-0009.0001.0000.h5.tmp-77").write_bytes(b"cut off")
    assert [position for position, _ in list_checkpoints(tmp_path)] == [(1, 2, 0), (1, 10, 0), (2, 1, 3)]
    heard = []
    checkpoint, path = load_latest(tmp_path, lambda *damage: heard.append(damage))
    assert (checkpoint.position, path.name, heard) == ((2, 1, 3), "checkpoint-0002.0001.0003.h5", [])

    path.write_bytes(path.read_bytes()[:-100])
    checkpoint, _ = load_latest(tmp_path, lambda *damage: heard.append(damage))
    assert checkpoint.position == (1, 10, 0)
    assert [(damaged, str(error)) for damaged, error in heard] == [(path, str(heard[0][1]))]
    assert "cut short" in str(heard[0][1])


def test_a_folder_without_a_readable_checkpoint_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint here"):
        load_latest(tmp_path / "nowhere", lambda *_: None)
    (tmp_path / "checkpoint-0001.0001.0000.h5").write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the 1 checkpoints can be read"):
        load_latest(tmp_path, lambda *_: None)


def test_pruning_keeps_the_last_and_those_for_good(tmp_path):
    for epoch in range(1, 7):
        (tmp_path / f"checkpoint-{epoch:04}.0001.0000.h5").touch()
    (tmp_path / "checkpoint-0007.0001.0000.h5.tmp-77").touch()
    (tmp_path / "notes.txt").touch()
    prune_checkpoints(tmp_path, 2, lambda position: position == Position(3))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [*(f"checkpoint-000{epoch}.0001.0000.h5" for epoch in (3, 5, 6)), "notes.txt"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "filters=16",
            "filters=32",
            r"layer 'conv1': weights0 has shape \(3, 3, 3, 16\) in it, \(3, 3, 3, 32\) here",
        ),
        ("[fc4]", "[fc5]", r"layer 'fc5': weights0, \(576, 4\) here, is not in it"),
    ],
)
def test_another_networks_checkpoint_is_refused_with_the_first_layer_that_differs(
    tmp_path, old, new, expected
):
    state = ConvNet(network()).get_state()
    layers, params = (
        text.replace(old, new).replace("fc4", "fc5" if "fc5" in new else "fc4") for text in (LAYERS, PARAMS)
    )
    net = ConvNet(network(layers, params))
    before = net.get_state()
    with pytest.raises(CheckpointError, match=f"^c.h5 is of another network: {expected}$"):
        example(state=state).restore(net, Path("c.h5"))
    for name, array in net.get_state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_checkpoint_with_more_layers_than_the_network_is_refused(tmp_path):
    net = ConvNet(network())
    state = {**net.get_state(), "conv9/biases": np.zeros((1, 1), np.float32)}
    with pytest.raises(CheckpointError, match="layer 'conv9': biases is in it and not here"):
        example(state=state).restore(net, Path("c.h5"))


def test_a_checkpoint_is_plain_json_inside(tmp_path):
    save_checkpoint(tmp_path / "c.h5", example())
    run = json.loads(read_hdf5(tmp_path / "c.h5").datasets["run"].tobytes())
    assert run["position"] == {"epoch": 3, "batch": 2, "minibatch": 5}
    assert run["data"]["path"] == "data/patches"
