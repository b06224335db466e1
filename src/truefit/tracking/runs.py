"""Runs in MLflow: a study and its trials, a training with its model, an evaluation."""

from __future__ import annotations

import functools
import math
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from truefit.config import Tree
from truefit.errors import UserError
from truefit.tracking.store import first_line, open_store, reaching, redact
from truefit.trees import flatten

STATUS = {"complete": "FINISHED", "pruned": "KILLED"}  # every other ending class is FAILED
LONGEST = 5000  # characters of a tag's value; MLflow refuses 8,000


class Trial(Protocol):
    """What is recorded of a finished trial."""

    @property
    def state(self) -> str:
        """Its ending class."""

    @property
    def reason(self) -> str:
        """Why, in words."""

    @property
    def params(self) -> Tree:
        """By dotted key."""

    @property
    def result(self) -> Tree:
        """What was measured."""

    @property
    def seconds(self) -> float:
        """How long it took."""


@dataclass(frozen=True)
class Tracker:
    """An open store and the experiment that runs go into."""

    client: Any
    experiment_id: str

    @classmethod
    def open(cls, project: str) -> Tracker:
        """Open the store and close what killed processes left RUNNING.

        Raises:
            UserError: the store cannot be reached.
        """
        tracker = cls(*open_store(project))
        with reaching():
            tracker.close_abandoned()
        return tracker

    def start(self, name: str, kind: str, tags: Tree, *, ago: float = 0.0) -> str:
        """A new RUNNING run that began `ago` seconds before now; returns its id.

        Raises:
            UserError: the store cannot be reached.
        """
        everything = {**_environment_tags(), "truefit.kind": kind, **tags}
        with reaching():
            run = self.client.create_run(
                self.experiment_id,
                start_time=int((time.time() - ago) * 1000),
                run_name=name,
                tags={k: _text(v) for k, v in everything.items()},
            )
        return str(run.info.run_id)

    @reaching()
    def study(self, study: str, tags: Tree) -> tuple[str, set[str]]:
        """The run of `study`, continued if there is one, and the `run_key`s it has on record."""
        condition = f"tags.`truefit.study` = '{study}'"
        found = self._search(f"{condition} and tags.`truefit.kind` = 'study'")
        if not found:
            return self.start(study, "study", {**tags, "truefit.study": study}), set()
        run_id = str(found[0].info.run_id)
        self.client.update_run(run_id, status="RUNNING")
        for key, value in _process_tags().items():
            self.client.set_tag(run_id, key, value)
        recorded: set[str] = set()
        for trial in self._search(f"tags.`mlflow.parentRunId` = '{run_id}'"):
            if "truefit.state" in trial.data.tags:  # the last thing that is written of a trial
                slot, repeat = (trial.data.tags.get(f"truefit.{k}", 0) for k in ("slot", "repeat"))
                recorded.add(run_key(int(slot), int(repeat)))
            else:
                self.client.delete_run(trial.info.run_id)
        return run_id, recorded

    def trial(self, parent: str, name: str, trial: Trial, history: list[Tree], tags: Tree) -> None:
        """Record one finished trial below its study; what was sent in part is taken back."""
        run_id = self.start(
            name,
            "trial",
            {**tags, "mlflow.parentRunId": parent},
            ago=trial.seconds,
        )
        try:
            self.log(run_id, params=trial.params, metrics=trial.result, history=history)
            self.end(run_id, trial.state, trial.reason)
        except BaseException:
            attempt(lambda: self.client.delete_run(run_id))
            raise

    def log(
        self,
        run_id: str,
        *,
        params: Tree | None = None,
        metrics: Tree | None = None,
        history: Iterable[Tree] = (),
    ) -> None:
        """Parameters, single values, and values per epoch, in as few calls as MLflow allows.

        Values that are not finite are left out: MLflow stores infinity as 1.8e308, which ruins
        every chart.
        """
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - see open_store

        now = int(time.time() * 1000)
        values = [
            Metric(key, value, now, row["epoch"])
            for row in [*history, {"epoch": 0, **(metrics or {})}]
            for key, value in row.items()
            if key != "epoch" and _is_number(value)
        ]
        texts = [Param(key, str(value)[:LONGEST]) for key, value in (params or {}).items()]
        for start in range(0, max(len(values), len(texts)), 100):
            # MLflow takes 1,000 metrics but only 100 parameters in one call.
            self.client.log_batch(
                run_id,
                metrics=values[start * 10 : start * 10 + 1000],
                params=texts[start : start + 100],
            )

    def files(self, run_id: str, paths: Iterable[Path], folder: str | None = None) -> None:
        """Attach files or folders to a run."""
        for path in paths:
            log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
            log(run_id, str(path), folder)

    def end(self, run_id: str, state: str, reason: str = "") -> None:
        """Close a run with its true status; the tag `truefit.state` comes last."""
        if reason:
            self.client.set_tag(run_id, "truefit.reason", _text(reason))
        self.client.set_terminated(run_id, STATUS.get(state, "FAILED"))
        self.client.set_tag(run_id, "truefit.state", state)

    def close_abandoned(self) -> None:
        """Runs of this machine whose process is gone end as KILLED, with the reason."""
        for run in self._search("attributes.status = 'RUNNING'"):
            tags = run.data.tags
            if tags.get("truefit.host") == platform.node() and not _is_alive(tags):
                reason = f"process {tags.get('truefit.pid')} is gone without having ended the run"
                self.client.set_tag(run.info.run_id, "truefit.reason", reason)
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _search(self, condition: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id], condition, max_results=1000, page_token=token
            )
            found, token = [*found, *page], page.token
            if not token:
                return found


def run_key(slot: int, repeat: int) -> str:
    """Which trial of a study a run records: `7`, or `7/2` for a finalist's second seed."""
    return f"{slot}/{repeat}" if repeat else str(slot)


def attempt(send: Callable[[], Any]) -> str | None:
    """Run `send`; what MLflow or the network had against it, or `None`.

    A trial's result is in the study already, so a tracker that is away must not cost it.
    """
    try:
        with reaching():
            send()
    except UserError as error:
        return first_line(error)
    return None


def config_params(config: Tree) -> Tree:
    """What varies between runs, flat: the parameters that MLflow compares."""
    chosen = ("data", "model", "optimizer", "training")
    flat = flatten({key: config[key] for key in chosen})
    return {re.sub(r"[^\w .:/-]", "_", key): value for key, value in flat.items()}


@functools.cache
def _environment_tags() -> Tree:
    """What is the same for every run of this process."""
    tags = {
        **_process_tags(),
        "dvc.stage": os.environ.get("DVC_STAGE", ""),
        "dvc.exp": os.environ.get("DVC_EXP_NAME", ""),
        "git.commit": _git("rev-parse", "HEAD"),
        "git.dirty": str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower(),
    }
    tags["mlflow.source.git.commit"] = tags["git.commit"]  # where the MLflow UI shows it
    return {key: value for key, value in tags.items() if value}


def _process_tags() -> dict[str, str]:
    started = psutil.Process().create_time()
    return {
        "truefit.host": platform.node(),
        "truefit.pid": str(os.getpid()),
        "truefit.pid_started": f"{started:.2f}",
    }


def _is_alive(tags: dict[str, str]) -> bool:
    """Whether the very process that wrote the tags runs; a number alone may be another's by now."""
    try:
        started = psutil.Process(int(tags["truefit.pid"])).create_time()
    except (KeyError, ValueError, psutil.NoSuchProcess):
        return False
    return f"{started:.2f}" == tags.get("truefit.pid_started")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def _text(value: object) -> str:
    return redact(str(value))[:LONGEST]
