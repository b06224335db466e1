"""Tables that MLflow's UI opens with columns of their own."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest

from truefit.tracking.store import Store
from truefit.tracking.views import ALL_RUNS, all_runs, share_runs


def test_the_table_of_all_runs_has_score_gap_and_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The view that the address names is kept with the experiment, the newest run first."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = Store.open()
    experiment = mlflow.MlflowClient().create_experiment("truefit")

    share_runs(store, experiment)

    tags = mlflow.MlflowClient().get_experiment(experiment).tags
    state = json.loads(json.loads(tags[f"mlflow.sharedViewState.{ALL_RUNS}"])["state"])
    shown = state["selectedColumns"]
    assert [name.split("`")[1] for name in shown] == [
        "score", "gap", "truefit.verdict", "truefit.headline", "truefit.state", "truefit.winner",
    ]  # fmt: skip
    assert (state["orderByKey"], state["orderByAsc"]) == ("attributes.start_time", False)
    assert f"viewStateShareKey={ALL_RUNS}" in all_runs("http://127.0.0.1:5000", experiment)
