"""The index of departures from the original is complete."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def marks():
    """Every DEVIATION(id) in our sources."""
    found = set()
    for folder in ("port", "reproduce", "kernels"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".cu", ".h", ".cfg", ".toml"):
                found |= set(re.findall(r"DEVIATION\(([a-z0-9-]+)\)", path.read_text(encoding="utf-8")))
    return found


def indexed():
    """The ids in the first column of the index."""
    text = (ROOT / "original" / "paper.md").read_text(encoding="utf-8")
    index = text.split("## Where this program departs from the original")[1]
    return re.findall(r"^\| `([a-z0-9-]+)` \|", index, re.MULTILINE)


def test_each_departure_that_is_marked_in_the_source_is_in_the_index_and_the_other_way_round():
    assert set(indexed()) == marks()


def test_the_index_is_in_order_and_names_each_departure_once():
    assert indexed() == sorted(set(indexed()))


def test_the_places_that_the_differences_name_exist():
    text = (ROOT / "original" / "paper.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:port|reproduce)/[^`]+)`", text)
    assert places
    for place in places:
        assert (ROOT / place).is_file(), place
