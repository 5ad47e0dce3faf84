"""The claims ledger: every claim is well formed, its tests exist, and its numbers are those of the record."""

import csv
import json
import re

import pytest

from alexnet2012 import experiments as ours
from alexnet2012.record.answers import read_answers
from alexnet2012.record.claims import STATUSES, read_claims
from alexnet2012.record.notebook import read_notebook
from alexnet2012.record.places import original_path
from cuda_convnet.config import read_network
from cuda_convnet.errors import DataError
from named_tests import found_test

CLAIMS = read_claims()
ERRORS = {"logprob", "top1", "top5"}
IMAGES = {"validation": 50_000, "test": 150_000}
ROUNDED = [claim for claim in CLAIMS if claim.agrees.startswith("equal after rounding")]
GAINS = [claim for claim in CLAIMS if claim.against]


def name_of(claim):
    return claim.id


@pytest.fixture(scope="module")
def notebook():
    return read_notebook()


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
def test_archived_numbers_are_those_of_the_lab_notebook(notebook, run, numbers):
    results = [{name: getattr(error, name) for name in numbers} for error in notebook[run].errors]
    assert dict(numbers) in results


def test_runs_that_claims_name_are_in_the_lab_notebook(notebook):
    assert {run for claim in CLAIMS for run in claim.runs} <= {run.id for run in notebook}


def is_whole(share, images):
    return f"{round(share * images) / images:.6f}" == f"{share:.6f}"


def test_errors_of_whole_sets_are_whole_numbers_of_images(notebook):
    """In ten views, on test sets, and by a command of its own: not so in the centre view while it trains."""
    results = [(run.id, error) for run in notebook for error in run.errors if error.set != "not told"]
    apart = []
    for run, error in results:
        whole = all(is_whole(share, IMAGES[error.set]) for share in (error.top1, error.top5))
        assert whole == (error.views == "ten" or error.set == "test" or "multiview-test=0" in error.note), run
        if not whole:
            apart.append(run)
    assert len(results) > 50
    assert len(apart) == 23
    folder = ours.path("145")
    assert read_network(folder / "layers.cfg", folder / "params.cfg").num_classes == 1000


def test_two_runs_have_errors_that_are_means_of_147_batches(notebook):
    for name in ("inet-5layer-conv94-2gpu", "98-16kinit"):
        (error,) = notebook[name].errors
        for share in (error.top1, error.top5):
            assert share != round(share, 6)
            assert 147 * share * 1e6 == pytest.approx(round(147 * share * 1e6), abs=1e-4)


def test_no_run_is_told_to_begin_without_colour_noise_and_59_turn_it_off(notebook):
    changes = [(run.id, change) for run in notebook for change in run.schedule if "color_noise" in change.set]
    assert not [run for run, change in changes if change.start and not change.set["color_noise"]]
    assert len({run for run, change in changes if not change.set["color_noise"]}) == 59
    (epoch,) = (change.epoch for run, change in changes if run == "145")
    assert (epoch, notebook["145"].ended_epoch) == (67, 91)


def test_runs_on_ilsvrc2012_that_began_with_weights_of_fall_2009_and_2011(notebook):
    began = {
        run.id: notebook[run.initialised_from].dataset
        for run in notebook
        if run.dataset == "ILSVRC-2012" and run.initialised_from
    }
    assert {run for run, dataset in began.items() if dataset == "ImageNet-2011-20k"} == {"146-2012-2011"}
    assert {run for run, dataset in began.items() if dataset == "ImageNet-2009-10k"} == {
        "135-2009-2012",
        "141-2009-2012",
        "146-2012-2009",
    }
    assert (notebook["135-2009-2012"].ended, notebook["135-2009-2012"].ended_epoch) == ("on hold", 23)


def test_what_translations_gave_on_cifar10(notebook):
    plain, moved = notebook["cifar-19pct"], notebook["cifar-19pct-translations"]
    assert (plain.errors[0].top1, moved.errors[0].top1) == (0.19, 0.142)
    assert (moved.based_on, moved.schedule[0].set) == ("cifar-19pct", {"wc": 0})


@pytest.mark.release
@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.archived and c.told_in], ids=name_of)
def test_archived_numbers_stand_in_the_lines_that_tell_of_them(claim, releases):
    place = claim.told_in
    lines = (releases / place.release / place.file).read_text(encoding="utf-8").splitlines()
    text = "\n".join(lines[place.first - 1 : place.last])
    numbers = re.findall(r"(?<![\w.])(\d*\.?\d+)(?!\w)(%?)", text)  # not those in names, as in conv2
    there = {float(number) / (100 if percent else 1) for number, percent in numbers}
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
