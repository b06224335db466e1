"""report.html, one page that needs no network, and model_card.md beside it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.filters import do_mark_safe

from truefit.core.errors import plain
from truefit.core.prepared.coding import Coding
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import SPLITS
from truefit.core.readable import readable
from truefit.core.resolved import dump, names, override, without_seed
from truefit.core.run import Run
from truefit.core.study import StudySummary
from truefit.evaluation.drift import Drift
from truefit.evaluation.evidence import Leaks
from truefit.evaluation.finding import Judgement
from truefit.evaluation.intervals import OverSeeds
from truefit.evaluation.metrics import Metrics
from truefit.evaluation.report.summary import beside
from truefit.tracking.redaction import redact
from truefit.training.tasks import Task

if TYPE_CHECKING:
    from truefit.config.schema import Config

OF_SEARCH = "search_"  # how the names of a search's pictures begin
FIRST = ("curves", "metrics", "learning_curve")
MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~#]")  # what begins something wherever it stands


@dataclass(frozen=True)
class Page:
    """What the report is about: scores and verdict, and the training that they belong to.

    `repeats` is `None` where no other seed was trained, `looks` is how many models were scored on
    the test rows. `study` is what study.json says, `None` without a search, `lineage` where
    everything comes from.
    """

    metrics: Metrics
    config: Config
    facts: Facts
    task: Task
    run: Run
    leaks: Leaks
    drift: list[Drift]
    repeats: OverSeeds | None
    looks: int
    verdict: Judgement
    study: StudySummary | None
    lineage: dict[str, str]


def render(result: Page, plots: Path) -> str:
    """The page as text; the pictures in `plots` are inside it."""
    files = sorted(plots.glob("*.png"), key=_place)
    text: str = _template("report.html.j2").render(
        **_values(result),
        pictures={f.stem: _inline(f) for f in files if not f.stem.startswith(OF_SEARCH)},
        searched={f.stem: _inline(f) for f in files if f.stem.startswith(OF_SEARCH)},
    )
    return text


def render_card(result: Page) -> str:
    """The model card, in Markdown: what the model is for, how good it is, and what is wrong."""
    text: str = _template("model_card.md.j2").render(**_values(result))
    return text


def _values(result: Page) -> dict[str, object]:
    metrics, task, facts, run = result.metrics, result.task, result.facts, result.run
    trained = override(result.config, run.params)
    scores = [n for n in metrics["test"] if not n.endswith(("_low", "_high"))]
    first = [n for n in (task.headline, beside(task.headline)) if n in scores]
    return {
        **vars(result),
        "scores": [*first, *(n for n in scores if n not in first)],
        "headline": task.headline,
        "splits": SPLITS,
        # Equal rows stand in a table of their own, with those that are in training too.
        "findings": [one for one in facts.report.findings if one.kind != "equal"],
        "columns": [taken_for(c) for c in facts.columns or [] if c["kind"] != "drop"],
        "left_out": [c for c in facts.columns or [] if c["kind"] == "drop"],
        "confidence": f"{trained['evaluation']['confidence_level']:.0%}",
        "task": task.name,
        "model": names(trained)[0],
        "data": names(trained)[1],
        "config": redact(dump({k: v for k, v in trained.items() if k != "search"})),
        "params": without_seed(run.params),
        "lineage": {key: redact(str(value)) for key, value in result.lineage.items()},
        "details": metrics.get("details", {}).get("test", {}),
    }


def taken_for(column: Coding) -> dict[str, str]:
    """What a column of dataset.json was taken for, how many values it lacked, what fills them."""
    kind, missing, fill = str(column["kind"]), 0, ""
    if column["kind"] == "category":
        missing = column.get("missing", 0)
        kind = f"category of {len(column['levels'])} levels, and (other)"
        fill = "(other)" if missing else ""
    elif column["kind"] == "number":
        missing = column.get("missing", 0)
        fill = f"{column['fill']:.6g}, the median; a feature says where" if missing else ""
    return {"name": column["name"], "kind": kind, "missing": str(missing), "fill": fill}


def _template(name: str) -> Template:
    is_html = name.endswith(".html.j2")
    pages = Environment(
        loader=PackageLoader("truefit.evaluation", "report"),
        autoescape=is_html,  # noqa: S701 - Markdown is escaped by `finalize`
        finalize=None if is_html else _as_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {"number": readable, "code": _as_code}
    return pages.get_template(name)


def _as_markdown(value: object) -> str:
    """Text that says itself: names come from data, and may hold what Markdown reads as its own.

    CommonMark 0.31, section 2.4: a backslash before a punctuation character makes it plain.
    """
    if hasattr(value, "__html__"):  # by a filter here, or `safe`
        return str(value)
    return MARKDOWN.sub(r"\\\g<0>", plain(re.sub(r"\s*[\r\n]\s*", " ", str(value))))


def _as_code(value: object) -> str:
    """A code span; one that holds backticks has more of them around it (section 6.1)."""
    text = plain(" ".join(str(value).split())) or " "
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if "`" in text else ""
    return do_mark_safe(f"{marks}{room}{text}{room}{marks}")


def _place(file: Path) -> tuple[int, str]:
    return FIRST.index(file.stem) if file.stem in FIRST else len(FIRST), file.stem


def _inline(file: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
