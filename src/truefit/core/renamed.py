"""Keys that were renamed: what an older conf/ or params.yaml says, and the name now."""

from __future__ import annotations

RENAMED = {
    "data.separator": "sep",
    "evaluation.confidence": "confidence_level",
    "evaluation.repeats.seeds": "n_seeds",
    "evaluation.resamples": "n_resamples",
    "project": "mlflow_experiment",
    "search.finalists.count": "n_finalists",
    "search.finalists.seeds": "n_seeds",
    "search.folds.count": "n_splits",
    "search.folds.repeats": "n_repeats",
    "training.restore_best": "restore_best_weights",
}


def renamed(key: str) -> str | None:
    """One sentence for a key that has another name now; `None` for any other key."""
    return f"{key}: this key is called {RENAMED[key]} now" if key in RENAMED else None
