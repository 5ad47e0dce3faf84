"""The reading room in a browser: search, keys, sides that end together, dark, light, a phone, print."""

import base64
import json
import os
import tempfile
import threading

import pytest

from alexnet2012.study.server import make_server

pytestmark = pytest.mark.browser

WIDE, PHONE = (1400, 900), (360, 740)
KINDS = (
    "index.html",
    "network.html",
    "parts.html",
    "kernels.html",
    "parts/filter_acts.html",
    "parts/conv_layer.html",
    "parts/update.html",
    "stages/conv2a.html",
    "notebook.html",
    "claims.html",
    "answers.html",
    "crosswalk/index.html",
    "crosswalk/alexnet/src-layer.cu.html",
)
"""A page of each kind."""
LONG = "parts/filter_acts.html"


@pytest.fixture(scope="module")
def address(study):
    """The address of the site, which is served."""
    with make_server(study[0], 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium(browser_programs):
    """Chromium without a window or a proxy, at home in a folder that goes away with it.

    The folder's path is short: Chromium binds a socket there, whose path may have 107 letters.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = browser_programs
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-proxy-server"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with (
        tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as home,
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")  # of the driver, which Selenium asks by HTTP
        places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
        service = Service(driver, env=os.environ | dict.fromkeys(places, home))
        browser = webdriver.Chrome(options=options, service=service)
        yield browser
        browser.quit()


@pytest.fixture
def browser(chromium):
    """The same as each test finds it: wide, light, without motion."""
    look(chromium, WIDE)
    chromium.get_log("browser")
    return chromium


def look(browser, size, scheme="light"):
    """Give the browser a window's size and a colour scheme; without motion, so that tests need not wait."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": name, "value": value} for name, value in features.items()]},
    )


def wait(browser, script, *arguments):
    """Wait until a script gives something true, and give it."""
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 10, 0.05).until(lambda b: b.execute_script(f"return {script}", *arguments))


def press(browser, *keys):
    """Type into whatever has the focus."""
    from selenium.webdriver import ActionChains

    actions = ActionChains(browser)
    for key in keys:
        actions.send_keys(key)
    actions.perform()


def test_no_page_has_an_error_on_its_console(browser, address):
    for page in KINDS:
        browser.get(address + page)
        assert browser.get_log("browser") == [], page


def test_an_error_on_the_console_would_be_seen(browser, address):
    browser.get(address)
    browser.execute_script("setTimeout(() => { throw new Error('planted') })")
    assert wait(browser, "true")
    assert any("planted" in entry["message"] for entry in browser.get_log("browser"))


def faults(browser, **options):
    """The rules of accessibility that the page breaks, each with the first element that does."""
    from axe_core_python.selenium import Axe

    found = Axe().run(browser, options=json.dumps({"resultTypes": ["violations"], **options}))
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]]


LOOKS = """
const told = new Set(['class', 'style', 'fill', 'role', 'hidden', 'tabindex']);
const words = (e) => [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
const marks = (e) => [...e.attributes].map((a) => told.has(a.name) ? `${a.name}=${a.value}` : a.name);
const own = (e) => [e.tagName, ...marks(e), words(e)].join(' ');
const kinds = (e) => [...new Set([e, ...e.querySelectorAll('*')].map(own))].sort();
"""
"""What an element looks like, apart from its words and where it leads; all looks that there are in one."""

THIN = """
for (const parent of document.querySelectorAll('main, main *')) {
    const alike = Map.groupBy(parent.children, (child) => kinds(child).join());
    for (const some of alike.values()) some.slice(1, -1).forEach((child) => child.remove());
}
"""
"""Leaves the first and the last of neighbours that hold the same looks, such as the rows of a table."""


def test_whole_pages_are_built_accessibly_on_a_phone_where_most_has_to_scroll(browser, address):
    look(browser, PHONE)
    for page in KINDS:
        browser.get(address + page)
        assert faults(browser, rules={"color-contrast": {"enabled": False}}) == [], page


def test_pages_are_accessible_in_every_colour_and_width(browser, address):
    for page in KINDS:
        look(browser, WIDE)
        browser.get(address + page)
        there = browser.execute_script(f"{LOOKS} return kinds(document.body)")
        browser.execute_script(LOOKS + THIN)
        assert browser.execute_script(f"{LOOKS} return kinds(document.body)") == there
        assert faults(browser) == [], page
        for size, scheme in ((WIDE, "dark"), (PHONE, "light")):
            look(browser, size, scheme)
            assert faults(browser, runOnly=["color-contrast"]) == [], (page, size, scheme)


def test_the_accessibility_check_finds_a_planted_fault(browser, address):
    browser.get(address)
    browser.execute_script("document.querySelector('#search').removeAttribute('aria-label')")
    browser.execute_script("document.querySelector('#search').removeAttribute('placeholder')")
    assert [rule for rule, _ in faults(browser)] == ["label"]


