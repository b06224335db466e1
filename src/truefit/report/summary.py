"""The result in two lines."""

from __future__ import annotations

from typing import Any


def summary(metrics: dict[str, Any]) -> str:
    """The result in two lines: the test score with its interval, the gap and the verdict."""
    test, headline = metrics["test"], metrics["headline"]
    return (
        f"test {headline} {test[headline]:.4f} [{test[f'{headline}_low']:.4f}, "
        f"{test[f'{headline}_high']:.4f}]\n"
        f"gap {metrics['gap']:+.4f} [{metrics['gap_low']:+.4f}, {metrics['gap_high']:+.4f}], "
        f"verdict: {metrics['verdict']}"
    )
