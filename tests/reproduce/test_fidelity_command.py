"""`alexnet2012 fidelity`: its table, its JSON, its exit status."""

import json
import sys

import h5py
import numpy as np
import pytest
from fidelity_archives import part_of_ops, write_archive

from alexnet2012 import cli
from alexnet2012.fidelity.report import Case, Report, failures, table
from cuda_convnet.engines.bounds import Bitwise, Relative


@pytest.fixture
def fidelity(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["alexnet2012", "fidelity", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        output = capsys.readouterr()
        return stopped.value.code or 0, output.out, output.err

    return run


@pytest.fixture
def good(tmp_path):
    return part_of_ops(tmp_path / "good.h5", "crop", "softmax")


@pytest.fixture
def bad(tmp_path):
    path = part_of_ops(tmp_path / "bad.h5", "crop", "softmax")
    with h5py.File(path, "r+") as file:
        dataset = file[f"crop/{next(iter(file['crop']))}/out/targets"]
        dataset[0, 0] = dataset[0, 0] + 1
    return path


def test_an_archive_that_holds_gives_a_table_and_status_0(fidelity, good):
    status, out, err = fidelity(good)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert ["crop", "3", "3", "0", "0.0e+00", "bitwise", "0%"] in rows
    assert any(row[:2] == ["softmax", "4"] and row[-1].endswith("%") for row in rows if row)
    assert out.splitlines()[-1] == "engine numpy: 7 of 7 outputs hold, 3 of them bit for bit"


def test_an_archive_that_does_not_hold_gives_status_1_and_names_the_case(fidelity, bad):
    status, out, _ = fidelity(bad)
    assert status == 1
    assert "NOT OK bad.h5 crop/" in out
    assert "6 of 7 outputs hold" in out


def test_an_unknown_operation_gives_status_1(fidelity, tmp_path):
    path = write_archive(tmp_path / "new.h5", {"pool_rand": {"case": ({}, {}, {"targets": [1.0]})}})
    status, out, _ = fidelity(path)
    assert status == 1
    assert "there is no operation 'pool_rand' here" in out


def test_a_truncated_archive_gives_status_2_and_one_line(fidelity, good):
    good.write_bytes(good.read_bytes()[:-100])
    status, out, err = fidelity(good)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert str(good) in err


@pytest.mark.parametrize("engine", ["cuda", "torch"])
def test_an_engine_that_is_not_there_gives_status_2_and_one_line(fidelity, good, engine, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    status, _, err = fidelity(good, "--engine", engine)
    assert status == 2
    assert err.count("\n") == 1
    assert f"'{engine}'" in err


def check_report(report, engine):
    assert set(report) == {"engine", "machine", "cases", "summary"}
    assert report["engine"] == engine
    assert isinstance(report["machine"], str)
    for case in report["cases"]:
        assert {"archive", "op", "case", "output", "bitwise", "max_ulp", "max_rel", "bound", "ok"} <= set(
            case
        )
        assert isinstance(case["bitwise"], bool)
        assert isinstance(case["ok"], bool)
        assert isinstance(case["bound"], str)
    assert report["summary"] == {
        "cases": len(report["cases"]),
        "bitwise": sum(case["bitwise"] for case in report["cases"]),
        "ok": sum(case["ok"] for case in report["cases"]),
    }


def test_the_report_is_written_as_json(fidelity, good, bad, tmp_path):
    status, out, _ = fidelity(good, bad, "--json", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    check_report(report, "numpy")
    assert status == 1
    assert "crop" in out
    assert len(report["cases"]) == 14
    (broken,) = (case for case in report["cases"] if not case["ok"])
    assert (broken["archive"], broken["op"], broken["output"]) == ("bad.h5", "crop", "targets")
    assert broken["used"] is None  # no share of a bound that admits nothing


def test_the_report_goes_to_stdout_alone(fidelity, good):
    status, out, err = fidelity(good, "--json", "-")
    assert status == 0
    check_report(json.loads(out), "numpy")
    assert "7 of 7 outputs hold" in err


def test_all_engines_are_those_that_run_here(fidelity, good, tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet2012.commands.fidelity.engine_names", lambda: ("numpy", "host"))
    assert fidelity(good, "--engine", "all", "--json", tmp_path / "report.json")[0] == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["engine"] == "all"
    assert [case["engine"] for case in report["cases"]] == ["numpy"] * 7 + ["host"] * 7
    assert report["summary"]["ok"] == 14


def test_a_report_into_a_folder_that_is_not_there_gives_status_2(fidelity, good, tmp_path):
    status, _, err = fidelity(good, "--json", tmp_path / "none" / "report.json")
    assert status == 2
    assert "there is no folder" in err


def test_without_archives_all_of_the_record_are_checked(fidelity, good, bad, monkeypatch):
    monkeypatch.setattr("alexnet2012.record.places.activation_archives", lambda: [good, bad])
    status, out, _ = fidelity()
    assert status == 1
    assert "good.h5, engine numpy" in out
    assert "bad.h5, engine numpy" in out


def test_what_takes_minutes_is_left_out_and_that_is_said(fidelity, tmp_path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format_version"] = 1
        file.create_group("init")
        for part in ("acts", "grads"):
            file.create_group(f"n128/{part}")
        file["n128"].attrs["num_images"] = 128
    status, out, _ = fidelity(path)
    assert status == 0
    assert "net.h5: n128 left out; --slow checks it too" in out


# --- the report ---


def case(op="crop", *, ours=1.0, bound=None, name="a"):
    return Case.compared(
        "x.h5", op, name, "targets", original=[1.0, 2.0], ours=[ours, 2.0], bound=bound or Relative(2.0**-20)
    )


def test_a_case_tells_how_far_it_is_and_what_share_of_the_bound_that_is():
    found = case(ours=1 + 2.0**-21)
    assert (found.ok, found.bitwise, found.max_ulp, found.max_rel, found.used) == (
        True,
        False,
        4,
        2.0**-22,
        0.25,
    )
    assert found.bound == "rel 9.5e-07"


def test_an_output_of_another_size_is_not_ok():
    found = Case.compared("x.h5", "crop", "a", "targets", original=[1.0], ours=[1.0, 2.0], bound=Bitwise())
    assert (found.ok, found.problem) == (False, "2 values where the archive has 1")


def test_what_is_not_finite_is_null_in_json():
    found = case(ours=np.inf).to_json()
    assert (found["max_rel"], found["used"], found["ok"]) == (None, None, False)
    json.dumps(found, allow_nan=False)


def test_a_table_has_a_line_for_each_operation_with_its_worst_output():
    rows = table([case("crop"), case("crop", ours=1 + 2.0**-21), case("softmax")]).splitlines()
    assert rows[1].split() == ["crop", "2", "1", "4", "2.4e-07", "rel", "9.5e-07", "25%"]
    assert rows[2].split()[:3] == ["softmax", "1", "1"]


def test_many_failures_are_counted_after_the_first():
    lines = failures([case(ours=9.0, name=str(i)) for i in range(30)])
    assert len(lines) == 21
    assert lines[-1] == "and 10 more"


def test_a_report_is_ok_when_every_case_is():
    assert Report("numpy", "here", [case()]).ok
    assert not Report("numpy", "here", [case(), case(ours=2.0)]).ok


def test_an_archive_with_nothing_to_compare_is_no_success(fidelity, tmp_path, good):
    with h5py.File(good, "r+") as file:
        for group in file.values():
            for name in list(group):
                del group[name]
    status, _, error = fidelity(good)
    assert status == 2
    assert "there is nothing in it to compare" in error
