from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import git, run
from mlflow_server import wait_until_healthy

from truefit.core.errors import UserError
from truefit.core.prepared.facts import Target
from truefit.serving.predict import as_frame
from truefit.serving.promote import _is_verified
from truefit.tracking.registry import champion, model_name
from truefit.tracking.store import Store, tracking_uri

STAGES = ("compose", "preprocess", "search", "train", "repeat", "evaluate")
# One that learns 60 noisy rows by heart, and one of 1,060 rows.
BY_HEART = {
    "model": {"units": 256, "depth": 3},
    "training": {"epochs": 300, "patience": None, "restore_best_weights": False},
}
CAREFUL = {"model": {"units": 32, "depth": 1, "dropout": 0.3}, "regularization": {"l2": 0.01}}


def write_rows(file: Path) -> None:
    """Two blurred clusters, a category and gaps; the part of each row in the split by name."""
    random = np.random.default_rng(0)
    rows = 3160
    y = random.integers(0, 2, rows)
    frame = pd.DataFrame(
        {f"x{n}": random.normal(size=rows) + (n < 2) * (y - 0.5) * 1.5 for n in range(24)}
    )
    frame["town"] = np.where(random.random(rows) < 0.5, "Ålesund", "Bern")
    frame.loc[::17, "x5"] = np.nan
    frame["part"] = ["train"] * 60 + ["more"] * 1000 + ["check"] * 100 + ["test"] * 2000
    frame["ill"] = np.where(y, "yes", "no")
    frame.to_csv(file, index=False)


def train(*held_out: str, **settings: object) -> str:
    """The stages one after the other; the training's run."""
    common = {
        "search": {"n_trials": 0}, "evaluation": {"n_resamples": 400},
        "data": {"target": "ill", "types": {"part": "drop"}, "split": {
            "group": "part", "validation": [*held_out], "test": ["test"], "stratify": False,
        }},
        "training": {"epochs": 120, "patience": 20}, **settings,
    }  # fmt: skip
    params = {"data": "csv", "model": "mlp", "path": "data/raw", "set": common}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for stage in STAGES:
        done = run(sys.executable, f"pipelines/{stage}.py")
        assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(Path("outputs/train/run.json").read_text())["run_id"])


def promote(*arguments: str) -> tuple[int, str]:
    done = run("truefit", "promote", *arguments)
    return done.returncode, done.stdout + done.stderr


def allow(verdicts: list[str]) -> None:
    """Any of these, in the configuration that decides."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["set"]["promotion"] = {"verdicts": verdicts}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert run(sys.executable, "pipelines/compose.py").returncode == 0


@contextlib.contextmanager
def served(model: str, folder: Path) -> Iterator[str]:
    """`mlflow models serve` on loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "models", "serve", "-m", model),
                *("--env-manager", "local", "--port", str(port)),
            ],
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": tracking_uri(),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until_healthy(port, server, folder)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(server.pid, 15)
            server.wait()


