"""The result in a few lines."""

from __future__ import annotations

from typing import Any

from truefit.core.readable import readable
from truefit.evaluation.finding import Finding


def summary(metrics: dict[str, Any], verdict: Finding | None = None) -> str:
    """The test score with its interval, the gap, the verdict and why, and what to try next.

    `verdict` is what verdict.json says, if there is one.
    """
    test, headline = metrics["test"], metrics["headline"]
    other = beside(headline)
    further = f", {other} {_interval(test, other)}" if test.get(f"{other}_low") is not None else ""
    lines = [
        f"test {headline} {_interval(test, headline)}{further}{_yardsticks(metrics)}",
        f"gap {_interval(metrics, 'gap', '+')}, verdict: {metrics['verdict']}",
        *([f"  {verdict.evidence}"] if verdict else []),
    ]
    if metrics.get("same_loss") is False:
        lines.append(
            "note: the model learned by another loss than the one that is scored; gap, baseline "
            "and verdict are of the scored one"
        )
    if metrics.get("optimism") is not None:
        nearest = metrics.get("optimism_beside")
        against = f", beside that of {nearest}" if nearest else ", the splits' difference included"
        lines.append(f"optimism of the search {_interval(metrics, 'optimism', '+')}{against}")
    if verdict and verdict.next:
        lines.append(f"next: {verdict.next}")
    if verdict and verdict.remark:
        lines.append(f"note: {verdict.remark}")
    return "\n".join(lines)


def scores(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the few numbers that compare two commits: the test score, the gap, the verdict."""
    name, test = metrics["headline"], metrics["test"]
    shown = {f"test_{name}{end}": test.get(f"{name}{end}") for end in ("", "_low", "_high")}
    return {**shown, "gap": metrics["gap"], "verdict": metrics["verdict"]}


def beside(headline: str) -> str:
    """Return the score that says what the headline does not: how much better than a plain answer.

    Of a ranking it is that of the most rated items; of numbers R2, which is against their mean.
    """
    return "popular_ndcg_at_10" if headline == "ndcg_at_10" else "r2"


def _yardsticks(metrics: dict[str, Any]) -> str:
    """Return the headline score of each yardstick on the test rows."""
    scores = [(one["name"], one["scores"]["test"]) for one in metrics.get("yardsticks", [])]
    name = metrics["headline"]
    shown = [f"{who} {readable(own[name])}" for who, own in scores if own.get(name) is not None]
    return f"; {', '.join(shown)}" if shown else ""


def _interval(values: dict[str, Any], name: str, sign: str = "") -> str:
    if values[name] is None:
        return "is not defined on these rows"
    value, low, high = (readable(values[f"{name}{end}"], sign) for end in ("", "_low", "_high"))
    return f"{value} [{low}, {high}]"
