"""Our texts, written in Markdown, as HTML.

Links may lead to pages of the reading room: `part:filter_acts`, `stage:conv1a`, `run:145`, `claim:ID`,
`answer:HEADING`.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from alexnet2012.record.answers import anchor
from cuda_convnet.errors import DataError

PAGES = {
    "part": "parts/{}.html",
    "stage": "stages/{}.html",
    "run": "notebook.html#run-{}",
    "claim": "claims.html#{}",
    "answer": "answers.html#{}",
}
"""Where the links of each kind lead, from the site's first page."""


def markdown(text: str, root: str, *, inline: bool = False) -> str:
    """The text as HTML; `root` leads from its page to the first one. Raises DataError for a bad link."""
    render = _parser().renderInline if inline else _parser().render
    html: str = render(text, {"root": root})
    return html


def headings(text: str, level: int) -> list[str]:
    """The headings of a level, in order."""
    tokens = _parser().parse(text)
    return [
        after.content
        for token, after in pairwise(tokens)
        if token.type == "heading_open" and token.tag == f"h{level}"
    ]


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("table_open", _table)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _link(self: Any, tokens: Any, index: int, options: Any, env: dict[str, str]) -> str:
    href = str(tokens[index].attrGet("href"))
    kind, colon, name = href.partition(":")
    if colon and kind in PAGES:
        tokens[index].attrSet("href", env["root"] + PAGES[kind].format(name))
    elif not href.startswith(("https://", "#")):
        raise DataError(f"link to {href}: must begin with https:// or one of {', '.join(PAGES)} and a colon")
    result: str = self.renderToken(tokens, index, options, env)
    return result


def _heading(self: Any, tokens: Any, index: int, options: Any, env: dict[str, str]) -> str:
    tokens[index].attrSet("id", anchor(tokens[index + 1].content))
    result: str = self.renderToken(tokens, index, options, env)
    return result


def _table(*_: Any) -> str:
    return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'
