"""The result in a few lines."""

from __future__ import annotations

from typing import Any


def summary(metrics: dict[str, Any], verdict: dict[str, str] | None = None) -> str:
    """The test score with its interval, the gap, the verdict and why, and what to try next.

    `verdict` is what verdict.json says, if there is one.
    """
    test, headline = metrics["test"], metrics["headline"]
    # What MAE and RMSE do not say: how much better than the mean of the target.
    share = f", r2 {_interval(test, 'r2')}" if test.get("r2_low") is not None else ""
    lines = [
        f"test {headline} {_interval(test, headline)}{share}",
        f"gap {_interval(metrics, 'gap', '+')}, verdict: {metrics['verdict']}",
        *([f"  {verdict['evidence']}"] if verdict else []),
    ]
    if "optimism" in metrics:
        lines.append(f"optimism of the search {_interval(metrics, 'optimism', '+')}")
    if verdict and verdict["next"]:
        lines.append(f"next: {verdict['next']}")
    return "\n".join(lines)


def _interval(values: dict[str, Any], name: str, sign: str = "") -> str:
    low, high = values[f"{name}_low"], values[f"{name}_high"]
    return f"{values[name]:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"
