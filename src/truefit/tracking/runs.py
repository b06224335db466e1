"""The journal's runs in MLflow: each is found or made there, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.core.endings import STATES
from truefit.core.errors import UserError
from truefit.tracking.events import Event, Start
from truefit.tracking.journal import waiting
from truefit.tracking.messages import Message, Recorded
from truefit.tracking.store import Store
from truefit.tracking.values import Fitted

if TYPE_CHECKING:
    from mlflow import entities

PATIENCE = 7 * 86400.0  # seconds that a trial waits for the run of its study
RECENT = 5.0  # seconds for which it is known what a study's slots have in MLflow


class RefusedError(Exception):
    """MLflow will never take this; trying again does not help."""


@dataclass
class SentRun:
    """What is known of one of the journal's runs, and its events that are not sent."""

    name: str
    id: str | None = None  # MLflow's
    tries: int = 0  # how many of its attempts were taken back
    doubtful: bool = False  # it may have been made without our knowing
    passed_over: bool = False  # MLflow refuses it, or has it from another journal
    start: Start | None = None  # of its newest attempt, if this journal has it
    fitted: Fitted = field(default_factory=Fitted)
    pending: list[Event] = field(default_factory=list)
    offset: int = 0  # where its first pending event begins
    since: float = 0.0
    began: int = 0  # milliseconds, as MLflow has it
    keys: set[str] = field(default_factory=set)  # of metrics and parameters that it has taken

    @property
    def is_trial(self) -> bool:
        """Whether it fills a slot: it goes to MLflow whole, once it has ended or lasts."""
        return bool(self.start and self.start.study)