def test_a_faint_word_among_many_that_look_alike_is_found_in_the_scheme_where_it_is_faint(browser, address):
    browser.get(address + "crosswalk/alexnet/src-layer.cu.html")
    browser.execute_script(
        "const style = document.head.appendChild(document.createElement('style'));"
        "style.textContent = '@media (prefers-color-scheme: dark) { .faint { color: #333 } }';"
        "const names = document.querySelectorAll('tbody code:not(:empty)');"
        "names[Math.floor(names.length / 2)].className = 'faint';"
    )
    browser.execute_script(LOOKS + THIN)
    assert browser.execute_script("return document.querySelectorAll('tbody tr').length") < 20
    assert faults(browser) == []
    look(browser, WIDE, "dark")
    ((rule, element),) = faults(browser)
    assert (rule, 'class="faint"' in element) == ("color-contrast", True)


def test_a_slash_and_a_name_lead_to_the_symbol_beside_the_port(browser, address):
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    press(browser, "/", "convlayer::fpropacts")
    wait(
        browser,
        "document.querySelector('#found [aria-selected=true]')?.textContent.includes('ConvLayer::fpropActs')",
    )
    press(browser, Keys.ENTER)
    wait(browser, "document.querySelector('.pair:target')")
    assert browser.execute_script(
        "return document.querySelector('.pair:target .original .symbol').textContent.includes('fpropActs')"
    )
    top = browser.execute_script("return document.querySelector('.pair:target').getBoundingClientRect().top")
    assert 0 <= top < WIDE[1] / 2


def test_the_search_finds_ports_kernels_layers_runs_and_claims(browser, address):
    browser.get(address)
    press(browser, "/")
    for typed, place in {
        "ConvNet.train_minibatch": "cuda_convnet.network",
        "filterActs": "kernels/filter_acts.cu",
        "conv2a": "layer of run 145",
        "run 146-2012-2011": "lab notebook",
        "60 million": "claim of the paper",
    }.items():
        browser.execute_script(
            "search.value = arguments[0]; search.dispatchEvent(new Event('input'))",
            typed,
        )
        wait(browser, "document.querySelector('#found').textContent.includes(arguments[0])", place)


def test_what_is_called_by_no_name_is_told(browser, address):
    browser.get(address)
    press(browser, "/", "qqqq")
    wait(browser, "document.querySelector('#found').textContent === 'Nothing is called so'")


def test_only_a_plain_click_follows_what_was_found(browser, address):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    browser.get(address)
    press(browser, "/", "conv2a")
    wait(browser, "document.querySelectorAll('#found [data-href]').length")
    found = browser.find_element(By.CSS_SELECTOR, "#found [data-href]")
    ActionChains(browser).context_click(found).perform()
    assert browser.current_url == address
    press(browser, "\ue00c")  # escape closes what the right click opened
    press(browser, "/", "conv2a")
    wait(browser, "document.querySelectorAll('#found [data-href]').length")
    browser.find_element(By.CSS_SELECTOR, "#found [data-href]").click()
    wait(browser, "location.pathname.startsWith('/stages/conv2a')")


def test_arrows_choose_and_escape_leaves_the_search(browser, address):
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    press(browser, "/", "fprop")
    wait(browser, "document.querySelectorAll('#found [data-href]').length > 2")
    press(browser, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    chosen = "document.querySelector('#search').getAttribute('aria-activedescendant')"
    assert browser.execute_script(f"return {chosen}") == "found-1"
    press(browser, Keys.ESCAPE)
    assert browser.execute_script("return document.querySelector('#found').hidden")
    assert browser.execute_script("return document.activeElement.id") != "search"


SIDES = """
const row = document.querySelectorAll('.sides')[arguments[0]];
const top = document.querySelector('.heads').getBoundingClientRect().bottom;
const slides = [...row.querySelectorAll('.slide')].map((slide) => slide.getBoundingClientRect());
return { top, row: row.getBoundingClientRect().toJSON(), slides: slides.map((slide) => slide.toJSON()) };
"""


def longest_row(browser):
    """The place of the tallest pair, which is taller than the window, with sides of different heights."""
    heights = browser.execute_script(
        "return [...document.querySelectorAll('.sides')].map((row) => row.offsetHeight)"
    )
    tallest = heights.index(max(heights))
    assert heights[tallest] > 1.5 * WIDE[1]
    return tallest


def scroll_through(browser, row, share):
    """Scroll so that the pair has passed by that share: 0 at its beginning, 1 at its end."""
    found = browser.execute_script(SIDES, row)
    browser.execute_script("scrollBy(0, arguments[0])", found["row"]["top"] - 100)
    found = browser.execute_script(SIDES, row)
    through = found["row"]["height"] - (WIDE[1] - found["top"])
    browser.execute_script("scrollBy(0, arguments[0])", found["row"]["top"] - found["top"] + share * through)
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    return browser.execute_script(SIDES, row)


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 1])
def test_both_sides_of_a_long_pair_scroll_from_their_beginnings_to_their_ends_together(
    browser, address, share
):
    browser.get(address + LONG)
    found = scroll_through(browser, longest_row(browser), share)
    window = WIDE[1] - found["top"]
    for slide in found["slides"]:
        passed = (found["top"] - slide["top"]) / (slide["height"] - window)
        assert passed == pytest.approx(share, abs=0.01)
    heights = [slide["height"] for slide in found["slides"]]
    assert max(heights) > 1.1 * min(heights)


