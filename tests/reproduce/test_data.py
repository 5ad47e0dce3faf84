"""`alexnet2012 data`: what it prints, its exit status, and that a user's mistake is one line."""

import json
from pathlib import Path

import pytest

from cifar_archive import members, write_archive


@pytest.fixture
def archive(tmp_path):
    return write_archive(tmp_path / "cifar-10-python.tar.gz", members())


def mistake(result):
    """The one line that a user's mistake is told in."""
    status, out, err = result
    assert status == 2
    assert out == ""
    line = err.splitlines()[-1]
    assert line.startswith("alexnet2012: ")
    assert "Traceback" not in err
    return line


def test_digits_are_packed_and_described(data):
    status, out, _ = data("digits")
    assert status == 0
    assert "data/digits: scikit-learn load_digits" in out
    assert "1,437 images" in out
    assert "360 images" in out
    assert data("digits")[1] == out
    assert data("verify", "data/digits")[:2] == (0, "data/digits: every file is whole.\n")


def test_cifar10_is_packed_from_its_archive(data, archive):
    status, out, _ = data("cifar10", "--from", archive, "--out", "cifar")
    assert status == 0
    assert "train      40 images, batches: 5" in out
    assert "crops of 24x24 and reflections, each by itself" in out


def test_info_as_json(data, archive):
    data("cifar10", "--from", archive, "--out", "cifar")
    status, out, _ = data("info", "cifar", "--json")
    facts = json.loads(out)
    assert status == 0
    assert facts["batches"] == {"train": [8] * 5, "test": [8]}
    assert facts["image_shape"] == [3, 32, 32]
    assert facts["class_names"][3] == "cat"
    assert len(facts["color_deviations"]) == 3
    assert facts["recipe"]["source"] == "cifar-10-python.tar.gz"
    assert facts["reflect"] is True
    assert data("info", "cifar")[1].startswith("cifar: cifar-10-python.tar.gz")


def test_a_damaged_folder_is_mended_by_the_command_that_its_message_names(data, archive):
    data("cifar10", "--from", archive, "--out", "cifar")
    path = Path("cifar/train/data_batch_0003.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    status, out, _ = data("verify", "cifar")
    assert status == 1
    assert out.startswith("cifar/train/data_batch_0003.h5 is ")
    command = out.split("`")[1].split()
    assert command[:3] == ["alexnet2012", "data", "cifar10"]
    assert data(*command[2:])[0] == 0
    assert path.read_bytes() == whole
    assert data("verify", "cifar")[0] == 0


def test_verify_as_json(data, archive):
    data("cifar10", "--from", archive, "--out", "cifar")
    assert json.loads(data("verify", "cifar", "--json")[1]) == {"folder": "cifar", "ok": True, "problems": []}
    Path("cifar/test/data_batch_0001.h5").unlink()
    status, out, _ = data("verify", "cifar", "--json")
    report = json.loads(out)
    assert status == 1
    assert not report["ok"]
    assert report["problems"][0]["file"] == "cifar/test/data_batch_0001.h5"


def test_mistakes_are_one_line(data, archive):
    assert "nowhere: there is no such folder" in mistake(data("info", "nowhere"))
    assert "there is no such file" in mistake(data("cifar10", "--from", "nowhere.tar.gz"))
    Path("bad.tar.gz").write_bytes(archive.read_bytes()[:10_000])
    assert "bad.tar.gz is cut short" in mistake(data("cifar10", "--from", "bad.tar.gz"))
    data("digits", "--out", "folder")
    line = mistake(data("cifar10", "--from", archive, "--out", "folder"))
    assert "folder holds another dataset (made by `alexnet2012 data digits`)" in line


def test_a_pickle_that_calls_os_system_is_one_line(data):
    files = members()
    files["cifar-10-batches-py/test_batch"] = b"cposix\nsystem\n(S'touch touched'\ntR."
    write_archive("evil.tar.gz", files)
    assert "evil.tar.gz: test_batch: it asks for posix.system" in mistake(
        data("cifar10", "--from", "evil.tar.gz")
    )
    assert not Path("touched").exists()


@pytest.mark.parametrize("options", [(), ("--download", "--from", "x.tar.gz")])
def test_cifar10_wants_one_source(data, options):
    status, _, err = data("cifar10", *options)
    assert status == 2
    assert "give either --from FILE or --download" in err


def test_a_download_without_network_is_one_line(data, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    assert "cannot be reached (Network is unreachable)" in mistake(data("cifar10", "--download"))
    assert not list(Path("data/cifar10").iterdir())
