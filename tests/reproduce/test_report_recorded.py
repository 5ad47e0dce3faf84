"""The report of a run that is recorded: obtained beside recorded, on one page."""

import copy
import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from test_report import Page, case, fidelity

import small_145
from alexnet2012.experiment import read_experiment
from alexnet2012.predictions import Predictions
from alexnet2012.report import RecordedReproduction, render, write_report
from alexnet2012.report.happened import beginning, happened, plain
from alexnet2012.report.pictures import POINTS, Line
from alexnet2012.report.recorded import schedule
from alexnet2012.report.reproduction import share
from alexnet2012.rerun.scale import scaled_recipe
from alexnet2012.study.launches import run_145
from cuda_convnet.config.specs import WeightLayerSpec
from cuda_convnet.cost import Cost
from cuda_convnet.errors import ConvnetError

CLASSES, IMAGES = 8, 40


@pytest.fixture(scope="module")
def spec():
    return run_145()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_145.make_images(
        tmp_path_factory.mktemp("images") / "all", classes=CLASSES, per_class=4, tests=IMAGES // CLASSES
    )


def predictions(labels, names, wrong=10, missed=4):
    """The first `wrong` are taken for another class; the first `missed` are not among the five guesses."""
    probabilities = np.empty((CLASSES, IMAGES), np.float32)
    for i, truth in enumerate(labels):
        likely = np.array([0.4, 0.2, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01]) ** (1 + i / IMAGES)
        place = 6 if i < missed else 2 if i < wrong else 0
        order = np.roll(np.delete(np.arange(CLASSES), truth), i).tolist()
        order.insert(place, truth)
        probabilities[order, i] = likely / likely.sum()
    cost = Cost(IMAGES, {"logprob": (1.5 * IMAGES, float(wrong), float(missed))}, {"logprob": 1.0})
    return Predictions.of(probabilities, labels, names, small_145.NAMES, cost, 10)


def metrics(spec, recipe, batches=3):
    """What the recipe makes of the rates, and costs that fall."""
    records = []
    for epoch in range(1, recipe.epochs + 1):
        value = 6.9 / (1 + epoch)
        costs = {"logprob": [value, min(1, value / 4), min(1, value / 8)]}
        for batch in range(1, batches + 1):
            record = {
                "kind": "train",
                "epoch": epoch,
                "batch": batch,
                "cases": 1024,
                "costs": costs,
                "seconds": 4.0,
            }
            if batch == 1:
                layers = [s for s in recipe.spec_at(spec, epoch) if isinstance(s, WeightLayerSpec)]
                rates = {s.name: [float(np.float32(v)) for v in (*s.eps_w, s.eps_b)] for s in layers}
                record |= {"rates": rates, "color_noise": recipe.color_noise_at(epoch)}
            records.append(record)
        records.append(
            {"kind": "test", "epoch": epoch, "batch": batches, "cases": 40, "costs": costs, "seconds": 1.0}
        )
    return records


@pytest.fixture(scope="module")
def reproduction(spec, data):
    what = read_experiment("145")
    labels = np.concatenate([file.read().labels for file in data.test])
    names = [name for file in data.test for name in file.read().names]
    filters = np.random.RandomState(1).randn(2, 3, 11, 11, 48).astype(np.float32)

    def make(scale=0.1, like=False, images=1024, **changes):
        """In miniature; with `like` as large as what is recorded, and then `recorded` are its numbers."""
        recipe = scaled_recipe(what.recipe, scale, images) if scale else what.recipe
        experiment = what
        if like:
            recorded = dataclasses.replace(what.recorded, test_images=IMAGES, **changes.pop("recorded", {}))
            experiment = dataclasses.replace(
                what, classes=CLASSES, train_images=32, recorded=recorded, within=changes.pop("within", 0.01)
            )
        run = {
            "experiment": experiment,
            "scale": scale,
            "spec": spec,
            "recipe": recipe,
            "metrics": metrics(spec, recipe),
            "predictions": predictions(labels, names),
            "data": data,
            "num_parameters": 60_965_224,
            "first_filters": {"conv1a": filters[0], "conv1b": filters[1]},
            "fidelity": fidelity([case("conv_filter_acts", bitwise=False, used=0.25), case("pool_max")]),
            "engine": "cuda",
            "machine": "a machine",
            "run_folder": Path("runs/a"),
        }
        return RecordedReproduction(**{**run, **changes})

    return make


