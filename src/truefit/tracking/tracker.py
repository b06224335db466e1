"""What the stages tell MLflow with: every call appends to the journal and returns at once."""

from __future__ import annotations

import json
import os
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from truefit.core.errors import UserError
from truefit.core.inputs import Inputs
from truefit.core.paths import PREPARED
from truefit.core.resolved import dump
from truefit.core.results import Logs
from truefit.tracking import events
from truefit.tracking.background import Writer
from truefit.tracking.events import Dataset, Metrics, Params, Start, Tags
from truefit.tracking.journal import Journal
from truefit.tracking.messages import Message, Recorded, Said
from truefit.tracking.provenance import environment, environment_tags, is_whole, uncommitted
from truefit.tracking.redaction import redact
from truefit.tracking.writer import UNSENT

if TYPE_CHECKING:
    from truefit.config.schema import Config


class Tracker:
    """A stage's journal and the process that sends it; use it as a context manager.

    An exception that leaves the block ends every open run: as `stopped` after Ctrl-C or SIGTERM,
    as `error` with its traceback otherwise.
    """

    def __init__(self, project: str, stage: str, say: Callable[[str], None] = print) -> None:
        """Open a journal and start its writer."""
        self.project = project
        self.say = say
        self.ids: dict[str, Recorded] = {}  # what MLflow calls the runs that are no trials
        self.unsent = False
        self._closed = self._is_incomplete = False
        self._open: dict[str, Start] = {}
        self._journal = Journal.create(project, stage)
        self._writer = None if is_offline() else Writer(self._journal.path, self._hear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self._end_all(error)
        except (OSError, UserError) as full:  # the writer ends them, or the next stage
            self._say_incomplete(full)
        self.close()

    def start(
        self,
        kind: str,
        name: str,
        *,
        run: str | None = None,
        tags: Tags | None = None,
        params: Params | None = None,
        dataset: Dataset | None = None,
        study: str = "",
        key: str = "",
        if_missing: bool = False,
        taken_over: bool = False,
        t: int = 0,
    ) -> str:
        """A run begins; returns the journal's name for it, which MLflow has as `truefit.run`.

        A trial has `study`, the name of its study's run, and `key`, its place there. Starting a
        run again takes back what was told of it. Other arguments: see `events.Start`.
        """
        start = Start(
            run=run or uuid.uuid4().hex,
            t=t or self.now(),
            kind=kind,
            name=name,
            project=self.project,
            tags={**environment_tags(), **(tags or {})},
            params=params or {},
            dataset=dataset,
            tries=self._open[run].tries + 1 if run in self._open else 0,
            if_missing=if_missing,
            taken_over=taken_over,
            study=study,
            key=key,
        )
        self._begin(start)
        return start.run

    def _begin(self, start: Start) -> None:
        self._open[start.run] = start
        self._journal.write(start)

    def now(self) -> int:
        """Milliseconds since 1970, as every event has them: see `Journal.now`."""
        return self._journal.now()

    def again(self, run: str) -> None:
        """A run's training is tried again from its beginning."""
        start = self._open[run]
        self._begin(replace(start, t=self.now(), tries=start.tries + 1))

    def view(self, run: str, params: list[str], winner: int) -> None:
        """Share a study's table and charts in MLflow's UI, and mark the trial that won."""
        self._journal.write(events.View(run=run, columns=params, winner=winner))

    def provenance(self, run: str, config: Config) -> None:
        """Files with the whole configuration, the environment, and what is not committed."""
        self.text(run, "config.yaml", dump(config))
        device = config["runtime"]["device"]
        self.text(run, "environment.json", json.dumps(environment(device).as_json(), indent=2))
        self.text(run, "uncommitted.diff.txt", uncommitted())
        self.log(run, tags={"git.diff.whole": str(is_whole()).lower()})

    def inputs(self, run: str, stage: str, inputs: Inputs) -> None:
        """What a stage reads, as files of the run."""
        self.text(run, f"inputs/{stage}.json", json.dumps(inputs.files, indent=1))
        self.text(run, "inputs/dataset.json", (PREPARED / "dataset.json").read_text())
        if "DVC_STAGE" in os.environ:  # else dvc.lock may be of other data
            self.text(run, "inputs/dvc.lock", Path("dvc.lock").read_text())

    def check(self, run: str, stage: str, inputs: Inputs) -> None:
        """Once the stage has ended: a run whose inputs changed under it says so."""
        changed = inputs.changed()
        few = ", ".join(changed[:5]) + (" ..." if len(changed) > 5 else "")
        self.log(run, tags={f"truefit.changed.{stage}": few})
        if changed:
            self.say(f"warning: changed while {stage} ran: {few}; the record is of what was before")

    def epoch(self, run: str, step: int, metrics: Logs) -> None:
        """Values after an epoch (from 1)."""
        # MLflow shows a metric's value at its last step, and `gap` is that of the best epoch.
        named = {"epoch_gap" if key == "gap" else key: value for key, value in metrics.items()}
        self._journal.write(events.Epoch(run=run, step=step, metrics=named))

    def sample(self, run: str, values: dict[str, float]) -> None:
        """`system/...` values now; their step is the second since the run began."""
        step = (self.now() - self._open[run].t) // 1000
        self._journal.write(events.Log(run=run, metrics=values, step=step))

    def log(
        self,
        run: str,
        *,
        metrics: Metrics | None = None,
        tags: Tags | None = None,
        step: int = 0,
    ) -> None:
        """Values and tags of a run."""
        self._journal.write(events.Log(run=run, metrics=metrics or {}, tags=tags or {}, step=step))

    def scores(self, run: str, metrics: Metrics, on: Dataset | None = None) -> None:
        """Values that belong to the run's model, measured on a dataset."""
        self._journal.write(events.Scores(run=run, metrics=metrics, on=on))

    def text(self, run: str, path: str, text: str) -> None:
        """A file of the run, by its contents; passwords in addresses are left out."""
        self._journal.write(events.Text(run=run, path=path, text=redact(text)))

    def file(self, run: str, source: Path, folder: str | None = None) -> None:
        """A file or folder of the run; it is copied now."""
        copy = self._journal.keep(source)
        self._journal.write(events.File(run=run, kept=copy.kept, files=copy.files, folder=folder))

    def model(self, run: str, folder: Path) -> None:
        """The run's model, as `save_model` wrote it."""
        copy = self._journal.keep(folder)
        self._journal.write(events.Model(run=run, kept=copy.kept, files=copy.files))

    def card(self, run: str, file: Path) -> None:
        """A description of the run's model, kept with the model."""
        copy = self._journal.keep(file)
        self._journal.write(events.Card(run=run, kept=copy.kept, files=copy.files))

    def end(
        self,
        run: str,
        state: str,
        reason: str = "",
        metrics: Metrics | None = None,
        *,
        has_result: bool = False,
    ) -> None:
        """A run ends, in its ending class and with its last values; a traceback is a file of it.

        `has_result` says whether a training came to a result: `timed_out` leaves that open.
        """
        if "\n" in reason:
            self.text(run, "traceback.txt", reason)
        first = redact(reason.partition("\n")[0])
        self._journal.write(
            events.End(
                run=run, state=state, reason=first, metrics=metrics or {}, has_result=has_result
            )
        )
        self._open.pop(run, None)

    def close(self) -> None:
        """No more to tell: wait for the writer, which waits for MLflow for a short while."""
        if self._closed:
            return
        self._closed = True
        try:
            for run in reversed(list(self._open)):
                self.end(run, "stopped", "the stage ended without ending it")
            self._journal.close()
        except (OSError, UserError) as full:  # the writer ends what is open, as of a dead process
            self._say_incomplete(full)
            self._journal.release()
        code = self._writer.finish() if self._writer else UNSENT
        if code not in (0, UNSENT, None):  # killed, or what it sent was lost: another sends it
            code = Writer(self._journal.path, self._hear).finish()
        if code not in (0, UNSENT, None):
            self.say("note: the process that sends to MLflow fails: .truefit/writer.log says why")
        if code is None:
            self.say("note: MLflow is slow; a process in the background goes on sending to it")
        self.unsent = code != 0
        self._journal.release()

    def _say_incomplete(self, error: Exception) -> None:
        if not self._is_incomplete:
            self.say(f"note: the journal is not complete: {error}")
        self._is_incomplete = True

    def id(self, run: str) -> str | None:
        """MLflow's id of a run, once the writer has told; `None` while MLflow is away."""
        known = self.ids.get(run)
        return known.id if known else None

    def _end_all(self, error: BaseException) -> None:
        stopped = isinstance(error, KeyboardInterrupt)
        reason = "stopped by Ctrl-C or SIGTERM" if stopped else f"{type(error).__name__}: {error}"
        if isinstance(error, UserError):
            reason = str(error)
        elif not stopped:
            reason = "\n".join([reason, *traceback.format_exception(error)])
        for run, start in reversed(list(self._open.items())):
            if stopped or start.study:  # its slot is filled another time
                self.end(run, "stopped", reason.partition("\n")[0])
            else:
                self.end(run, "error", reason)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Said):
            self.say(message.say)
        else:
            self.ids[message.run] = message


def is_offline() -> bool:
    """`TRUEFIT_OFFLINE=1`: stages write their journal alone, and `truefit sync` sends it."""
    return bool(os.environ.get("TRUEFIT_OFFLINE"))
