"""The report: one page that needs nothing but itself, and says what was found."""

import re
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest

from alexnet2012 import experiments
from alexnet2012.predictions import Predictions
from alexnet2012.record.places import original_path
from alexnet2012.report import Reproduction, fidelity_table, render, write_report
from alexnet2012.report.beside_145 import beside_145
from alexnet2012.report.diagram import crossings, network_svg, place
from alexnet2012.report.pictures import filter_sheet
from cuda_convnet.config import read_network
from cuda_convnet.cost import Cost
from cuda_convnet.data.batches import Augmentation, BatchWriter, DatasetPlan
from cuda_convnet.recipe import TrainingRecipe

VOID = {"meta", "img", "br", "link", "input", "hr"}
IMAGES = 30
CLASSES = 10


def predictions(wrong=3):
    """30 images; the first `wrong` are taken for the next class, each more surely than the one before."""
    labels = (np.arange(IMAGES) % CLASSES).astype(np.int32)
    probabilities = np.full((CLASSES, IMAGES), 0.01, np.float32)
    probabilities[labels, np.arange(IMAGES)] = 0.91 - 0.01 * np.arange(IMAGES)
    for i in range(wrong):
        probabilities[:, i] = 0.01
        probabilities[labels[i], i] = 0.3 - 0.1 * i
        probabilities[(labels[i] + 1) % CLASSES, i] = 0.62 + 0.1 * i
    names = [f"digit {i}" for i in range(IMAGES)]
    class_names = [str(i) for i in range(CLASSES)]
    cost = Cost(IMAGES, {"logprob": (10.0, float(wrong), 0.0)}, {"logprob": 1.0})
    return Predictions.of(probabilities, labels, names, class_names, cost, 5)


def case(op, *, bitwise=True, used=0.0, ok=True, archive="ops.h5"):
    return {"archive": archive, "op": op, "case": "1", "output": "targets", "bitwise": bitwise, "max_ulp": 0,
            "max_rel": 0.0, "bound": "1e-6", "ok": ok, "used": used}  # fmt: skip


def fidelity(cases):
    counts = {
        "cases": len(cases),
        "bitwise": sum(c["bitwise"] for c in cases),
        "ok": sum(c["ok"] for c in cases),
    }
    return {"engine": "numpy", "machine": "a machine", "cases": cases, "summary": counts}


def metrics():
    records = []
    for epoch, rate in ((1, 0.02), (2, 0.02), (3, 0.002), (4, 0.0002)):
        costs = {"logprob": [2.0 / epoch, 0.5 / epoch, 0.2 / epoch]}
        for batch in (1, 2):
            record = {
                "kind": "train",
                "epoch": epoch,
                "batch": batch,
                "cases": 50,
                "costs": costs,
                "seconds": 1.5,
            }
            records.append(record | ({"rates": {"conv1a": [rate / 2, rate]}} if batch == 1 else {}))
        records.append(
            {"kind": "test", "epoch": epoch, "batch": 2, "cases": IMAGES, "costs": costs, "seconds": 0.5}
        )
    return records