@pytest.fixture(scope="module")
def page(reproduction):
    return Page(render(reproduction()))


# --- the page -----------------------------------------------------------------------------------------------
def test_the_page_is_well_formed_and_has_its_sections(page):
    assert [h["id"] for h in page.all("h2")] == [
        "result", "learning", "time", "filters", "seen", "network", "fidelity", "facts", "on",
    ]  # fmt: skip
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_but_itself(page, reproduction):
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed")
        for name in ("src", "href", "xlink:href", "data", "srcset", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;", "data:image/jpeg;"))
    text = render(reproduction())
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert len(text.encode()) < 1_000_000


def test_every_picture_has_words_for_those_who_do_not_see_it(page):
    assert len(page.all("img")) == 2 + 8 + 8
    assert all(len(attributes["alt"]) > 5 for attributes in page.all("img"))
    assert len([a for a in page.all("svg") if "viewbox" in a]) == 3


def test_the_page_is_written_whole(reproduction, tmp_path):
    write_report(reproduction(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_page_that_cannot_be_written_is_one_line(reproduction, tmp_path):
    with pytest.raises(ConvnetError, match=r"report.html cannot be written \(No such file or directory\)"):
        write_report(reproduction(), tmp_path / "gone" / "report.html")


# --- obtained beside recorded -------------------------------------------------------------------------------
def test_standard_errors_are_binomial():
    assert share(0.4, 50_000).error == pytest.approx(math.sqrt(0.4 * 0.6 / 50_000))
    assert share(0.0, 10).error == 0


def test_errors_and_cost_stand_beside_the_recorded_ones(reproduction, page):
    top5, top1, cost = reproduction().compared
    assert (top5.obtained.value, top1.obtained.value, cost.obtained.value) == (0.1, 0.25, 1.5)
    assert top1.obtained.error == pytest.approx(math.sqrt(0.25 * 0.75 / 40))
    assert (top5.recorded.value, top1.recorded.value, cost.recorded.value) == (0.1821, 0.40664, 1.741473)
    assert top1.recorded.error == pytest.approx(0.0022, abs=0.0001)
    assert cost.recorded.error is None  # eight classes do not say how the costs of a thousand spread
    assert "1.741 ±" not in page.text
    surprises = -np.log(reproduction().predictions.truth_probabilities)
    assert cost.obtained.error == pytest.approx(surprises.std() / math.sqrt(40), rel=1e-5)
    for words in ("10.00% ± 4.74%", "18.21% ± 0.17%", "25.00% ± 6.85%", "40.66% ± 0.22%", "1.500 ± "):
        assert words in page.text


def test_a_miniature_says_that_it_does_not_compare_and_why(reproduction, page):
    run = reproduction()
    assert run.reached is None
    assert run.differs == [
        "8 classes in place of 1,000",
        "32 images to learn from in place of 1,281,167",
        "40 test images in place of 50,000",
        "9 epochs in place of 90",
    ]
    assert "Run 145 of 2012, in miniature" in page.text
    assert "Not to be compared with the 18.2% of 2012, for it had 8 classes in place of 1,000." in page.text
    assert "The two columns cannot be compared." in page.text
    assert "Whoever guesses among 8 classes is wrong 37.5% of the time with five guesses" in page.text
    assert "Difference" not in page.text
    assert "All of 2012 at its speed: 5.2 days" in page.text


@pytest.mark.parametrize(
    ("top1", "top5", "reached"),
    [(0.255, 0.105, True), (0.245, 0.095, True), (0.25, 0.08, False), (0.27, 0.1, False)],
)
def test_both_errors_must_be_near_the_recorded_ones(reproduction, top1, top5, reached):
    run = reproduction(scale=None, like=True, recorded={"top1_error": top1, "top5_error": top5})
    assert run.differs == []
    assert run.reached is reached
    text = Page(render(run)).text
    assert ("✓ both errors within 1 point of 2012" if reached else "✗ not within 1 point of 2012") in text
    assert "cannot be compared" not in text
    assert "Difference" in text
    cost = run.compared[2]
    assert cost.recorded.error == cost.obtained.error  # of as many images
    assert re.search(r"1\.741 ± 0\.\d{3}", text)
    assert "Run 145 of 2012, again" in text


def test_a_few_unusable_images_do_not_keep_a_run_from_being_compared(reproduction):
    run = reproduction(scale=None, like=True)
    more = dataclasses.replace(run.experiment, train_images=33)
    assert dataclasses.replace(run, experiment=more).differs == ["32 images to learn from in place of 33"]

    class Large(RecordedReproduction):
        train_images = 1_281_000

    of_all = dataclasses.replace(run.experiment, train_images=1_281_167)
    fields = {f.name: getattr(run, f.name) for f in dataclasses.fields(run)}
    assert Large(**{**fields, "experiment": of_all}).differs == []


def test_five_guesses_among_five_classes_prove_nothing(reproduction, data):
    run = reproduction()
    few = dataclasses.replace(run.predictions, class_names=small_145.NAMES[:5])
    text = Page(render(dataclasses.replace(run, predictions=few))).text
    assert "With 5 classes five guesses cannot be wrong." in text


def test_a_standard_error_of_nothing_is_not_taken_for_certainty(reproduction, page):
    run = reproduction()
    assert "tells nothing" not in page.text
    cost = Cost(IMAGES, {"logprob": (1.5 * IMAGES, 10.0, 0.0)}, {"logprob": 1.0})
    flawless = dataclasses.replace(run.predictions, cost=cost)
    text = Page(render(dataclasses.replace(run, predictions=flawless))).text
    assert "It is 0 where none or all were wrong, and then tells nothing." in text


# --- the schedule as it happened ----------------------------------------------------------------------------
def test_the_schedule_is_told_from_the_metrics(reproduction):
    found = happened(reproduction(scale=None).metrics)
    assert [(change.epoch, change.lines) for change in found] == [
        (25, ("weights of all layers: 0.01 → 0.001",)),
        (51, ("weights of all layers: 0.001 → 0.0001",)),
        (
            67,
            (
                "weights of conv1a, conv1b: 0.0001 → 0.00001",
                "biases of conv1a, conv1b: 0.02 → 0.002",
                "colour noise: 0.1 → 0",
            ),
        ),
        (72, ("weights of conv1a, conv1b: 0.00001 → 0", "biases of conv1a, conv1b: 0.002 → 0")),
        (79, ("weights of all but conv1a, conv1b: 0.0001 → 0.00001",)),
    ]
    assert beginning(reproduction().metrics) == ("weights: 0.01", "biases: 0.02", "colour noise: 0.1")


def test_each_change_of_a_miniature_stands_beside_its_epoch_of_2012(reproduction, page):
    steps = schedule(reproduction())
    assert [(step.number, step.epoch, step.then) for step in steps] == [
        (1, 3, 25), (2, 6, 51), (3, 7, 67), (4, 8, 72), (5, 9, 79),
    ]  # fmt: skip
    assert "1 3 25 weights of all layers: 0.01 → 0.001" in page.text
    assert "10 91 stopped" in page.text


def test_a_smaller_minibatch_and_its_rates_are_told(reproduction, page):
    assert "times smaller than in 2012" not in page.text
    run = reproduction(images=100)
    text = Page(render(run)).text
    assert "All of 2012 at its speed" not in text  # for that is the speed of other steps
    assert "what the whole would take here, with 128 photographs in each, is told by alexnet2012" in text
    assert "With 8 photographs in a step in place of 128, every learning rate is 16 times smaller" in text
    assert "1 3 25 weights of all layers: 0.000625 → 0.0000625" in text


def test_a_change_that_did_not_happen_is_not_told(reproduction):
    run = reproduction()
    assert len(schedule(dataclasses.replace(run, metrics=run.metrics[:8]))) == 0
    assert happened([]) == []
    assert beginning([]) == ()


def test_every_change_has_its_number_in_both_curves(reproduction):
    text = render(reproduction())
    curves = re.findall(r"<svg role=\"img\" aria-label=\"The (?:cost|errors).*?</svg>", text, re.DOTALL)
    assert len(curves) == 2
    for svg in curves:
        words = re.findall(r">([^<>]+)</text>", svg)
        assert all(str(number) in words for number in range(1, 6))
        assert svg.count("stroke-dasharray") == 5


def test_a_run_whose_timings_were_lost_has_its_page(reproduction):
    run = reproduction()
    lost = [{name: v for name, v in record.items() if name != "seconds"} for record in run.metrics]
    some = dataclasses.replace(run, metrics=[*run.metrics[:4], *lost[4:]])
    assert some.images_per_second == run.images_per_second == 256
    assert some.train_seconds == 3 * 4 + 1
    for each in (some, dataclasses.replace(run, metrics=lost)):
        assert "The schedule as it happened" in render(each)


def test_epochs_are_marked_by_whole_numbers(reproduction):
    text = render(reproduction())
    for svg in re.findall(r"<svg role=\"img\" aria-label=\"The cost.*?</svg>", text, re.DOTALL):
        numbers = re.findall(r'id="cost-xtick_\d+">.*?>([^<>]+)</text>', svg, re.DOTALL)
        assert len(numbers) > 3
        assert all(number.isdecimal() for number in numbers)


def test_rates_are_told_without_powers_of_ten():
    values = (0.01, 1e-05, 0.0, 0.02, 0.0001, 1.0)
    assert [plain(float(np.float32(v))) for v in values] == ["0.01", "0.00001", "0", "0.02", "0.0001", "1"]


def test_a_curve_of_many_batches_is_thinned():
    line = Line("training", list(range(112_680)), [2.0 * x for x in range(112_680)])
    thin = line.thinned()
    assert len(thin.x) == len(thin.y) == POINTS
    assert np.allclose(np.array(thin.y), 2 * np.array(thin.x))
    assert thin.x[0] < 200
    assert thin.x[-1] > 112_400
    few = Line("test", [1, 2], [3, 4])
    assert few.thinned() is few


# --- the rest -----------------------------------------------------------------------------------------------
def test_the_best_and_the_worst_photographs_have_their_five_guesses(page):
    _, _, best = page.text.partition("Where it was surest, and right")
    best, _, worst = best.partition("Where it was most wrong")
    worst = worst.partition("The network: two columns")[0]
    assert len(re.findall(r"\d+%", best)) == 8 * 5
    assert len(re.findall(r"\d+%", worst)) == 8 * 5
    assert "tench" in page.text
    assert "Tinca tinca" not in page.text  # the first of its names is enough
    right = [a for tag, a in page.elements if tag == "li" and a.get("class") == "right"]
    assert len(right) == 8 + 4  # of the eight worst, four are among the five guesses


def test_the_speed_stands_beside_that_of_2012(page):
    assert "90 epochs of 1.28 million photographs took 5 to 6 days on two GTX 580." in page.text
    assert "here 256 per second 2012 220 to 270 per second" in page.text


def test_unusable_images_are_counted_among_the_facts(reproduction, data):
    assert "were unusable" not in Page(render(reproduction())).text
    damaged = copy.copy(data)
    damaged.meta = dataclasses.replace(data.meta, rejected={"train": (2, 0), "test": (1,)})
    assert "stripes; 3 were unusable" in Page(render(reproduction(data=damaged))).text


def test_the_comparison_of_the_arithmetic_is_there(reproduction, page):
    assert "All 2 lie within their bounds" in page.text
    without = reproduction(fidelity=None)
    assert without.holds is None
    assert "It is not installed here, so nothing was compared" in Page(render(without)).text