def test_on_a_phone_the_sides_stand_one_below_the_other_and_do_not_slide(browser, address):
    look(browser, PHONE)
    browser.get(address + LONG)
    browser.execute_script("document.querySelectorAll('.sides')[0].scrollIntoView()")
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    original, port = browser.execute_script(
        "return [...document.querySelector('.sides').children].map((s) => s.getBoundingClientRect().toJSON())"
    )
    assert port["top"] >= original["bottom"]
    assert browser.execute_script(
        "return [...document.querySelectorAll('.slide')].every((slide) => !slide.style.transform)"
    )


@pytest.mark.parametrize("size", [PHONE, (768, 1024), WIDE])
def test_no_page_is_wider_than_the_window(browser, address, size):
    look(browser, size)
    for page in KINDS:
        browser.get(address + page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= size[0], page


def test_j_and_k_step_from_pair_to_pair_and_arrows_turn_pages(browser, address):
    from selenium.webdriver.common.keys import Keys

    browser.get(address + LONG)
    tops = (
        "[...document.querySelectorAll('.pair')].map((pair) => Math.round(pair.getBoundingClientRect().top))"
    )
    line = browser.execute_script(
        "return parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop)"
    )
    press(browser, "j")
    wait(browser, f"Math.abs({tops}[0] - {line}) < 3")
    press(browser, "j")
    wait(browser, f"Math.abs({tops}[1] - {line}) < 3")
    press(browser, "k")
    wait(browser, f"Math.abs({tops}[0] - {line}) < 3")
    after = browser.execute_script("return document.querySelector('.turn [rel=next]').href")
    press(browser, Keys.ARROW_RIGHT)
    wait(browser, "location.href === arguments[0]", after)
    press(browser, Keys.ARROW_LEFT)
    wait(browser, "location.href === arguments[0]", address + LONG)


def test_keys_pressed_one_upon_the_other_all_count(browser, address):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})  # with motion, if there is any
    browser.get(address + LONG)
    press(browser, "jjj")
    line = browser.execute_script(
        "return parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop)"
    )
    wait(browser, f"Math.abs(document.querySelectorAll('.pair')[2].getBoundingClientRect().top - {line}) < 3")


@pytest.mark.parametrize("width", [840, 1024, 1165, 1400])
def test_nothing_that_sticks_covers_another_or_what_a_link_leads_to(browser, address, width):
    look(browser, (width, 900))
    browser.get(address + LONG + "#pair-1")
    wait(browser, "document.querySelector('.pair:target').getBoundingClientRect().top > 0")
    top, heads, pair = browser.execute_script(
        "const box = (name) => document.querySelector(name).getBoundingClientRect().toJSON();"
        "return ['.top', '.heads', '.pair:target'].map(box)"
    )
    assert heads["top"] >= top["bottom"] - 1
    assert pair["top"] >= top["bottom"]


def test_the_first_tab_leads_past_the_rooms_to_the_text(browser, address):
    from selenium.webdriver.common.keys import Keys

    browser.get(address)
    press(browser, Keys.TAB)
    assert browser.execute_script("return document.activeElement.textContent") == "Skip to the text"
    press(browser, Keys.ENTER)
    assert browser.execute_script("return location.hash") == "#main"


def test_a_layer_in_the_picture_leads_to_its_page(browser, address):
    browser.get(address + "network.html")
    browser.execute_script(
        "[...document.querySelectorAll('.network a')].find((a) => a.textContent.startsWith('conv3b'))"
        ".dispatchEvent(new MouseEvent('click', { bubbles: true }))"
    )
    wait(browser, "document.querySelector('h1').textContent.includes('conv3a and conv3b')")


def test_dark_and_light_are_different_colours(browser, address):
    browser.get(address)
    colours = []
    for scheme in ("light", "dark"):
        look(browser, WIDE, scheme)
        colours.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(252, 251, 248)", "rgb(22, 24, 27)"]


def test_a_page_prints_without_the_rooms_and_side_by_side_on_upright_paper(browser, address):
    look(browser, (720, 1000))
    browser.get(address + LONG)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    assert browser.execute_script(style, ".top", "display") == "none"
    assert len(browser.execute_script(style, ".sides", "gridTemplateColumns").split()) == 2
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_line_of_code_is_cut_off(browser, address):
    lines = "[...document.querySelectorAll('.code i')]"
    for size in (PHONE, WIDE):
        look(browser, size)
        browser.get(address + LONG)
        cut = browser.execute_script(f"return {lines}.filter((i) => i.scrollWidth > i.clientWidth).length")
        assert cut == 0


def test_without_scripts_there_is_no_search_that_does_nothing(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(address)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.execute_script("return document.querySelector('.search').offsetHeight") == 0


def test_the_site_works_from_the_disk_without_a_server(browser, study):
    browser.get((study[0] / "index.html").as_uri())
    press(browser, "/", "convlayer::fpropacts")
    wait(browser, "document.querySelectorAll('#found [data-href]').length > 0")
    assert browser.get_log("browser") == []