@pytest.fixture(scope="module")
def spec():
    folder = experiments.path("digits")
    files = folder / "layers.cfg", folder / "params.cfg"
    return read_network(*files, data_dims={0: 256, 1: 1}, num_classes=10)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A batch folder with the images that the predictions are of, and 100 to learn from."""
    counts = {"train": (100,), "test": (20, 10)}
    plan = DatasetPlan(
        recipe={"source": "noise"},
        class_names=tuple(map(str, range(CLASSES))),
        image_shape=(1, 20, 20),
        counts=counts,
        augmentation=Augmentation(crop_border=2, crop_chunk=1, reflect=False),
    )
    random = np.random.RandomState(0)
    writer = BatchWriter(tmp_path_factory.mktemp("digits"), plan)
    for split, number in writer.unfinished():
        count = counts[split][number - 1]
        images = random.randint(0, 256, (count, 1, 20, 20)).astype(np.uint8)
        labels = (np.arange(count) % CLASSES).astype(np.int32)
        writer.write(split, number, images, labels, [f"digit {i}" for i in range(count)])
    return writer.finish()


@pytest.fixture(scope="module")
def reproduction(spec, digits):
    def make(**changes):
        filters = np.random.RandomState(1).randn(2, 1, 5, 5, 16).astype(np.float32)
        run = {
            "title": "A title <with> & signs",
            "spec": spec,
            "recipe": TrainingRecipe(epochs=4, minibatch=64, seed=11),
            "metrics": metrics(),
            "predictions": predictions(),
            "wanted": 0.9,
            "data": digits,
            "num_parameters": 185482,
            "first_filters": {"conv1a": filters[0], "conv1b": filters[1]},
            "fidelity": fidelity([case("conv_filter_acts", bitwise=False, used=0.25), case("pool_max")]),
            "engine": "numpy",
            "machine": "a machine",
            "run_folder": Path("runs/a"),
        }
        return Reproduction(**{**run, **changes})

    return make


@pytest.fixture(scope="module")
def text(reproduction):
    return render(reproduction())


class Page(HTMLParser):
    """Sees that every element is closed where it should be, and collects what a test asks for."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.elements = []
        self.words = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_is_well_formed_and_has_its_sections(text):
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert [h["id"] for h in page.all("h2")] == [
        "story", "network", "learning", "filters", "mistakes", "fidelity", "beside", "facts", "on",
    ]  # fmt: skip
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert "A title <with> & signs" in page.text


def test_the_page_needs_nothing_but_itself(text):
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed")
        for name in ("src", "href", "xlink:href", "data", "srcset", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    assert len(text.encode()) < 1_000_000


def test_every_reference_inside_the_page_has_its_target(text):
    page = Page(text)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    wanted = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"|aria-labelledby=\"([^\"]+)\"", text))
    assert wanted
    assert {name for names in wanted for name in names if name} <= ids


def test_every_picture_has_words_for_those_who_do_not_see_it(text):
    page = Page(text)
    assert len(page.all("img")) == 10 + 2 + 12
    assert all(len(attributes["alt"]) > 5 for attributes in page.all("img"))
    roots = [a for a in page.all("svg") if "viewbox" in a]
    assert len(roots) == 3
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for a in roots)


def test_the_page_follows_the_readers_colours_and_prints(text):
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert '<meta name="viewport" content="width=device-width' in text
    for colour in ("#010101", "#020202", "#030303", "#040404"):
        assert colour not in text


def test_the_result_stands_beside_what_was_wanted(reproduction, text):
    page = Page(text)
    assert "90.0% of 30 handwritten digits" in page.text
    assert "27 right, 3 wrong" in page.text
    assert "✓ wanted: at least 90%" in page.text
    assert "✗ not reached: wanted: at least 95%" in Page(render(reproduction(wanted=0.95))).text


def test_mistakes_come_first_and_the_worst_of_them_first(reproduction, text):
    found = predictions()
    assert found.hardest(5).tolist() == [2, 1, 0, 29, 28]
    page = Page(text)
    assert "read as 3 , 82% it is a 2, 10%" in page.text
    assert "The mistakes, then the digits it was least sure of" in page.text
    assert (
        "No mistakes: the digits it was least sure of"
        in Page(render(reproduction(predictions=predictions(0)))).text
    )
    assert "The worst mistakes" in Page(render(reproduction(predictions=predictions(14)))).text


def test_predictions_count_what_is_right(reproduction):
    found = predictions()
    assert (found.correct, found.accuracy) == (27, 0.9)
    confusion = found.confusion()
    assert confusion.sum() == IMAGES
    assert confusion.trace() == 27
    assert [confusion[i, i + 1] for i in range(3)] == [1, 1, 1]


def test_the_rate_drops_are_those_of_the_metrics(reproduction, text):
    assert reproduction().drops == [3, 4]
    assert text.count(">rate falls</text>") == 4
    assert reproduction(metrics=metrics()[:4]).drops == []


