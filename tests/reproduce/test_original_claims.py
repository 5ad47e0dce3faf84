"""`alexnet2012 original claims`: the ledger as a table, one claim in full, and JSON."""

import json
from functools import partial

import pytest

from alexnet2012.record.claims import read_claims


@pytest.fixture
def claims(typed):
    """Runs `alexnet2012 original claims ...`: (status, stdout, stderr)."""
    return partial(typed, "original", "claims")


def test_every_claim_has_a_row_with_its_numbers_and_the_counts_add_up(claims):
    status, out, err = claims()
    assert (status, err) == (0, "")
    heading, *rows, _, summary = out.splitlines()
    assert heading.split() == ["claim", "section", "status", "run", "paper", "archived"]
    assert [row.split()[0] for row in rows] == [claim.id for claim in read_claims()]
    (row,) = (row for row in rows if row.startswith("ilsvrc2012-one-cnn "))
    assert row.split() == [
        "ilsvrc2012-one-cnn", "table", "2", "checked", "145", "40.7%,", "18.2%", "0.406640,", "0.182100",
    ]  # fmt: skip
    (row,) = (row for row in rows if row.startswith("two-gpus-gain "))
    assert " 1.7%, 1.2%  " in row
    assert row.endswith("  0.391680 - 0.374727, 0.182287 - 0.169987")
    (row,) = (row for row in rows if row.startswith("cifar-with-normalisation "))
    assert row.split()[-2:] == ["11%", "0.11"]
    total, _, counts = summary.partition(" claims: ")
    assert int(total) == len(rows) == sum(int(part.split()[0]) for part in counts.split(", "))


def test_claims_of_one_status_are_chosen(claims):
    status, out, _ = claims("--status", "differs")
    assert status == 0
    assert "factor-2048 " in out
    assert "ilsvrc2010 " not in out
    assert out.splitlines()[-1].endswith(" differs")


def test_claims_of_one_run_are_those_it_backs_and_those_it_is_compared_in(claims):
    _, out, _ = claims("--run", "145-2010")
    assert [line.split()[0] for line in out.splitlines()[1:-2]] == [
        "two-gpus-gain",
        "ilsvrc2010",
        "ilsvrc2010-centre",
    ]
    assert out.splitlines()[-1] == "3 claims: 3 checked"


def test_one_claim_is_told_in_full(claims):
    status, out, _ = claims("normalisation-gain")
    assert status == 0
    assert out.startswith("normalisation-gain\n  section   3.3\n  says      Response normalisation lowers ")
    for line in (
        "  paper     1.4%, 1.2%\n",
        "  run       148\n",
        "  told in   alexnet:layers/layer-params-148.cfg, lines 137 to 148\n",
        "  archived  logprob 1.822358, 0.420340, 0.193620\n",
        "  against   run 145: logprob 1.741473, 0.406640, 0.182100\n",
        "  status    checked\n",
        "  by        tests/original/test_claims.py::test_differences_of_runs_are_those_of_the_paper\n",
        "  more      original/paper.md#what-did-the-ablations-change\n",
    ):
        assert line in out


def test_json_holds_the_claims_as_the_file_has_them_and_the_counts(claims, tmp_path):
    path = tmp_path / "claims.json"
    status, out, _ = claims("--json", path)
    assert status == 0
    assert out.startswith("claim ")
    report = json.loads(path.read_text())
    assert sum(report["summary"].values()) == len(report["claims"]) == len(read_claims())
    (claim,) = (each for each in report["claims"] if each["id"] == "two-gpus-gain")
    assert claim["numbers"] == {"top1": 0.017, "top5": 0.012}
    assert claim["against"] == {"run": "145-2010", "logprob": 1.61466, "top1": 0.374727, "top5": 0.169987}
    assert claim["told_in"] == {
        "release": "alexnet", "file": "layers/layer-params-145-half.cfg", "first": 90, "last": 100,
    }  # fmt: skip
    _, out, _ = claims("factor-2048", "--json", "-")
    assert json.loads(out)["claims"][0]["numbers"] == {"factor": 2048}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["unheard-of"], "unheard-of: no claim has that id; without an argument, the command lists them all"),
        (["--run", "7"], "--run 7: no claim rests on that run; there are 109, 141-2009-half, 145, "),
        (["factor-2048", "--status", "open"], "no claim is left; take --status or --run away"),
        (["--json", "nowhere/claims.json"], "--json nowhere/claims.json: there is no folder nowhere"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_status_2(claims, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = claims(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"alexnet2012: {message}")
    assert err.count("\n") == 1
