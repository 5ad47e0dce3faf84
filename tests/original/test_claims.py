"""The claims ledger: every claim is well formed, its tests exist, and its numbers are those of the record."""

import csv
import json
import re

import pytest

from alexnet2012.record.answers import read_answers
from alexnet2012.record.claims import STATUSES, read_claims
from alexnet2012.record.places import original_path
from alexnet2012.toml_file import read_toml
from cuda_convnet.errors import DataError
from named_tests import found_test

CLAIMS = read_claims()
ERRORS = {"logprob", "top1", "top5"}
IMAGES = {
    "145": 50_000,
    "147": 50_000,
    "148": 50_000,
    "146-2012-2011": 50_000,
    "145-2010": 150_000,
    "145-half": 150_000,
}
ROUNDED = [claim for claim in CLAIMS if claim.agrees.startswith("equal after rounding")]
GAINS = [claim for claim in CLAIMS if claim.against]


def name_of(claim):
    return claim.id


@pytest.fixture(scope="module")
def experiments():
    return {each["id"]: each for each in read_toml(original_path() / "experiments.toml")["experiment"]}


# --- the ledger ---------------------------------------------------------------------------------------------
def test_every_claim_has_a_plain_id_and_says_one_thing():
    for claim in CLAIMS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim.id)
        assert claim.says[0].isupper()
        assert claim.says.endswith(".")
        assert not claim.agrees.endswith(".")


def test_every_status_occurs():
    assert {claim.status for claim in CLAIMS} == set(STATUSES)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.by], ids=name_of)
def test_the_test_that_shows_a_claim_exists(claim):
    assert found_test(claim.by) is not None, claim.by


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.status == "reproduced"], ids=name_of)
def test_what_is_reproduced_is_shown_by_a_test_that_needs_no_release_and_runs_by_default(claim):
    assert not re.search(r"release|slow|peer|gpu", found_test(claim.by))


def test_answers_that_claims_point_to_exist():
    assert {claim.answer for claim in CLAIMS if claim.answer} <= {each.anchor for each in read_answers()}


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.told_in], ids=name_of)
def test_lines_that_tell_of_a_claim_lie_in_their_file(claim):
    place = claim.told_in
    with (original_path() / "files" / f"{place.release}.csv").open(encoding="utf-8", newline="") as file:
        lines = {row["path"]: int(row["lines"]) for row in csv.DictReader(file)}
    assert place.last <= lines[place.file]


# --- the numbers --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("claim", [claim for claim in ROUNDED if not claim.against], ids=name_of)
def test_archived_errors_are_those_of_the_paper_after_rounding(claim):
    assert claim.numbers
    for name, number in claim.numbers.items():
        assert f"{claim.archived[name]:.3f}" == f"{number:.3f}"


@pytest.mark.parametrize("claim", GAINS, ids=name_of)
def test_differences_of_runs_are_those_of_the_paper(claim):
    assert claim in ROUNDED
    for name, number in claim.numbers.items():
        assert f"{claim.archived[name] - claim.against.numbers[name]:.3f}" == f"{number:.3f}"


def test_there_are_numbers_to_compare():
    assert len(ROUNDED) == 7
    assert len(GAINS) == 3


def told(claims):
    """(run, numbers) of all results of runs that claims give."""
    for claim in claims:
        if claim.run and set(claim.archived) <= ERRORS and claim.archived:
            yield claim.run, claim.archived
        if claim.against:
            yield claim.against.run, claim.against.numbers


@pytest.mark.parametrize(("run", "numbers"), list(told(CLAIMS)))
def test_archived_numbers_are_those_of_the_lab_notebook(experiments, run, numbers):
    results = [{name: error.get(name) for name in numbers} for error in experiments[run]["error"]]
    assert dict(numbers) in results


def test_runs_that_claims_name_are_in_the_lab_notebook(experiments):
    assert {run for claim in CLAIMS for run in claim.runs} <= set(experiments)


@pytest.mark.parametrize(
    ("run", "name", "error"),
    sorted(
        {
            (run, name, value)
            for run, numbers in told(CLAIMS)
            for name, value in numbers.items()
            if run in IMAGES and name != "logprob"
        }
    ),
)
def test_archived_errors_are_whole_numbers_of_images(run, name, error):
    wrong = round(error * IMAGES[run])
    assert f"{wrong / IMAGES[run]:.6f}" == f"{error:.6f}"


@pytest.mark.release
@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.archived and c.told_in], ids=name_of)
def test_archived_numbers_stand_in_the_lines_that_tell_of_them(claim, releases):
    place = claim.told_in
    lines = (releases / place.release / place.file).read_text(encoding="utf-8").splitlines()
    text = "\n".join(lines[place.first - 1 : place.last])
    there = {
        float(number) / (100 if percent else 1) for number, percent in re.findall(r"(\d*\.?\d+)(%?)", text)
    }
    assert set(map(float, claim.archived.values())) <= there


# --- mistakes in the file -----------------------------------------------------------------------------------
GOOD = {"id": "one", "section": "1", "says": "It is so.", "status": "no record", "agrees": "nothing"}


def ledger(folder, *claims):
    path = folder / "claims.toml"
    blocks = [
        "[[claim]]\n" + "".join(f"{k} = {v if k in TABLES else json.dumps(v)}\n" for k, v in c.items())
        for c in claims
    ]
    path.write_text("\n".join(blocks))
    return path


TABLES = ("numbers", "archived", "told_in", "against")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "there is no 'colour'; a claim has"),
        ({"agrees": None}, "'agrees' is missing; add it"),
        ({"says": 7}, "says must be a text, not 7"),
        ({"status": "true"}, "status 'true' must be one of reproduced, checked, differs, open, no record"),
        ({"status": "checked"}, "a claim that is 'checked' needs 'by'"),
        ({"by": "tests/x.py::test_x"}, "a claim that is 'no record' has no test to name in 'by'"),
        ({"status": "open"}, "an open claim needs 'takes': what would show it"),
        ({"numbers": "{ top1 = 'low' }"}, "numbers must be a table of numbers"),
        ({"told_in": "{ file = 'x' }"}, "told_in must have release, file and lines"),
        ({"told_in": "{ release = 'a', file = 'x', lines = [2, 1] }"}, "lines must be [first, last], not"),
        ({"against": "{ top1 = 0.1 }"}, "against must have a run and numbers"),
        ({"against": "{ run = '145', top1 = 0.1 }"}, "'against' compares 'archived' numbers; give them"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_claim_is_told_in_one_line_with_its_id(tmp_path, change, message):
    claim = {name: value for name, value in (GOOD | change).items() if value is not None}
    with pytest.raises(DataError) as error:
        read_claims(ledger(tmp_path, GOOD | {"id": "zero"}, claim))
    assert str(error.value).startswith(f"{tmp_path / 'claims.toml'}: claim 2, 'one'")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_two_claims_of_one_id_are_told(tmp_path):
    with pytest.raises(DataError, match="the id 'one' names two claims; give each its own"):
        read_claims(ledger(tmp_path, GOOD, GOOD))


def test_a_file_of_other_tables_is_told(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text("[experiment]\n")
    with pytest.raises(DataError, match="it must hold"):
        read_claims(path)
