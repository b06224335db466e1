from __future__ import annotations

import pytest

from truefit.overfitting import Losses, judge


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        (Losses(0.10, 0.12, validation_high=0.2, baseline=2.3, gap_low=0.01), "good"),
        (Losses(0.12, 0.10, validation_high=0.2, baseline=2.3, gap_low=-0.1), "good"),
        (Losses(0.01, 0.90, validation_high=1.2, baseline=2.3, gap_low=0.50), "overfit"),
        (Losses(0.01, 0.90, validation_high=1.2, baseline=2.3, gap_low=-0.1), "good"),
        (Losses(2.29, 2.31, validation_high=2.4, baseline=2.3, gap_low=0.0), "underfit"),
        (Losses(0.193, 0.192, validation_high=0.3, baseline=0.199, gap_low=-0.1), "underfit"),
        (Losses(0.01, 2.50, validation_high=2.9, baseline=2.3, gap_low=1.0), "overfit"),
    ],
)
def test_the_verdict_follows_the_losses(losses: Losses, verdict: str) -> None:
    """Overfit beyond interval and share, underfit where a constant may do as well."""
    found, evidence = judge(losses)

    assert found == verdict
    assert "constant" in evidence
