"""The certificate of a GPU, and what it says where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from alexnet2012.gpu import certificate
from cuda_convnet.errors import EngineError

RUN = Path(__file__).parent / "run.py"


class PretendedDevice:
    name = "cuda"

    def describe(self):
        return {"name": "Pretended GPU", "compute_capability": "9.0"}


@pytest.fixture
def pretended(monkeypatch):
    """A GPU on which one part succeeds, one fails and one breaks."""
    monkeypatch.setattr(certificate, "CudaDevice", PretendedDevice)
    parts = {
        "good": lambda device, engine: {"ok": True, "number": 1},
        "bad": lambda device, engine: {"ok": False},
        "broken": lambda device, engine: 1 / 0,
    }
    monkeypatch.setattr(certificate, "PARTS", parts)
    option = next(param for param in certificate.command.params if param.name == "names")
    monkeypatch.setattr(option.type, "choices", list(parts))


def run(*words):
    return CliRunner().invoke(certificate.command, list(map(str, words)), catch_exceptions=False)


def test_a_part_that_breaks_is_told_and_the_others_run(pretended, tmp_path):
    out = tmp_path / "c.json"
    assert run("--out", out).exit_code == 1
    found = json.loads(out.read_text())
    assert not found["ok"]
    assert {name: part["ok"] for name, part in found["parts"].items()} == {
        "good": True,
        "bad": False,
        "broken": False,
    }
    assert found["parts"]["broken"]["problem"] == "ZeroDivisionError: division by zero"
    assert found["device"]["name"] == "Pretended GPU"
    assert {"date", "commit", "changed", "machine", "versions"} <= set(found)


def test_parts_run_one_after_the_other_end_in_one_certificate(pretended, tmp_path):
    out = tmp_path / "c.json"
    assert run("--out", out, "--part", "good").exit_code == 0
    assert run("--out", out, "--part", "bad").exit_code == 1
    assert set(json.loads(out.read_text())["parts"]) == {"good", "bad"}


def test_parts_of_another_commit_are_not_kept(pretended, tmp_path):
    out = tmp_path / "c.json"
    run("--out", out, "--part", "bad")
    out.write_text(json.dumps(json.loads(out.read_text()) | {"commit": "0" * 40}))
    assert run("--out", out, "--part", "good").exit_code == 0
    assert set(json.loads(out.read_text())["parts"]) == {"good"}


def test_a_file_that_is_no_certificate_is_kept_and_named(pretended, tmp_path):
    out = tmp_path / "c.json"
    out.write_text("precious")
    result = run("--out", out)
    assert result.exit_code == 2
    assert f"{out}: not a certificate" in result.output
    assert out.read_text() == "precious"


def test_without_a_gpu_the_mend_is_told_in_one_line(monkeypatch, tmp_path):
    def none(**_):
        raise EngineError("engine 'cuda' finds no GPU; look at nvidia-smi")

    monkeypatch.setattr(certificate, "CudaDevice", none)
    result = run("--out", tmp_path / "c.json")
    assert (result.exit_code, result.output) == (2, "engine 'cuda' finds no GPU; look at nvidia-smi\n")
    assert not (tmp_path / "c.json").exists()


def test_the_script_needs_no_installation():
    done = subprocess.run(
        [sys.executable, RUN, "--help-of-nothing"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": ""},
    )
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_an_empty_folder_of_wheels_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, RUN, "--wheels", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{tmp_path}: there are no wheels in it" in done.stderr