def ask(address: str, rows: pd.DataFrame) -> np.ndarray:
    body = json.dumps({"dataframe_split": json.loads(rows.to_json(orient="split"))}).encode()
    request = urllib.request.Request(  # noqa: S310 - on loopback
        address, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - see above
        return np.array(json.load(answer)["predictions"], float)


@pytest.mark.slow
def test_a_champion_is_good_verified_and_better(project: Path, tmp_path: Path) -> None:
    """An overfit, an unverified and a worse model are refused by rule; a better one is served."""
    write_rows(project / "data/raw/rows.csv")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "start")
    by_heart = train("check", "more", **BY_HEART)
    store = Store.open()

    code, said = promote()
    assert (code, "no  verdict   overfit" in said) == (1, True), said
    assert f"not verified yet: `truefit verify {by_heart}`" in said
    assert champion(store, "truefit") is None
    store.client.set_tag(by_heart, "truefit.verified", "bit-exact")
    allow(["good", "overfit", "validation too small"])
    code, said = promote()
    assert (code, "is now the champion: truefit version 1" in said) == (0, True), said

    careful = train("check", **CAREFUL)
    allow(["good", "overfit", "underfit", "validation too small"])
    code, said = promote()
    assert (code, "not promoted: verified; version 1 of truefit stays" in said) == (1, True), said
    store.client.set_tag(careful, "truefit.verified", "bit-exact")
    done = run("truefit", "promote", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    decision = json.loads(done.stdout)
    assert decision["champion"] == {"name": "truefit", "number": "2", "run_id": careful}
    code, said = promote(by_heart)
    assert (code, "not promoted: better; version 2" in said) == (1, True), said
    assert promote("0" * 32)[0] == 2

    rows = pd.read_csv("data/raw/rows.csv").query("part == 'test'")
    rows.to_csv("new.csv", index=False)
    recorded = store.client.download_artifacts(careful, "predictions.npy", str(tmp_path))
    told = np.load(recorded).ravel()
    predicted = run("truefit", "predict", "new.csv", "--model", "champion")
    assert predicted.returncode == 0, predicted.stderr
    frame = pd.read_csv(io.StringIO(predicted.stdout))
    assert np.abs(frame["p_yes"] - told).max() <= 1e-6
    right = (frame["prediction"].to_numpy() == rows["ill"].to_numpy()).mean()
    metrics = json.loads(Path("outputs/evaluate/metrics.json").read_text())
    assert right == pytest.approx(metrics["test"]["accuracy"], abs=1e-6)
    with served("models:/truefit@champion", tmp_path) as address:
        assert np.abs(ask(address, rows.drop(columns="ill")).ravel() - told).max() <= 1e-6


@pytest.mark.parametrize(
    ("tags", "holds"),
    [
        ({}, False),
        ({"truefit.verified": "bit-exact"}, True),  # by an earlier version
        ({"truefit.verified": "within tolerance: 1e-7"}, True),
        ({"truefit.verified": "diverged at loss"}, False),
        ({"truefit.verified": "anything", "truefit.verified.verdict": "bit-exact"}, True),
        ({"truefit.verified": "bit-exact but", "truefit.verified.verdict": "diverged"}, False),
    ],
)
def test_a_run_is_verified_by_the_verdicts_name(tags: dict[str, str], holds: bool) -> None:
    """The sentence decides only for runs that an earlier version verified."""
    assert _is_verified(tags) == holds


def test_a_prediction_names_its_classes() -> None:
    """With two classes the output is the probability of the second; labels and numbers stay."""
    two = as_frame(np.array([[0.25], [0.75]]), Target("ill", "classes", classes=["a", "b"]))
    assert two["prediction"].tolist() == ["a", "b"]
    assert two["p_a"].tolist() == [0.75, 0.25]
    labels = as_frame(np.array([[0.1, 0.9]]), Target("tags", "labels", labels=["u", "v"]))
    assert labels.columns.tolist() == ["p_u", "p_v"]
    assert as_frame(np.array([[3.0]]), Target("price", "number"))["prediction"].tolist() == [3.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.csv"], "no file or folder 'no.csv'"),
        (["README"], "expected a .csv, .tsv, .txt, .inter, .parquet, .npy, .npz or .wav file"),
        (["rows.csv", "--output", "out.txt"], "expected a .csv or .npy file"),
        (["rows.csv", "--model", "best"], "expected `here`, `champion`, or an address"),
        (["rows.csv"], "run `dvc repro`"),
    ],
)
def test_what_cannot_be_predicted_is_said(project: Path, arguments: list[str], said: str) -> None:
    """One message with what was expected, and exit 1."""
    Path("rows.csv").write_text("a,b\n1,2\n")
    Path("README").write_text("words")
    assert run(sys.executable, "pipelines/compose.py").returncode == 0

    done = run("truefit", "predict", *arguments)

    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize("name", ["team/churn", "a:b", "Ada's", 'a "b"'])
def test_a_name_that_mlflow_registers_no_model_by_is_refused(name: str) -> None:
    """Before anything is compared or run again, and with the key that names another."""
    with pytest.raises(UserError, match=r"promotion.model: expected a name without / : "):
        model_name({"mlflow_experiment": name, "promotion": {"model": None}})

    assert model_name({"mlflow_experiment": name, "promotion": {"model": "churn"}}) == "churn"
