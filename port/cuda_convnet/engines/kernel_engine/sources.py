"""Where the kernels' source lies, and what a build of it depends on."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cuda_convnet.errors import EngineError


def kernels_folder() -> Path:
    """The folder `kernels/`: of the checkout, or inside the installed package."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package.parents[1] / "kernels", package / "kernels"):
        if (folder / "cuda_on_host.h").is_file():
            return folder
    raise EngineError(
        f"the kernels' source is neither in {package.parents[1]} nor in {package}; install alexnet2012 again"
    )


def cache_folder() -> Path:
    """Where compiled kernels are kept: `alexnet2012/kernels` in the user's cache (XDG_CACHE_HOME)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "alexnet2012" / "kernels"


def included(text: str, folder: Path) -> str:
    """The text with the text of every file of `folder` that it includes, directly or not, each once."""
    found: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in re.findall(r'^\s*#include "([^"]+)"', waiting.pop(), re.MULTILINE):
            if name not in found:
                found[name] = (folder / name).read_text()
                waiting.append(found[name])
    return text + "".join(f"// {name}\n{found[name]}" for name in sorted(found))


def inlined(text: str, folder: Path) -> str:
    """The text with every file of `folder` that it includes in the place of the first `#include` of it.

    Compilers' messages name these files and their lines all the same.
    """
    done: set[str] = set()

    def expand(text: str, name: str) -> str:
        lines = []
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#include "([^"]+)"', line)
            if found is None:
                lines.append("" if line.strip() == "#pragma once" else line)
            elif found[1] not in done:
                done.add(found[1])
                inside = expand((folder / found[1]).read_text(), found[1])
                lines.append(f'#line 1 "{found[1]}"\n{inside}\n#line {number + 1} "{name}"')
            else:
                lines.append("")
        return "\n".join(lines)

    return expand(text, "entry.cu") + "\n"
