"""The pages of the reading room say what the record, run 145, its launches and the engines' report hold."""

from collections import Counter
from math import prod

import pytest
from study_site import article, table, words

from alexnet2012.record.answers import FILE as ANSWERS
from alexnet2012.record.claim_numbers import archived, printed
from alexnet2012.record.claims import read_claims
from alexnet2012.record.crosswalk import STATUSES, read_crosswalk
from alexnet2012.record.notebook import read_notebook
from alexnet2012.record.notebook_text import change, percent, plain
from alexnet2012.record.places import original_path
from alexnet2012.study.fidelity import OUTPUTS, read_fidelity
from alexnet2012.study.formulas import mathml
from alexnet2012.study.launches import launches_of_run_145, run_145
from alexnet2012.study.markdown import headings, markdown
from alexnet2012.study.parts import read_parts
from alexnet2012.study.stages import stages_of_run_145
from cuda_convnet.config.specs import WeightLayerSpec

CASES = 128
SPEC = run_145()


@pytest.fixture(scope="module")
def stage_pages(pages):
    """Each stage of run 145 with its page."""
    return [(stage, pages[f"stages/{stage.slug}.html"].text) for stage in stages_of_run_145()]


@pytest.fixture(scope="module")
def part_pages(pages):
    """Each part with its page."""
    return [(part, pages[f"parts/{part.slug}.html"].text) for part in read_parts()]


@pytest.fixture(scope="module")
def report():
    return read_fidelity()


def said(text, root="../"):
    """The words of a text in Markdown."""
    return words(markdown(text, root))


def crossed(numbers):
    return " × ".join(map(str, numbers))


def counted(number):
    return f"{number:,}" if number else ""


def weights(layer):
    return sum(SPEC.own_weights(layer)) + layer.num_biases if isinstance(layer, WeightLayerSpec) else 0


def missing(texts, page):
    """Those of the texts that the page does not say."""
    told = words(page)
    return [text for text in texts if words(text) not in told]


def given(report, cases):
    """What each engine gave: of how many outputs every bit, and the largest difference of the others."""
    found = []
    for engine in report.engines:
        own = [case for case in cases if case["engine"] == engine]
        same = sum(case["bitwise"] for case in own)
        difference = "none" if same == len(own) else f"{max(case['max_rel'] for case in own):.1e}"
        found += [f"{same} of {len(own)}", difference]
    return found


def fidelity(page):
    """What a page says that each engine gave, without the shares of the bounds."""
    return {
        what: [cell.rstrip("*") for i, cell in enumerate(cells) if i % 3 != 2]
        for what, *cells in table(page, "Fidelity")
    }


# --- the network and its stages -----------------------------------------------------------------------------
def test_the_page_of_the_network_has_its_totals_and_every_stage(pages):
    texts = [
        "weights and biases 60,965,224",
        f"an image {sum(layer.multiply_adds for layer in SPEC):,}",
        f"launches of kernels in a step {len(launches_of_run_145())}",
        *(stage.title for stage in stages_of_run_145()),
    ]
    assert missing(texts, pages["network.html"].text) == []


def test_the_page_of_a_stage_has_its_text_and_the_shapes_of_its_layers(stage_pages):
    for stage, page in stage_pages:
        assert said(stage.words.text) in words(page), stage.slug
        found = table(page, "Shapes")
        assert [row[0] for row in found] == [layer.name for layer in stage.layers]
        for row, layer in zip(found, stage.layers, strict=True):
            shape = SPEC.shapes[layer.name]
            assert row[2:] == [
                ", ".join(layer.inputs) or "–",
                crossed(shape),
                f"{prod(shape):,}",
                f"{4 * prod(shape) * CASES / 1e6:.1f}",
                counted(weights(layer)),
                counted(layer.multiply_adds),
            ]


def test_the_page_of_a_stage_has_every_launch_of_its_first_layer_and_how_often(stage_pages):
    for stage, page in stage_pages:
        names = (stage.slug, f"{stage.slug}_neuron")
        times = Counter(launched for launched in launches_of_run_145() if launched.layer in names)
        assert table(page, "Launches") == [
            [it.during, it.launch.instance, crossed(it.launch.grid), crossed(it.launch.block), str(count)]
            for it, count in times.items()
        ], stage.slug


def test_the_page_of_a_stage_has_what_the_engines_gave_of_each_output(stage_pages, report):
    for stage, page in stage_pages:
        expected = {}
        for layer in stage.layers:
            for case in report.cases:
                if case["archive"] == "alexnet145.h5" and case["output"].split("/")[0] == layer.name:
                    expected.setdefault(f"{layer.name} {OUTPUTS[case['op']]}", []).append(case)
        assert fidelity(page) == {what: given(report, cases) for what, cases in expected.items()}, stage.slug


