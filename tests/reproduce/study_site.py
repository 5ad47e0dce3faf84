"""The reading room as tests build it, and what they read of its pages."""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

from alexnet2012.record.manifest import read_manifest
from alexnet2012.study import site
from alexnet2012.study.fidelity import read_fidelity

WITHOUT_TEXT = 100
"""Lines of a file that is no text, such as a picture."""


def stand_in(folder):
    """The releases with a numbered line in the place of each line: nothing of theirs is needed for tests."""
    for release in ("alexnet", "cuda-convnet", "cuda-convnet2"):
        for path, entry in read_manifest(release).items():
            file = folder / release / path
            file.parent.mkdir(parents=True, exist_ok=True)
            count = (entry.lines or WITHOUT_TEXT) + 1
            file.write_text("".join(f"{path} line {n} of the stand-in;\n" for n in range(1, count + 1)))
    return folder


def build(out, monkeypatch, releases=None):
    """A built site; `releases` is the folder of those that count as fetched."""
    monkeypatch.setattr(site, "fetched", lambda name, cache: releases / name if releases else None)
    return site.build(out, read_fidelity())


@dataclass
class Page(HTMLParser):
    """What is in a page: ids, links, what it loads, headings, and the text."""

    text: str
    ids: list = field(default_factory=list)
    links: list = field(default_factory=list)
    loaded: list = field(default_factory=list)
    tags: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        elif tag == "link":
            self.loaded.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])

    def all(self, tag):
        """The attributes of every element of that kind."""
        return [attributes for name, attributes in self.tags if name == tag]


def words(html):
    """The text of a piece of a page, with single spaces."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


def table(page, label):
    """The words of each cell of each row, but for the head, of the table of that label; none without it."""
    body = page.partition(f'aria-label="{label}">')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    cells = (re.findall("<t[hd]\\b.*?</t[hd]>", row, re.DOTALL) for row in body.split("<tr")[1:])
    return [list(map(words, row)) for row in cells]


def article(page, anchor):
    """The article of a page that has that id."""
    (found,) = re.findall(f'<article[^>]* id="{re.escape(anchor)}".*?</article>', page, re.DOTALL)
    return found


def read_pages(folder):
    """Every page of a site by its address."""
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.html"))
    }


def lost_links(pages):
    """The links inside the site that lead to no page, or to no place in one."""
    lost = []
    for address, page in pages.items():
        for link in page.links:
            if link.startswith("https://"):
                continue
            target, anchor = urldefrag(urljoin(f"/{address}", link))
            found = pages.get(target.removeprefix("/"))
            if found is None or (anchor and anchor not in found.ids):
                lost.append((address, link))
    return lost
