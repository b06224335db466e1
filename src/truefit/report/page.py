"""report.html, one page that needs no network, and model_card.md beside it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from truefit.config import Tree, dump, names, override
from truefit.datasets.prepared import SPLITS, Facts
from truefit.report.numbers import readable
from truefit.report.summary import beside
from truefit.tasks import Task

OF_SEARCH = "search_"  # how the names of a search's pictures begin
FIRST = ("curves", "metrics", "learning_curve")


@dataclass(frozen=True)
class Result:
    """What the report is about: scores and verdict, and the training that they belong to.

    `known` is what was found out about the rows (`shared`, `drift`, ...), `verdict` has `name`,
    `evidence`, `cause` and the command to try `next`, `study` is what study.json says, empty
    without a search, `lineage` where everything comes from.
    """

    metrics: dict[str, Any]
    config: Tree
    facts: Facts
    task: Task
    run: Tree
    known: Tree
    verdict: Tree
    study: Tree
    lineage: dict[str, str]


def render(result: Result, plots: Path) -> str:
    """The page as text; the pictures in `plots` are inside it."""
    files = sorted(plots.glob("*.png"), key=_place)
    text: str = _template("report.html.j2").render(
        **_values(result),
        pictures={f.stem: _inline(f) for f in files if not f.stem.startswith(OF_SEARCH)},
        searched={f.stem: _inline(f) for f in files if f.stem.startswith(OF_SEARCH)},
    )
    return text


def render_card(result: Result) -> str:
    """The model card, in Markdown: what the model is for, how good it is, and what is wrong."""
    text: str = _template("model_card.md.j2").render(**_values(result))
    return text


def _values(result: Result) -> Tree:
    metrics, task, facts, run = result.metrics, result.task, result.facts, result.run
    trained = override(result.config, run["params"])
    scores = [n for n in metrics["test"] if not n.endswith(("_low", "_high"))]
    first = [n for n in (task.headline, beside(task.headline)) if n in scores]
    return {
        **vars(result),
        "scores": [*first, *(n for n in scores if n not in first)],
        "headline": task.headline,
        "splits": SPLITS,
        "left_out": [c for c in facts["columns"] or [] if c["kind"] == "drop"],
        "confidence": f"{trained['evaluation']['confidence']:.0%}",
        "task": task.name,
        "model": names(trained)[0],
        "data": names(trained)[1],
        "config": dump({k: v for k, v in trained.items() if k != "search"}),
        "params": run["params"],
        "details": metrics.get("details", {}).get("test", {}),
    }


def _template(name: str) -> Any:
    pages = Environment(
        loader=PackageLoader("truefit", "report"),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["number"] = readable
    return pages.get_template(name)


def _place(file: Path) -> tuple[int, str]:
    return FIRST.index(file.stem) if file.stem in FIRST else len(FIRST), file.stem


def _inline(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