def test_the_page_of_a_stage_has_its_rates_its_mathematics_and_what_explains_it(stage_pages):
    for stage, page in stage_pages:
        layer = stage.layers[0]
        if isinstance(layer, WeightLayerSpec):
            rates = (
                f"epsW {layer.eps_w[0]:g} epsB {layer.eps_b:g} momW {layer.mom_w[0]:g} momB {layer.mom_b:g}"
            )
            assert rates in words(page), stage.slug
        explaining = [part for part in read_parts() if stage.types & set(part.types)]
        assert explaining
        for part in explaining:
            assert f'<a href="../parts/{part.slug}.html">{part.title}</a>' in page, stage.slug
            assert part.group != "layers" or mathml(part.formulas[0].tex) in page, stage.slug


def test_the_page_of_a_stage_has_its_sections_of_both_files_on_both_sides(stage_pages):
    for stage, page in stage_pages:
        told = {"layers-145": stage.words.cfg, "layer-params-145": stage.words.params}
        pairs = [(file, lines) for file, lines in told.items() if lines]
        assert page.count("<article") == len(pairs)
        for i, (file, (first, last)) in enumerate(pairs, 1):
            pair = article(page, f"pair-{i}")
            lines = [f"layers/{file}.cfg line {n} of the stand-in" for n in range(first, last + 1)]
            assert missing(lines, pair) == [], stage.slug
            assert words(pair).count(f"[{stage.slug}]") == 3  # above both sides, and in ours


# --- the parts ----------------------------------------------------------------------------------------------
def test_the_page_of_a_part_has_its_texts_its_mathematics_and_its_pairs(part_pages):
    for part, page in part_pages:
        texts = [part.lead, part.text, part.changed, *(formula.says for formula in part.formulas)]
        assert missing(map(said, texts), page) == [], part.slug
        assert [each.tex for each in part.formulas if mathml(each.tex) not in page] == []
        assert page.count("<article") == len(part.pairs)
        for i, pair in enumerate(part.pairs, 1):
            assert said(pair.text) in words(article(page, f"pair-{i}")), part.slug


def test_the_page_of_a_part_has_the_picture_of_each_launch_and_says_which_it_is(part_pages):
    for part, page in part_pages:
        figures = page.split('<figure class="launch">')[1:]
        assert len(figures) == page.count('class="grid"') == len(part.grids)
        for grid, figure in zip(part.grids, figures, strict=True):
            threads = crossed(axis.count for axis in reversed(grid.block))
            texts = [f"{grid.kernel} in {grid.layer}", said(grid.says)]
            if grid.layer:
                texts += [f"{grid.layer} of run 145, 128 images: grid ", f"block {threads}"]
            else:
                blocks = prod(axis.count for axis in grid.axes)
                texts += [f"{grid.case}: {blocks:,} blocks of {threads} threads"]
            assert missing(texts, figure) == [], part.slug


def test_the_page_of_a_kernel_has_its_launches_each_with_all_layers_that_make_it(part_pages):
    for part, page in part_pages:
        expected = {}
        for it in launches_of_run_145():
            if it.launch.file == f"{part.slug}.cu":
                expected.setdefault((it.during, it.launch), {})[it.layer] = None
        assert table(page, "Launches in a step of run 145") == [
            [", ".join(layers), during, launch.instance, crossed(launch.grid), crossed(launch.block)]
            for (during, launch), layers in expected.items()
        ], part.slug


def test_the_page_of_a_part_has_the_shapes_of_the_layers_that_it_is_about(part_pages):
    for part, page in part_pages:
        about = {layer.name for layer in SPEC if layer.type in part.types}
        if not part.types:
            passes = ("forward", "backward")
            computed = [it for it in launches_of_run_145() if it.during in passes]
            about = {it.layer for it in computed if it.launch.file == f"{part.slug}.cu"}
        found = table(page, "Shapes in run 145")
        assert {row[0] for row in found} == about - {"labels"}, part.slug
        for name, _, inputs, shape, owned, multiply_adds in found:
            layer = SPEC[name]
            assert [inputs, shape] == [", ".join(layer.inputs), crossed(SPEC.shapes[name])]
            assert [owned, multiply_adds] == [counted(weights(layer)), counted(layer.multiply_adds)]


def test_the_page_of_a_part_has_what_the_engines_gave_of_its_operations(part_pages, report):
    for part, page in part_pages:
        expected = {name: [case for case in report.cases if case["op"] == name] for name in part.operations}
        assert fidelity(page) == {
            OUTPUTS.get(name, name): given(report, cases) for name, cases in expected.items() if cases
        }, part.slug


def test_the_lists_have_every_part_with_its_lead(pages):
    for part in read_parts():
        page = words(pages["kernels.html" if part.group == "kernels" else "parts.html"].text)
        assert f"{part.title} {said(part.lead, '')}" in page


