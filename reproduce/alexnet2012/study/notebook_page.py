"""The lab notebook as its page shows it: a run at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexnet2012.record import notebook_text
from alexnet2012.record.family import KINDS, Family
from alexnet2012.record.notebook import Experiment, Notebook, Place
from alexnet2012.record.releases import Release


def runs_for_page(notebook: Notebook, release: Release) -> list[dict[str, Any]]:
    """Everything about each run, in the notebook's order."""
    family = Family(tuple(notebook))
    return [_run(run, family, release, notebook) for run in notebook]


def _run(run: Experiment, family: Family, release: Release, notebook: Notebook) -> dict[str, Any]:
    parents = {kind: getattr(run, kind) for kind in KINDS if getattr(run, kind)}
    return {
        "id": run.id,
        "row": notebook_text.row(run),
        "facts": _facts(run),
        "parents": [(KINDS[kind], name, name in notebook) for kind, name in parents.items()],
        "changes": run.changes,
        "children": {KINDS[kind]: names for kind, names in family.heirs(run.id).items()},
        "schedule": [notebook_text.change(change).strip() for change in run.schedule],
        "errors": [notebook_text.error(error).partition("\n")[::2] for error in run.errors],
        "verdict": run.verdict,
        "told_in": [_told(place, release) for place in run.told_in],
    }


def _facts(run: Experiment) -> Mapping[str, str]:
    facts = {
        "dataset": f"{run.dataset} ({notebook_text.dataset_source(run)})",
        "network": run.network,
        "machines": ", ".join(run.machines),
        "started": f"{run.started:%Y-%m-%d %H:%M}" if run.started else "",
        "ended": notebook_text.ending(run),
        "checkpoint": run.checkpoint,
        "logs": ", ".join(run.logs),
    }
    return {name: value for name, value in facts.items() if value}


def _told(place: Place, release: Release) -> tuple[str, str]:
    """Where it stands, and the link there."""
    lines = f"{place.first}" if place.first == place.last else f"{place.first}–{place.last}"
    return f"{place.file}:{lines}", release.permalink(place.file, place.first, place.last)
