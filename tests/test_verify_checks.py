"""What was tampered with is named, and what a tracker says is not trusted."""

from __future__ import annotations

import difflib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from conftest import copy_tree, git
from tampering import (
    change_array,
    change_json,
    change_line,
    change_lock,
    change_row,
    change_weight,
    move_weight,
    swap_model,
)

from truefit.config.schema import Config
from truefit.core.paths import PREPARED, TRAIN
from truefit.core.resolved import override
from truefit.tracking.provenance import environment
from truefit.tracking.records import Record, from_mlflow
from truefit.tracking.store import Store
from truefit.verify import checks
from truefit.verify import verify as again
from truefit.verify.data import fetch_prepared
from truefit.verify.dvc_lock import lock
from truefit.verify.environment import same_environment
from truefit.verify.verdict import Check, CouldNotTryError, Proof, decide
from truefit.verify.work_tree import run_stage

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Pair:
    """A recorded run and the same run made again, with the trees of both."""

    old: Record
    new: Record
    project: Path
    tree: Path
    config: Config
    chosen: Config

    def verdict(self, tolerance: float | None = None) -> Proof:
        """As `truefit verify` comes to it."""
        old, project = self.old, self.project
        now = replace(environment("auto"), backend="tensorflow")
        found = [
            checks.code(old, self.tree, "train"),
            checks.data(old, self.tree, project),
            lock(project, self.tree, self.config, old),
            checks.configuration(old, self.chosen),
            same_environment(old, now, self.config),
            checks.history(old, self.new, project),
            checks.weights(old, self.new, project, self.tree),
            checks.predictions(old, self.new),
            checks.metrics(old, self.new, project),
        ]
        return decide(found, tolerance)


