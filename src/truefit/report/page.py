"""report.html: one page that needs no network, with everything a person asks of a result."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from truefit.config import Tree, dump, override
from truefit.datasets.prepared import SPLITS, Facts
from truefit.tasks import Task


@dataclass(frozen=True)
class Result:
    """What the report is about: scores and verdict, and the training that they belong to."""

    metrics: dict[str, Any]
    evidence: str
    config: Tree
    facts: Facts
    task: Task
    run: Tree


def render(result: Result, plots: Path) -> str:
    """The page as text; the pictures in `plots` are inside it."""
    metrics, task, facts, run = result.metrics, result.task, result.facts, result.run
    trained = override(result.config, run["params"])
    pages = Environment(
        loader=PackageLoader("truefit", "report"), autoescape=True, undefined=StrictUndefined
    )
    pages.filters["number"] = _number
    names = [n for n in metrics["test"] if not n.endswith(("_low", "_high"))]
    return pages.get_template("report.html.j2").render(
        metrics=metrics,
        evidence=result.evidence,
        scores=[task.headline, *(n for n in names if n != task.headline)],
        headline=task.headline,
        splits=SPLITS,
        facts=facts,
        left_out=[c for c in facts["columns"] or [] if c["kind"] == "drop"],
        confidence=f"{trained['evaluation']['confidence']:.0%}",
        task=task.name,
        model=trained["model"]["_target_"].rpartition(".")[2],
        data=trained["data"]["_target_"].rpartition(".")[2],
        run=run,
        config=dump({k: v for k, v in trained.items() if k != "search"}),
        params=run["params"],
        details=metrics.get("details", {}).get("test", {}),
        pictures={file.stem: _inline(file) for file in _ordered(plots)},
    )


def _ordered(plots: Path) -> list[Path]:
    return sorted(plots.glob("*.png"), key=lambda file: (file.stem != "curves", file.stem))


def _inline(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()


def _number(value: float | None) -> str:
    """Four decimals, or four significant digits where those say little; a dash for none."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash as print sets it
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.4g}"
