"""A run's files are read back from where its tracker keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow_server import mlflow_server

from truefit.tracking.records import from_mlflow
from truefit.tracking.store import Store


@pytest.mark.parametrize("kind", ["server", "database"])
def test_files_and_folders_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Those that a verification looks at, folders whole, through a server and from a database."""
    if kind == "server":
        with mlflow_server(tmp_path) as port:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
            read_back(tmp_path / "copy")
        return
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    read_back(tmp_path / "copy")


def read_back(folder: Path) -> None:
    store = Store.open()
    run = store.client.create_run(store.experiment("some")).info.run_id
    store.client.log_text(run, "seed: 0", "config.yaml")
    store.client.log_text(run, "{}", "inputs/train.json")
    store.client.log_text(run, "x", "not_of_ours.txt")
    store.client.log_metric(run, "loss", 0.5, step=2)

    record = from_mlflow(store, run, folder)

    assert (record.text("config.yaml"), record.text("inputs/train.json")) == ("seed: 0", "{}")
    assert record.text("not_of_ours.txt") is None
    assert record.series == {"loss": {2: 0.5}}
