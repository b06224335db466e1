"""What the journals say compared with what MLflow holds: everything, exactly once."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from truefit.tracking.events import Close, End, Epoch, Event, File, Log, Open, Scores, Start, Text
from truefit.tracking.journal import read

STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "stopped": "KILLED", "killed": "KILLED"}


@dataclass
class Told:
    """All that the journals say of one run."""

    start: Start
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)  # step and value
    tags: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    end: End | None = None

    @property
    def slot(self) -> tuple[str, str] | None:
        return (self.start.study, self.start.key) if self.start.study else None

    @property
    def is_final(self) -> bool:
        return self.end is not None and self.end.state not in ("stopped", "killed")

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The highest of a slot counts: one that has filled it, told at first hand, early."""
        return self.is_final, not self.start.if_missing, -self.start.t

    def add(self, event: Event) -> None:
        if isinstance(event, Epoch | Log | Scores | End):
            step = event.step if isinstance(event, Epoch | Log) else 0
            for key, value in (event.metrics or {}).items():
                if isinstance(value, int | float) and math.isfinite(value):
                    self.metrics.setdefault(key, []).append((step, float(value)))
        if isinstance(event, Start | Log):
            self.tags |= {key: str(value) for key, value in (event.tags or {}).items()}
        if isinstance(event, Text):
            self.files.add(event.path.partition("/")[0])
        elif isinstance(event, File):
            self.files.add(event.folder or event.kept.rpartition("/")[2])
        elif isinstance(event, End):
            self.end = event


def told(folder: Path) -> dict[str, Told]:
    """Every run of the journals by its name there."""
    runs: dict[str, Told] = {}
    files = [*folder.glob("*.jsonl"), *folder.glob("sent/*.jsonl")]
    for journal in sorted(files, key=attrgetter("name")):
        for event, _ in read(journal):
            if event is None or isinstance(event, Open | Close):
                continue
            if isinstance(event, Start) and (event.run not in runs or event.kind != "study"):
                runs[event.run] = Told(event)
            runs[event.run].add(event)
    return runs


def expected(runs: dict[str, Told]) -> dict[str, Told]:
    """What MLflow should hold of these: the first attempt that filled each slot."""
    trials = newest_of_each_slot(runs)
    return {name: run for name, run in runs.items() if not run.slot or name in trials}


def unfilled(runs: dict[str, Told]) -> set[str]:
    """Stopped trials of slots that nobody has filled: MLflow has those that lasted a while."""
    filled = {run.slot for run in runs.values() if run.is_final}
    return {name for name, run in runs.items() if run.slot and run.slot not in filled}


def newest_of_each_slot(runs: dict[str, Told]) -> set[str]:
    """The one of a slot's trials that filled it, or else none."""
    slots: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        if run.slot:
            slots.setdefault(run.slot, []).append(name)
    return {
        max(names, key=lambda name: runs[name].rank)
        for names in slots.values()
        if any(runs[name].is_final for name in names)
    }


def differences(folder: Path, client: Any, experiment: str = "1") -> list[str]:
    """One line for each thing that is not there, there twice, or otherwise."""
    found: list[str] = []
    runs_told = told(folder)
    wanted = expected(runs_told)
    there: dict[str, list[Any]] = {}
    for run in client.search_runs([experiment], max_results=5000):
        there.setdefault(run.data.tags.get("truefit.run", "?"), []).append(run)
    found += [f"{name}: nobody told of it" for name in {*there} - {*wanted} - unfilled(runs_told)]
    for name, run in wanted.items():
        if len(there.get(name, [])) != 1:
            found.append(f"{run.start.name}: {len(there.get(name, []))} runs")
            continue
        found += compare(client, there[name][0], run)
    slots = Counter(
        (run.data.tags["mlflow.parentRunId"], run.data.tags["truefit.key"])
        for runs in there.values()
        for run in runs
        if "truefit.key" in run.data.tags
    )
    return found + [f"slot {slot}: {count} runs" for slot, count in slots.items() if count > 1]


def compare(client: Any, run: Any, wanted: Told) -> list[str]:
    """What of one run is not as it was told."""
    state = wanted.end.state if wanted.end else "?"
    there: dict[str, Any] = {"status": run.info.status}
    told: dict[str, Any] = {"status": STATUS.get(state, "FAILED")}
    if state == "timed_out" and wanted.end and wanted.end.has_result:
        told["status"] = "FINISHED"
    for key, points in wanted.metrics.items():
        history = client.get_metric_history(run.info.run_id, key)
        there[key], told[key] = sorted((m.step, m.value) for m in history), sorted(points)
    there["metrics"], told["metrics"] = set(run.data.metrics), set(wanted.metrics)
    for kind, values in (("tags", wanted.tags), ("params", wanted.start.params)):
        have = getattr(run.data, kind)
        there[kind] = {key: have.get(key) for key in values}
        told[kind] = {key: str(value) for key, value in values.items()}
    if wanted.files:
        there["files"] = {file.path for file in client.list_artifacts(run.info.run_id)}
        told["files"] = wanted.files
    there["datasets"] = len(run.inputs.dataset_inputs)
    told["datasets"] = int(wanted.start.dataset is not None)
    name = wanted.start.name
    return [f"{name}: {k} {there[k]} for {told[k]}" for k in told if there[k] != told[k]]
