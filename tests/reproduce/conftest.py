"""Commands, typed in this process, `reproduce` with a fidelity check that takes no time; the reading room."""

import sys
from functools import partial

import h5py
import pytest
import study_site

from alexnet2012 import cli
from alexnet2012.record import places


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory):
    """Two operations of the archive, so that the fidelity check takes no time."""
    path = tmp_path_factory.mktemp("archive") / "ops.h5"
    whole = places.original_path() / "activations" / "ops.h5"
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        target.attrs.update(source.attrs)
        for op in ("neuron_relu", "pool_max"):
            source.copy(op, target)
    return path


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The reading room, built with stand-ins of all releases: its folder, and what it shows."""
    out = tmp_path_factory.mktemp("study") / "site"
    with pytest.MonkeyPatch.context() as monkeypatch:
        room, _ = study_site.build(out, monkeypatch, study_site.stand_in(tmp_path_factory.mktemp("releases")))
    return out, room


@pytest.fixture(scope="session")
def pages(study):
    """The pages of that site, by their addresses."""
    return study_site.read_pages(study[0])


@pytest.fixture
def typed(monkeypatch, capsys):
    """Runs `alexnet2012 ...` in this process: (status, stdout, stderr)."""

    def execute(*arguments):
        monkeypatch.setattr(sys, "argv", ["alexnet2012", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code, *capsys.readouterr())

    return execute


@pytest.fixture
def data(monkeypatch, typed, tmp_path):
    """Runs `alexnet2012 data ...` in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return partial(typed, "data")


@pytest.fixture
def reproduce(monkeypatch, typed, small_archive, tmp_path):
    """Runs `alexnet2012 reproduce` in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "activation_archives", lambda: [small_archive])
    return partial(typed, "reproduce")