@pytest.fixture(scope="module")
def made(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The tiny pipeline's training, and that training again."""
    project = finished[0]
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.chdir(project)
        git("checkout", "-q", ".")
        run_id = json.loads((TRAIN / "run.json").read_text())["run_id"]
        place = tmp_path_factory.mktemp("verify")
        old = from_mlflow(Store.open(), run_id, place / "old")
        tree = stack.enter_context(again._code_of(old, again.Wish()))
        config, best, _ = again._prepare(old, tree)
        again._leave_winner(old, {tree}, best)
        for stage in ("train", "repeat", "evaluate"):
            run_stage(tree, stage)
        new = again._made(tree, tree, place / "new")
        yield Pair(old, new, project, tree, config, override(config, best))


@pytest.fixture
def pair(made: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A copy to tamper with."""
    shutil.copytree(made.old.folder, tmp_path / "old")
    shutil.copytree(made.tree, tmp_path / "tree")
    copy_tree(made.project, tmp_path / "project", ".dvc")
    monkeypatch.chdir(tmp_path / "project")
    old = replace(
        made.old,
        folder=tmp_path / "old",
        tags=dict(made.old.tags),
        params=dict(made.old.params),
        series={key: dict(steps) for key, steps in made.old.series.items()},
    )
    return replace(made, old=old, project=tmp_path / "project", tree=tmp_path / "tree")


def test_an_honest_run_is_bit_exact(pair: Pair) -> None:
    """Made again from its commit it is the same in every number, and no check is empty."""
    assert pair.verdict().said == "bit-exact"
    assert checks.code(pair.old, pair.tree, "evaluate") == Check("evaluation")
    assert len(pair.new.json("metrics.json")["test"]) > 5
    assert len(pair.old.series["val_loss"]) > 1
    assert (pair.old.folder / "model.keras").stat().st_size > 1000


def change_config(pair: Pair, key: str, value: object) -> None:
    file = pair.old.folder / "config.yaml"
    file.write_text(yaml.safe_dump(override(yaml.safe_load(file.read_text()), {key: value})))


def claim_gpu(pair: Pair) -> None:
    gpu = {"name": "H100", "driver": "550", "cuda": "12.4"}
    change_json(pair.old.folder / "environment.json", lambda e: e.update(gpus=[gpu]))
    pair.old.tags.update(device="gpu")


TAMPERED: list[tuple[Callable[[Pair], object], str]] = [
    (
        lambda p: change_line(p.tree / "src/truefit/training/train.py"),
        "code: src/truefit/training/train.py",
    ),
    (
        lambda p: change_array(p.tree / PREPARED / "train/x.npy"),
        "data: data/prepared/train/x.npy",
    ),
    (
        lambda p: change_array(p.project / PREPARED / "test/y.npy"),
        "data: in the project, data/prepared/test/y.npy",
    ),
    (
        lambda p: change_json(
            p.old.folder / "inputs/dataset.json", lambda d: d.update(raw={"rows.csv": "ab" * 32})
        ),
        "data: raw data rows.csv: recorded abababababab",
    ),
    (lambda p: p.old.tags.update({"dvc.data.md5": "0" * 32}), "data: tag dvc.data.md5"),
    (
        lambda p: p.old.tags.update({"truefit.changed.train": "data/prepared/train/x.npy"}),
        "data: data/prepared/train/x.npy changed while the train stage ran",
    ),
    (
        lambda p: change_lock(p.project / "dvc.lock", "preprocess", "outs", "data/prepared/train"),
        "dvc.lock: stage preprocess, data/prepared/train",
    ),
    (
        lambda p: change_lock(
            p.project / "dvc.lock", "train", "deps", "src/truefit/stages/train.py"
        ),
        "dvc.lock: stage train, src/truefit/stages/train.py",
    ),
    (
        lambda p: change_lock(p.project / "dvc.lock", "train", "outs", "outputs/train/model.keras"),
        "dvc.lock: stage train, outputs/train/model.keras",
    ),
    (
        lambda p: p.old.params.update({"training.batch_size": "64"}),
        "configuration: MLflow's parameter training.batch_size: recorded 64, now 32",
    ),
    (lambda p: change_config(p, "seed", 1), "configuration: seed: recorded 1, now 0"),
    (lambda p: p.old.tags.update({"seed": "5"}), "configuration: tag seed: recorded 5"),
    (
        lambda p: change_config(p, "runtime.threads", 2),
        "configuration: runtime.threads: recorded 2, now 1",
    ),
    (
        lambda p: change_json(
            p.old.folder / "environment.json", lambda e: e["packages"].update(keras="3.0.0")
        ),
        "environment: package keras: recorded 3.0.0, now 3.",
    ),
    (
        lambda p: change_json(
            p.old.folder / "environment.json", lambda e: e.update(python="3.11.0")
        ),
        "environment: python: recorded 3.11.0",
    ),
    (
        claim_gpu,
        "environment: GPU name: recorded ['H100'], now []",
    ),
    (lambda p: change_row(p.old.folder / "history.csv"), "history: epoch 2, "),
    (
        lambda p: change_row(p.project / "outputs/train/history.csv"),
        "history: in the project, epoch 2, ",
    ),
    (
        lambda p: p.old.series["val_loss"].update({2: 0.5}),
        "history: epoch 2, MLflow's val_loss: recorded 0.5, now ",
    ),
    (lambda p: change_weight(p.old.folder / "model.keras"), "weights: MLflow's model "),
    (
        lambda p: change_weight(p.project / "outputs/train/model.keras"),
        "weights: outputs/train/model.keras ",
    ),
    (
        lambda p: move_weight(p.old.folder / "model.keras"),
        "weights: MLflow's model: layers/functional/layers/dense/vars/0 lies in another file",
    ),
    (
        lambda p: swap_model(p.old.folder / "model.keras"),
        "weights: MLflow's model: is of other layers",
    ),
    (
        lambda p: change_json(
            p.project / "outputs/train/run.json", lambda r: r.update(weights_sha256="0" * 64)
        ),
        "dvc.lock: outputs/train/run.json is not as the run left it",
    ),
    (
        lambda p: (p.project / "outputs/search/best.yaml").write_text("model.units: 17\n"),
        "dvc.lock: outputs/search/best.yaml is not as the run left it",
    ),
    (
        lambda p: change_lock(p.project / "dvc.lock", "train", "deps", "outputs/search/best.yaml"),
        "dvc.lock: stage train, outputs/search/best.yaml",
    ),
    (lambda p: (p.project / "dvc.lock").unlink(), "dvc.lock: its train stage cannot be read"),
    (lambda p: p.old.tags.update({"truefit.weights": "0"}), "weights: SHA-256: recorded 0"),
    (lambda p: (p.old.folder / "model.keras").unlink(), "weights: MLflow has no model"),
    (lambda p: change_array(p.old.folder / "predictions.npy"), "predictions: row[0, 0]"),
    (
        lambda p: change_json(
            p.old.folder / "metrics.json", lambda m: m["test"].update(accuracy=1.0)
        ),
        "metrics: test.accuracy: recorded 1.0",
    ),
    (
        lambda p: p.old.series.update({"test_accuracy": {0: 1.0}}),
        "metrics: MLflow's test_accuracy: recorded 1.0",
    ),
]


@pytest.mark.parametrize(("tamper", "expected"), TAMPERED, ids=[said for _, said in TAMPERED])
def test_tampering_is_found_and_named(
    pair: Pair, tamper: Callable[[Pair], object], expected: str
) -> None:
    """The first difference is where it was made, and nothing before it is blamed."""
    tamper(pair)

    verdict = pair.verdict()

    assert verdict.name == "diverged"
    assert verdict.said.startswith(f"diverged at {expected}")


def test_what_no_result_hangs_on_is_not_blamed(pair: Pair) -> None:
    """Another host, processor, time, memory, or a package that truefit does not need."""
    change_json(
        pair.old.folder / "environment.json",
        lambda known: known.update(
            processor="another", memory_gib=1, cores=64, packages={**known["packages"], "pip": "1"}
        ),
    )
    pair.old.tags.update({"truefit.host": "elsewhere", "truefit.pid": "1"})
    pair.old.series.update({"seconds": {0: 1e6}, "peak_memory_gib": {0: 1e6}})

    verdict = pair.verdict()

    assert verdict.said == "bit-exact"
    assert any("other hardware: processor another" in check.note for check in verdict.checks)


def test_a_tolerance_takes_numbers_and_no_words(pair: Pair) -> None:
    """A weight off by a millionth passes with a tolerance, which the verdict states."""
    change_weight(pair.old.folder / "model.keras")

    assert pair.verdict(1e-5).name == "within tolerance"
    assert "e-07, of weights" in pair.verdict(1e-5).said
    assert pair.verdict(1e-7).name == "diverged"
    pair.old.params["model.units"] = "17"
    assert pair.verdict(1e9).said.startswith("diverged at configuration")


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        ("", r"code that is in no commit \(src/truefit/x\.py\)"),
        (r'"pack\x61ges": [subprocess]', "allows the packages"),
        ("optimizer: {_target_: keras.optimizers.Lion}", "calls keras.optimizers.Lion"),
        ("mlflow_experiment: 'x${oc.env:HOME}'", "asks for"),
        ("mlflow_experiment: 'x${oc.${seed}:HOME}'", "asks for"),
        (
            "data: {_target_: truefit.datasets.frames.csv, path: /etc/passwd, target: y}",
            "asks for '/etc/passwd'",
        ),
        ("data: {path: ~/rows.csv}", "asks for '~/rows.csv'"),
        ("data: {path: ../rows.csv}", "asks for '../rows.csv'"),
        ("hydra: {searchpath: [elsewhere]}", "asks for 'hydra'"),
    ],
)
def test_code_of_a_tracker_is_not_run(pair: Pair, hostile: str, expected: str) -> None:
    """Changes that are in no commit and not in this project's journal are held to choices."""
    params = (pair.project / "params.yaml").read_text()
    added = diff_of("params.yaml", params, params.replace("set:\n", f"set:\n  {hostile}\n"))
    file = pair.old.folder / "uncommitted.diff.txt"
    file.write_text(added if hostile else diff_of("src/truefit/x.py", "", "1\n"))

    with pytest.raises(CouldNotTryError, match=expected), again._code_of(pair.old, again.Wish()):
        pytest.fail("it was made")


def diff_of(name: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), "a/x", f"b/{name}")
    head = f"diff --git a/{name} b/{name}\n" + ("" if old else "new file mode 100644\n")
    source = f"a/{name}" if old else "/dev/null"
    return head + "".join(lines).replace("--- a/x", f"--- {source}")


def test_raw_data_are_no_place_of_the_pipelines(pair: Pair) -> None:
    """A path that would lead a repeated run to this project's own outputs is refused."""
    params = (pair.project / "params.yaml").read_text()
    hostile = params.replace("path: data/raw", "path: outputs")
    (pair.old.folder / "uncommitted.diff.txt").write_text(diff_of("params.yaml", params, hostile))

    with (
        pytest.raises(CouldNotTryError, match="path: outputs is a place of the pipeline's own"),
        again._code_of(pair.old, again.Wish()),
    ):
        pytest.fail("it was made")


def test_a_trackers_lock_writes_nowhere_else(
    made: Pair, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorded dvc.lock gives the prepared data's hashes, and nothing that leads out."""
    monkeypatch.chdir(made.project)  # which has DVC's cache
    locked = yaml.safe_load((pair.old.folder / "inputs/dvc.lock").read_text())
    outs = locked["stages"]["preprocess"]["outs"]
    known = next(out["md5"] for out in outs if out["path"].endswith("dataset.json"))
    for out in outs:
        out["files"] = [{"relpath": "../../../planted", "md5": known}]
    (pair.old.folder / "inputs/dvc.lock").write_text(yaml.safe_dump(locked))
    shutil.rmtree(pair.tree / PREPARED)

    fetch_prepared(pair.old, pair.tree)

    assert (pair.tree / PREPARED / "train/x.npy").exists()
    assert list(pair.tree.parent.rglob("planted")) == []


def test_a_commit_that_is_gone_is_named(pair: Pair) -> None:
    """What is not in the repository and not at its origin cannot be tried."""
    pair.old.tags["git.commit"] = "0" * 40

    with (
        pytest.raises(CouldNotTryError, match="commit 000000000000 is on no branch"),
        again._code_of(pair.old, again.Wish()),
    ):
        pytest.fail("it was made")


def test_parameters_that_no_search_found_are_refused(pair: Pair) -> None:
    """A recorded parameter outside of its range never reaches a training."""
    change_config(pair, "model.depth", 99)

    with pytest.raises(CouldNotTryError, match=r"model.depth 99 lies outside"):
        again._prepare(pair.old, pair.tree)
