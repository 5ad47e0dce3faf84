"""The pages of the record: notebook, claims, answers, crosswalk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from alexnet2012.record import answers
from alexnet2012.record.claims import count_statuses
from alexnet2012.record.crosswalk import STATUSES, Row
from alexnet2012.record.notebook_pictures import errors_svg, tree_svg
from alexnet2012.record.places import original_path
from alexnet2012.study.claims_page import claims_for_page
from alexnet2012.study.markdown import headings, markdown
from alexnet2012.study.notebook_page import runs_for_page
from alexnet2012.study.room import ReadingRoom, crosswalk_page, page


def record_pages(room: ReadingRoom) -> Iterator[tuple[str, str]]:
    """Every page of the record. Those of the crosswalk lead to the parts, which must be made before."""
    releases = room.originals.releases
    yield (
        "notebook.html",
        page(
            "notebook",
            "notebook.html",
            "The lab notebook",
            runs=runs_for_page(room.notebook, releases["alexnet"]),
            errors=errors_svg(room.notebook),
            tree=tree_svg(room.notebook),
        ),
    )
    yield (
        "claims.html",
        page(
            "claims",
            "claims.html",
            "The claims of the paper",
            claims=claims_for_page(room.claims, releases, room.notebook),
            counts=count_statuses(room.claims),
        ),
    )
    yield "answers.html", _answers()
    by_file: dict[tuple[str, str], list[Row]] = {}
    for row in room.rows:
        by_file.setdefault((row.release, row.path), []).append(row)
    yield "crosswalk/index.html", _crosswalk(room, by_file)
    for (release, path), rows in by_file.items():
        yield crosswalk_page(release, path), _file(room, release, path, rows)


def _answers() -> str:
    opening, _, rest = (original_path() / answers.FILE).read_text(encoding="utf-8").partition("\n## ")
    return page(
        "answers",
        "answers.html",
        "The source answers",
        opening=markdown(opening, ""),
        answers=[
            (markdown(title, "", inline=True), answers.anchor(title)) for title in headings(rest, level=3)
        ],
        text=markdown(f"## {rest}", ""),
    )


def _crosswalk(room: ReadingRoom, by_file: dict[tuple[str, str], list[Row]]) -> str:
    """The files of each release that have symbols in the crosswalk, and what became of these."""
    releases = []
    for release in room.originals.releases.values():
        files = {path: rows for (name, path), rows in by_file.items() if name == release.id}
        told = f"{release.what} [{release.repository.removeprefix('https://')}]({release.home})"
        releases.append(
            {
                "release": release,
                "told": markdown(told, "../", inline=True),
                "files": [
                    (path, crosswalk_page(release.id, path), Counter(row.status for row in rows))
                    for path, rows in files.items()
                ],
                "all": Counter(row.status for rows in files.values() for row in rows),
            }
        )
    return page(
        "crosswalk_index", "crosswalk/index.html", "The crosswalk", releases=releases, statuses=STATUSES
    )


def _file(room: ReadingRoom, release_id: str, path: str, rows: list[Row]) -> str:
    release = room.originals.releases[release_id]
    return page(
        "crosswalk",
        crosswalk_page(release_id, path),
        f"{path} of {release_id}",
        room="crosswalk/index.html",
        release=release_id,
        path=path,
        link=release.permalink(path),
        rows=[
            (
                row,
                release.permalink(path, row.line, row.end),
                room.shown.original(row),
                markdown(row.note, "../../", inline=True),
            )
            for row in rows
        ],
    )