def test_fidelity_is_counted_by_kind_of_operation(reproduction, text):
    cases = [
        case("conv_filter_acts", bitwise=False, used=0.25),
        case("conv_img_acts", bitwise=False, used=0.5),
        case("pool_max"),
        case("something_new"),
        case("acts", archive="nets.h5", bitwise=False, used=2.0, ok=False),
        case("cost", archive="nets.h5", bitwise=False, used=None, ok=False),
    ]
    rows = {row.kind: row for row in fidelity_table.rows(cases)}
    assert list(rows) == ["Convolution", "Pooling", "Other operations", "Whole networks (nets.h5)"]
    convolution, networks = rows["Convolution"], rows["Whole networks (nets.h5)"]
    assert (convolution.compared, convolution.bitwise, convolution.used, convolution.failed) == (2, 0, 0.5, 0)
    assert (networks.compared, networks.used, networks.failed) == (2, 2.0, 2)
    page = Page(render(reproduction(fidelity=fidelity(cases))))
    assert "2 of 6 lie outside their bounds" in page.text
    assert "Outside the bound" in page.text
    assert "All 2 lie within their bounds; 1 are equal in every bit" in Page(text).text


def test_every_archived_operation_belongs_to_a_kind():
    with h5py.File(original_path() / "activations" / "ops.h5") as file:
        rows = fidelity_table.rows([case(op) for op in file])
        assert sum(row.compared for row in rows) == len(file)
    assert "Other operations" not in [row.kind for row in rows]


def test_a_reproduction_without_archives_says_so(reproduction):
    run = reproduction(fidelity=None)
    assert run.holds is None
    assert "It is not installed here, so nothing was compared" in Page(render(run)).text


def test_the_comparison_with_run_145_is_read_from_network_and_recipe(reproduction):
    lines = {line.what: line for line in beside_145(reproduction())}
    assert lines["Weights and biases"].ours == "185,482"
    assert lines["Images per step"].ours == "64"
    assert lines["Variety"].ours == "random crops, 16 of 20 pixels"
    assert lines["Learning rate"].ours == "0.01, falls by itself in epochs 3 and 4"
    assert lines["Test"].ours == "mean of five views"
    same = [what for what, line in lines.items() if not line.ours]
    assert same == [
        "Columns",
        "Layers with weights",
        "After the first convolution",
        "Dropout",
        "Momentum, weight decay",
    ]


def test_the_network_is_drawn_in_two_columns(spec):
    boxes = {box.layer.name: box for box in place(spec)}
    assert "labels" not in boxes
    assert not any(name.endswith("_neuron") for name in boxes)
    assert boxes["pool1a"].neuron == "relu"
    assert (boxes["conv1a"].column, boxes["conv1b"].column, boxes["fc10"].column) == (0, 1, None)
    assert boxes["conv4a"].column == 0
    assert len({box.row for box in boxes.values()}) == 19
    svg = network_svg(spec)
    assert svg.count('class="cross"') == len(crossings(list(boxes.values()))) == 6
    assert "exchange activations at conv3a, conv3b, fc64a, fc64b, fc64ba, fc64bb." in svg


def test_run_145_can_be_drawn_too():
    folder = experiments.path("145")
    files = folder / "layers.cfg", folder / "params.cfg"
    spec = read_network(*files, data_dims={0: 3 * 224 * 224, 1: 1}, num_classes=1000)
    svg = network_svg(spec)
    assert "224 × 224 pixels, 3 colours" in svg
    assert "48 filters 11 × 11, maps 55 × 55" in svg


def test_filters_are_scaled_around_grey():
    filters = np.zeros((1, 2, 2, 3), np.float32)
    filters[0, 0, 0] = [1.0, -1.0, 5.0]
    sheet = filter_sheet(filters, columns=2, scale=1.0)
    assert sheet.shape == (5, 5, 4)
    assert sheet[0, 0].tolist() == [255, 255, 255, 255]
    assert sheet[0, 3].tolist() == [0, 0, 0, 255]
    assert sheet[3, 0].tolist() == [255, 255, 255, 255]
    assert sheet[1, 1].tolist() == [128, 128, 128, 255]
    assert sheet[2, 2].tolist() == [0, 0, 0, 0]
    assert sheet[3:, 3:, 3].max() == 0


def test_filters_of_three_channels_keep_their_colours():
    filters = np.zeros((3, 1, 1, 1), np.float32)
    filters[:, 0, 0, 0] = [1, 0, -1]
    assert filter_sheet(filters, columns=1, scale=1.0)[0, 0].tolist() == [255, 128, 0, 255]


def test_the_page_is_written_whole(reproduction, tmp_path):
    write_report(reproduction(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
