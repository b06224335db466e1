"""The result in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.readable import readable
from truefit.evaluation.finding import Judgement

if TYPE_CHECKING:
    from truefit.evaluation.metrics import Metrics, Scores


def summary(metrics: Metrics, verdict: Judgement | None = None) -> str:
    """The test score with its interval, the gap, the verdict and why, and what to try next.

    `verdict` is what verdict.json says, if there is one.
    """
    test, headline = metrics["test"], metrics["headline"]
    other = beside(headline)
    further = f", {other} {_score(test, other)}" if test.get(f"{other}_low") is not None else ""
    gap = metrics["gap"], metrics["gap_low"], metrics["gap_high"]
    lines = [
        f"test {headline} {_score(test, headline)}{further}{_yardsticks(metrics)}",
        f"gap {_interval(gap, '+')}, verdict: {metrics['verdict']}",
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
        luck = metrics["optimism"], metrics["optimism_low"], metrics["optimism_high"]
        lines.append(f"optimism of the search {_interval(luck, '+')}{against}")
    if verdict and verdict.next:
        lines.append(f"next: {verdict.next}")
    if verdict and verdict.remark:
        lines.append(f"note: {verdict.remark}")
    return "\n".join(lines)


def scores(metrics: Metrics) -> dict[str, float | str | None]:
    """Return the few numbers that compare two commits: the test score, the gap, the verdict."""
    name, test = metrics["headline"], metrics["test"]
    shown = {f"test_{name}{end}": test.get(f"{name}{end}") for end in ("", "_low", "_high")}
    return {**shown, "gap": metrics["gap"], "verdict": metrics["verdict"]}


def beside(headline: str) -> str:
    """Return the score that says what the headline does not: how much better than a plain answer.

    Of a ranking it is that of the most rated items; of numbers R2, which is against their mean.
    """
    return "popular_ndcg_at_10" if headline == "ndcg_at_10" else "r2"


def _yardsticks(metrics: Metrics) -> str:
    """Return the headline score of each yardstick on the test rows."""
    scores = [(one["name"], one["scores"]["test"]) for one in metrics.get("yardsticks", [])]
    name = metrics["headline"]
    shown = [f"{who} {readable(own[name])}" for who, own in scores if own.get(name) is not None]
    return f"; {', '.join(shown)}" if shown else ""


def _score(scores: Scores, name: str) -> str:
    if scores[name] is None:
        return _interval((None, None, None))
    return _interval((scores[name], scores[f"{name}_low"], scores[f"{name}_high"]))


def _interval(found: tuple[float | None, float | None, float | None], sign: str = "") -> str:
    if found[0] is None:
        return "is not defined on these rows"
    value, low, high = (readable(one, sign) for one in found)
    return f"{value} [{low}, {high}]"
