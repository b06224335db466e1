"""Sends one journal to MLflow: in batches, in any number of attempts, everything exactly once.

MLflow takes a metric again without doubling it where key, value, time and step are the same, and
so it does with parameters, tags, inputs and files. Only runs and models have names of MLflow's
own: each carries the journal's (`truefit.run`), by which it is found where an answer was lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from truefit.tracking import events
from truefit.tracking.acks import Acks
from truefit.tracking.copies import left_out
from truefit.tracking.describe import status
from truefit.tracking.events import Event
from truefit.tracking.faults import refusable
from truefit.tracking.journal import attachments, read
from truefit.tracking.messages import Message
from truefit.tracking.models import describe_model, send_model
from truefit.tracking.readback import LostError, Taken, missing
from truefit.tracking.redaction import redact
from truefit.tracking.runs import RefusedError, Runs, SentRun
from truefit.tracking.store import Store
from truefit.tracking.values import Point
from truefit.tracking.views import mark_winner, share

UNSENT = ("stopped", "killed")  # trials that ended so are tried again, under the same slot
MOST = 20_000_000  # bytes of a journal that are read ahead
PATIENCE = 10.0  # seconds after which what is known of a run under way is sent


@dataclass
class Sender:
    """One journal's way to MLflow; `step` and again until it says that all is sent."""

    journal: Path
    store: Store
    say: Callable[[str], None]
    tell: Callable[[Message], None] = lambda _: None
    flushed: int = 0  # how often MLflow has taken a run's events
    failure: str = ""  # of the last step; empty where MLflow took what it was sent
    _winners: dict[str, int] = field(default_factory=dict, init=False)  # slots by study's run
    _read: int = field(default=0, init=False)
    _acked: int = field(default=0, init=False)
    _taken: dict[str, Taken] = field(default_factory=dict, init=False)
    _gone: list[str] = field(default_factory=list, init=False)  # copies of files, with their runs

    def __post_init__(self) -> None:
        """Go on behind what earlier attempts have sent to the same store."""
        first, _ = next(read(self.journal), (None, 0))
        self._acks = Acks(self.journal.with_suffix(".acks"), self.store.uri)
        resumed = self._acks.exist()
        project = first.project if isinstance(first, events.Open | events.Start) else ""
        self.runs = Runs(self.store, project, self.journal, self.tell, resumed)
        for ack in self._acks.read():
            self._read = self._acked = self._acked if ack.offset is None else ack.offset
            self._winners |= ack.winner
            if ack.run:
                run = SentRun(ack.run, ack.id, ack.tries, doubtful=True)
                self.runs.by_name[run.name] = run
                self._taken[run.name] = Taken(ack.id)
        self._acks.begin()

    def step(self, *, everything: bool = False) -> bool:
        """Read what is new and send what is due; whether all that is in the journal is sent.

        Raises:
            LostError: the database is not the one that has taken the journal up to here.
        """
        if self.store.is_replaced():
            self._begin_again(f"the database of MLflow at {self.store.uri} was removed or replaced")
        self.failure = ""
        begin, last = self._read, self._read + MOST
        for event, end in read(self.journal, self._read):
            if event is None:
                self.say(
                    f"note: {self.journal.name} holds no event at byte {begin}; it is left out"
                )
            else:
                self._take(event, begin)
            begin = self._read = end
            if end > last:  # an outage leaves more than memory should hold
                break
        failures = 0
        for run in [r for r in self._pending() if everything or _is_due(r)]:
            failures += not self._flush(run)
            if failures > 1:  # not this run alone: MLflow is away
                break
        done = min((run.offset for run in self._pending()), default=self._read)
        if done > self._acked:
            self._acked = done
            self._acks.sent(done)
        return not self._pending() and self._read + 1 >= self.journal.stat().st_size

    def finish(self) -> None:
        """The last that there is to do, once all is sent: MLflow has to give it back.

        Raises:
            LostError: it does not.
        """
        self.runs.finish()
        if self._gone:
            self.say(left_out(self._gone))
            self._gone.clear()
        if self._taken:
            of = self._taken.values()
            lost = missing(self.store, self.runs.experiment, self.journal.stem, of)
            if lost or self.store.is_replaced():
                why = f"gives back {len(of) - len(lost)} of the {len(of)} runs that it took"
                self._begin_again(f"MLflow at {self.store.uri} {why}")
        for study, slot in self._winners.items():
            mark_winner(self.store, self.runs.experiment, study, slot)

    def abandon(self) -> None:
        """End the runs whose journal somebody has removed: nothing more will be told of them."""
        reason = f"{self.journal} was removed while its stage ran"
        now = time.time_ns() // 10**6
        for run in [run for run in self.runs.by_name.values() if run.id and self._goes_on(run)]:
            self.store.log(
                str(run.id), [], {}, {"truefit.state": "killed", "truefit.reason": reason}
            )
            self.runs.end(run, status("killed", has_result=False), now)

    def _goes_on(self, run: SentRun) -> bool:
        return run.name not in self._taken or not self._taken[run.name].status

    def _begin_again(self, why: str) -> None:
        """Forget what was acknowledged, so that the next sender sends all of the journal."""
        self._acks.forget()
        raise LostError(f"{why}; everything of {self.journal.stem} is to be sent again")

    def _pending(self) -> list[SentRun]:
        return [run for run in self.runs.by_name.values() if run.pending]

    def _take(self, event: Event, offset: int) -> None:
        if isinstance(event, events.Open | events.Close):
            return
        run = self.runs.by_name.setdefault(event.run, SentRun(event.run))
        if isinstance(event, events.Start):
            run.start = event
        if not run.pending:
            run.offset, run.since = offset, time.monotonic()
        run.pending.append(event)

    def _flush(self, run: SentRun) -> bool:
        """Send a run's events; whether MLflow was there."""
        try:
            with refusable(RefusedError):
                self._send(run)
        except RefusedError as error:
            run.passed_over = True
            self._complain(run, error)
        except self.store.away as error:
            self.failure = self.store.explain(error)
            self.runs.look_again()
            return False
        except (LookupError, TypeError, AttributeError) as error:  # of what the journal says
            run.passed_over = True
            self.say(redact(f"note: {run.name} is left out: {type(error).__name__}: {error}"))
        except Exception as error:  # noqa: BLE001 - of one run; the others go on
            self.failure = redact(f"{run.name} cannot be sent: {type(error).__name__}: {error}")
            return True
        self.flushed += 1
        ended = isinstance(run.pending[-1], events.End)
        run.pending.clear()
        if run.is_trial and ended:
            del self.runs.by_name[run.name]
        return True

    def _send(self, run: SentRun) -> None:
        if run.passed_over or (run.is_trial and _is_open(run)):
            return
        told = self._newest_attempt(run)
        if not run.id:
            run.passed_over = not self.runs.find_or_make(run)
            if run.passed_over:
                return
            self._acks.made(run.name, str(run.id), run.tries)
        told = self._without_late_end(run, told)
        self._log(run, told)
        for event in told:
            try:
                with refusable(RefusedError):
                    self._attach(run, event)
            except RefusedError as error:  # of this one thing
                self._complain(run, error)
        ended = ""
        if told and isinstance(last := told[-1], events.End):
            ended = status(last.state, has_result=bool(last.has_result))
            self.runs.end(run, ended, last.t)
        self._taken[run.name] = Taken(str(run.id), frozenset(run.keys), ended)

    def _complain(self, run: SentRun, error: RefusedError) -> None:
        name = run.start.name if run.start else run.name
        self.say(f"note: MLflow refuses {name}: {error}")

    def _newest_attempt(self, run: SentRun) -> list[Event]:
        """Events since the run was last started; what MLflow has of earlier attempts goes."""
        starts = [i for i, event in enumerate(run.pending) if isinstance(event, events.Start)]
        if not starts:
            return run.pending
        if run.start and run.start.tries > run.tries:
            self.runs.take_back(run, run.start.tries)
        return run.pending[starts[-1] :]

    def _without_late_end(self, run: SentRun, told: list[Event]) -> list[Event]:
        """A process that was killed does not end what others have ended since."""
        last = told[-1]
        if not isinstance(last, events.End) or last.state != "killed":
            return told
        there = self.store.client.get_run(str(run.id))
        mine = there.data.tags.get("truefit.journal", "") == self.journal.stem
        return told if mine and there.info.status == "RUNNING" else told[:-1]

    def _log(self, run: SentRun, told: list[Event]) -> None:
        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str | float] = {}
        for event in told:
            match event:
                case events.Epoch() | events.Log() as values:
                    points += run.fitted.points(values.metrics, values.t, values.step)
                case events.End() as end:
                    points += run.fitted.points(end.metrics or {}, end.t, 0)
                    tags["truefit.state"] = end.state
                    # That a study was interrupted is true no more once it has gone on to its end.
                    if end.reason or run.start is None or run.start.kind == "study":
                        tags["truefit.reason"] = end.reason
                case events.Start() as start:
                    params |= run.fitted.params(start.params)
                    # A study may be a continued one.
                    tags |= start.tags if start.kind == "study" else {}
                    tags["truefit.journal"] = self.journal.stem
            if isinstance(event, events.Log):
                tags |= event.tags or {}
        texts = {key: run.fitted.text(key, value) for key, value in tags.items()}
        if note := run.fitted.note():
            texts["truefit.notes"] = note
        self.store.log(str(run.id), points, params, texts)
        run.keys |= {key for key, *_ in points} | {*params}

    def _attach(self, run: SentRun, event: Event) -> None:
        client, run_id = self.store.client, str(run.id)
        match event:
            case events.Start(dataset=events.Dataset() as dataset):
                self.store.log_dataset(run_id, dataset)
            case events.Text(path=path, text=text):
                client.log_text(run_id, text, path)
            case events.Kept() as event:
                source = attachments(self.journal) / event.kept
                if source.exists():
                    self._attach_file(run, event, source)
                else:
                    self._gone.append(
                        f"{source.name} of {run.start.name if run.start else run.name}"
                    )
            case events.View() as view:
                share(self.store, self.runs.experiment, run.name, run_id, view.columns)
                self._note_winner(run_id, view.winner)
            case events.Scores() as scores:
                points = run.fitted.points(scores.metrics, scores.t, 0)
                self.store.log_scores(run_id, scores.on, points)
                run.keys |= {key for key, *_ in points}

    def _attach_file(self, run: SentRun, event: events.Kept, source: Path) -> None:
        client, run_id = self.store.client, str(run.id)
        match event:
            case events.Model():
                send_model(self.store, self.runs.experiment, run_id, run.name, source)
            case events.Card():
                describe_model(self.store, self.runs.experiment, run.name, source)
            case events.File(folder=folder) if source.is_dir():
                client.log_artifacts(run_id, str(source), folder)
            case events.File(folder=folder):
                client.log_artifact(run_id, str(source), folder)

    def _note_winner(self, study: str, slot: int | None) -> None:
        """Its trial is marked at the end, when all trials are there."""
        if slot is not None:  # journals of earlier versions do not tell
            self._winners[study] = slot
            self._acks.won(study, slot)


def _is_due(run: SentRun) -> bool:
    """Whether to send now: it has ended, waits for long, or is not there and no trial."""
    ended = isinstance(run.pending[-1], events.End)
    missing = not run.id and not run.is_trial
    return ended or missing or time.monotonic() - run.since > PATIENCE


def _is_open(run: SentRun) -> bool:
    """Whether a slot is to be filled again, and MLflow has not heard of this attempt."""
    last = run.pending[-1]
    stopped = isinstance(last, events.End) and last.state in UNSENT
    return stopped and not run.id and not run.doubtful
