from __future__ import annotations

import pytest

from truefit.overfitting import Losses, judge


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        (Losses(train=0.10, validation=0.12, baseline=2.3, gap_low=0.01), "good"),
        (Losses(train=0.01, validation=0.90, baseline=2.3, gap_low=0.50), "overfit"),
        (Losses(train=0.01, validation=0.90, baseline=2.3, gap_low=-0.1), "good"),
        (Losses(train=2.29, validation=2.31, baseline=2.3, gap_low=0.0), "underfit"),
        (Losses(train=0.01, validation=2.50, baseline=2.3, gap_low=1.0), "underfit"),
    ],
)
def test_the_verdict_follows_the_losses(losses: Losses, verdict: str) -> None:
    """Overfit only beyond the interval and the share, underfit only at the constant's loss."""
    found, evidence = judge(losses)

    assert found == verdict
    assert "constant" in evidence
