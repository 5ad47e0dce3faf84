"""`alexnet2012 reproduce`, typed in this process, with a fidelity check that takes no time."""

import sys

import h5py
import pytest

from alexnet2012 import cli, records


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory):
    """Two operations of the archive, so that the fidelity check takes no time."""
    path = tmp_path_factory.mktemp("archive") / "ops.h5"
    whole = records.original_path() / "activations" / "ops.h5"
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        target.attrs.update(source.attrs)
        for op in ("neuron_relu", "pool_max"):
            source.copy(op, target)
    return path


@pytest.fixture
def reproduce(monkeypatch, capsys, small_archive, tmp_path):
    """Runs `alexnet2012 reproduce` in this process and an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "activation_archives", lambda: [small_archive])

    def execute(*arguments):
        monkeypatch.setattr(sys, "argv", ["alexnet2012", "reproduce", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code or 0, *capsys.readouterr())

    return execute