@dataclass
class Runs:
    """One journal's runs; `tell` hears what MLflow calls those that are no trials."""

    store: Store
    project: str
    journal: Path
    tell: Callable[[Message], None]
    resumed: bool  # an earlier sender may have made some
    by_name: dict[str, SentRun] = field(default_factory=dict)
    # By study: its runs by slot.
    _slots: dict[str, dict[str, entities.Run]] = field(default_factory=dict)
    _doubted: dict[str, str] = field(default_factory=dict)
    _looked: float = 0.0

    @property
    def experiment(self) -> str:
        """MLflow's id of the project's experiment."""
        return self.store.experiment(self.project)

    def find_or_make(self, run: SentRun) -> bool:
        """Give the run its id; false where MLflow has its slot or its study from someone later."""
        start = run.start
        if start is None:  # it began in another journal: an evaluation adds to a training
            found = self._search(run.name)
            if not found and any(older.name < self.journal.name for older in waiting()):
                raise UserError(f"run {run.name} is in a journal that is not sent yet")
            if not found:
                raise RefusedError(
                    "it has no such run: deleted, or of another store; "
                    "`dvc repro -f -s train evaluate` records it here"
                )
            run.id = found[0].info.run_id
            return True
        find = self._find_trial if run.is_trial else self._find_other
        wanted = find(run, start)
        if wanted and not run.id:
            run.id, run.began = self._make(run, start), start.t
        if run.id and not run.is_trial:
            self.tell(Recorded(run.name, run.id, self.experiment))
        return wanted

    def end(self, run: SentRun, status: str, time: int) -> None:
        """End it; where an answer was lost, see that there is no second."""
        # A continued study may have begun by another machine's clock.
        self.store.client.set_terminated(str(run.id), status, end_time=max(time, run.began))
        if run.doubtful:
            self._doubted[run.name] = str(run.id)
            self._drop_twins(run.name)

    def finish(self) -> None:
        """Once all is sent: look for twins again, which may come late."""
        for name in self._doubted:
            self._drop_twins(name)
        for study in self._slots:
            self._drop_doubles(str(self.by_name[study].id))

    def look_again(self) -> None:
        """After an outage others may have gone on with slots of this journal."""
        self._slots.clear()

    def take_back(self, run: SentRun, tries: int) -> None:
        """Delete what MLflow has of a trial that was started once more."""
        if run.id:
            self._delete(run.id)
        run.id, run.tries, run.fitted = None, tries, Fitted()
        run.keys = set()

    def _find_trial(self, run: SentRun, start: Start) -> bool:
        # Others may have made it since: a slot has more than one worker in its life.
        recent = start.if_missing or start.taken_over
        there = self._slots_of(start, recent=recent).get(start.key)
        if there is None:
            return True
        tags, ended = there.data.tags, there.info.status != "RUNNING"
        later = there.info.start_time > start.t and not start.taken_over
        if (tags.get("truefit.run"), tags.get("truefit.tries")) == (run.name, str(run.tries)):
            run.id, run.began = there.info.run_id, there.info.start_time
        elif later or tags.get("truefit.state") in STATES or (start.if_missing and ended):
            return False  # never in the place of one that has filled the slot: the first counts
        else:
            self._delete(there.info.run_id)
        return True

    def _find_other(self, run: SentRun, start: Start) -> bool:
        is_study = start.kind == "study"
        if not (is_study or self.resumed or run.doubtful):
            return True
        found = self._search(run.name)
        if not found:
            return True
        run.id, run.began = found[0].info.run_id, found[0].info.start_time
        if is_study:
            self._slots[run.name] = self._children(str(run.id))
            if found[0].data.tags.get("truefit.journal", "") > self.journal.stem:
                return False  # a later process has gone on with it
            self.store.client.update_run(run.id, status="RUNNING")
        return True

    def _make(self, run: SentRun, start: Start) -> str:
        if run.doubtful and (found := self._search(run.name)):
            return str(found[0].info.run_id)
        tags = {**start.tags, "truefit.kind": start.kind, "truefit.run": run.name}
        tags["truefit.journal"] = self.journal.stem
        if run.is_trial:
            tags |= {"mlflow.parentRunId": self._id_of(start)}
            tags |= {"truefit.key": start.key, "truefit.tries": run.tries}
        was_doubtful, run.doubtful = run.doubtful, True
        made = self.store.client.create_run(
            self.experiment,
            start_time=start.t,
            run_name=start.name,
            tags={key: run.fitted.text(key, value) for key, value in tags.items()},
        )
        run.doubtful = was_doubtful
        if start.kind == "study":
            self._slots[run.name] = {}
        return str(made.info.run_id)

    def _id_of(self, trial: Start) -> str:
        """MLflow's id of a trial's study, which another process may lead."""
        run = self.by_name.setdefault(trial.study, SentRun(trial.study))
        if not run.id and run.start is None and not self._search(run.name):
            if time.time() - trial.t / 1000 < PATIENCE:
                raise UserError("the run of the study that another process leads is not here yet")
            raise RefusedError("its study's run has not come")
        if not run.id:
            self.find_or_make(run)
        if not run.id:
            raise RefusedError(f"{run.name} is not there")
        return run.id

    def _slots_of(self, trial: Start, *, recent: bool = False) -> dict[str, entities.Run]:
        study = trial.study
        if study in self._slots and recent and time.monotonic() - self._looked > RECENT:
            del self._slots[study]
        if study not in self._slots:
            parent = self._id_of(trial)
            self._slots.setdefault(study, self._children(parent))
        return self._slots[study]

    def _children(self, parent: str) -> dict[str, entities.Run]:
        """The runs of a study's slots: the newest of each."""
        self._looked = time.monotonic()
        found = self.store.search(self.experiment, f"tags.`mlflow.parentRunId` = '{parent}'")
        return {run.data.tags.get("truefit.key", ""): run for run in reversed(found)}

    def _search(self, name: str) -> list[entities.Run]:
        return self.store.search(self.experiment, f"tags.`truefit.run` = '{name}'")

    def _drop_twins(self, name: str) -> None:
        """Where the answer to a `create_run` was lost, it may have made a run all the same."""
        for twin in self._search(name):
            if twin.info.run_id != self._doubted[name]:
                self._delete(twin.info.run_id)

    def _drop_doubles(self, study: str) -> None:
        """Where two workers have filled a slot, as after a cut-off, the first of them counts."""
        by_key: dict[str, list[entities.Run]] = {}
        for run in self.store.search(self.experiment, f"tags.`mlflow.parentRunId` = '{study}'"):
            by_key.setdefault(run.data.tags.get("truefit.key", ""), []).append(run)
        for runs in by_key.values():
            ended = [run for run in runs if run.data.tags.get("truefit.state", "killed") in STATES]
            first = min(ended, key=lambda run: (run.info.start_time, run.info.run_id), default=None)
            for run in runs if first else ():
                if run is not first:
                    self._delete(run.info.run_id)

    def _delete(self, run_id: str) -> None:
        if self.store.client.get_run(run_id).info.lifecycle_stage == "active":
            self.store.client.delete_run(run_id)