# --- the record ---------------------------------------------------------------------------------------------
def test_the_notebook_tells_all_of_every_run(pages):
    notebook = read_notebook()
    for run in notebook:
        texts = [run.id, run.changes, run.dataset, run.network, run.checkpoint, run.verdict, run.ended]
        texts += [*run.machines, *run.logs, run.based_on, run.continues, run.initialised_from]
        texts += [f"{run.started:%Y-%m-%d %H:%M}"] if run.started else []
        texts += map(change, run.schedule)
        for error in run.errors:
            results = {"top-1": error.top1, "top-5": error.top5, "logprob": error.logprob}
            texts += [f"{name} {plain(value)}" for name, value in results.items() if value is not None]
            texts.append(error.note)
        texts += [each.id for each in notebook if run.id in (each.based_on, each.continues)]
        texts += [f"{place.file}:{place.first}" for place in run.told_in]
        assert missing(texts, article(pages["notebook.html"].text, f"run-{run.id}")) == [], run.id


def test_the_notebook_has_a_row_for_every_run_and_two_drawings(pages):
    page, notebook = pages["notebook.html"].text, read_notebook()
    found = table(page, "All runs")
    assert [row[0] for row in found] == [run.id for run in notebook]
    for row, run in zip(found, notebook, strict=True):
        best = run.best("top1")
        assert row[2] == run.dataset
        assert best is None or row[-3] == percent(best.top1)
    assert page.count("<svg") == 2


def test_the_ledger_tells_all_of_every_claim(pages):
    for claim in read_claims():
        texts = [claim.says, claim.status, f"section {claim.section}", claim.agrees[1:]]
        texts += [text for text in (claim.by, claim.takes) if text]
        texts += [f"Paper: {printed(claim.numbers)}."] if claim.numbers else []
        texts += [f"Archived: {archived(claim.archived)}"] if claim.archived else []
        texts += [f"; run {claim.against.run}: {archived(claim.against.numbers)}."] if claim.against else []
        texts += [f"run {claim.run}"] if claim.run else []
        texts += [str(claim.told_in)] if claim.told_in else []
        assert missing(texts, article(pages["claims.html"].text, claim.id)) == [], claim.id


def test_the_ledger_writes_numbers_as_the_paper_and_the_release_do(pages):
    page = pages["claims.html"].text
    told = words(article(page, "two-gpus-gain"))
    assert "Paper: 1.7%, 1.2%. Archived: " in told
    assert "0.391680, 0.182287; run 145-2010: " in told
    assert "Paper: classes 1,000, validation 50,000, test 150,000." in words(article(page, "contest-images"))


def test_the_ledger_counts_its_claims_by_status(pages):
    counts = Counter(claim.status for claim in read_claims())
    facts = pages["claims.html"].text.partition('<dl class="facts">')[2].partition("</dl>")[0]
    assert missing([f"{status} {count}" for status, count in counts.items()], facts) == []


def test_the_answers_are_those_of_the_record_and_are_listed(pages):
    opening, _, rest = (original_path() / ANSWERS).read_text(encoding="utf-8").partition("\n## ")
    page = pages["answers.html"].text
    contents = page.partition('<ul class="toc">')[2].partition("</ul>")[0]
    assert missing([said(opening, ""), said(f"## {rest}", "")], page) == []
    assert words(contents) == " ".join(said(title, "") for title in headings(rest, level=3))


def test_the_page_of_a_file_says_of_every_symbol_what_became_of_it(pages):
    by_file = {}
    for row in read_crosswalk():
        lines = f"{row.line}" if row.line == row.end else f"{row.line}–{row.end}"
        told = [row.qualified, lines, row.status, " ".join(row.symbols) or row.where, said(row.note)]
        by_file.setdefault((row.release, row.path), []).append(told)
    for (release, path), expected in by_file.items():
        page = pages[f"crosswalk/{release}/{path.replace('/', '-')}.html"].text
        assert sorted(table(page, f"Symbols of {path}")) == sorted(expected)


def test_the_crosswalk_counts_the_symbols_of_every_file_by_status(pages):
    counts, page = Counter(), pages["crosswalk/index.html"].text
    for row in read_crosswalk():
        counts[row.release, row.path, row.status] += 1
        counts[row.release, "all", row.status] += 1
    for release in ("alexnet", "cuda-convnet"):
        found = {row[0]: row[1:] for row in table(page, f"Files of {release}")}
        assert set(found) == {path for of, path, _ in counts if of == release}
        for path, numbers in found.items():
            expected = [counts[release, path, status] for status in STATUSES]
            assert [int(number.replace(",", "") or 0) for number in numbers] == expected


def test_the_first_page_counts_what_there_is(pages):
    kernels = sum(part.group == "kernels" for part in read_parts())
    texts = [
        f"{len(stages_of_run_145())} stages, {SPEC.num_parameters:,} weights",
        f"{len(read_parts()) - kernels} parts",
        f"{kernels} files of CUDA",
        f"{len(list(read_notebook()))} runs",
        f"{len(read_claims())} claims",
        f"{len(read_crosswalk()):,} symbols",
        "three releases of the original are on this machine",
    ]
    assert missing(texts, pages["index.html"].text) == []
