"""What the journals say compared with what MLflow holds: everything, exactly once."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from truefit.tracking.journal import read

STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "stopped": "KILLED", "killed": "KILLED"}


def told(folder: Path) -> dict[str, dict[str, Any]]:
    """Every run of the journals by its name there."""
    runs: dict[str, dict[str, Any]] = {}
    for journal in sorted([*folder.glob("*.jsonl"), *folder.glob("sent/*.jsonl")], key=by_name):
        for event, _ in read(journal):
            if event is None or event["op"] in ("open", "close"):
                continue
            name = event["run"]
            if event["op"] == "start" and (name not in runs or event["kind"] != "study"):
                runs[name] = {
                    "start": event,
                    "metrics": {},
                    "tags": {},
                    "files": set(),
                    "end": None,
                }
            add(runs[name], event)
    return runs


def expected(runs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What MLflow should hold of these: the first attempt that filled each slot."""
    trials = newest_of_each_slot(runs)
    return {
        name: run for name, run in runs.items() if "study" not in run["start"] or name in trials
    }


def unfilled(runs: dict[str, dict[str, Any]]) -> set[str]:
    """Stopped trials of slots that nobody has filled: MLflow has those that lasted a while."""
    filled = {slot_of(run) for run in runs.values() if is_final(run)}
    return {name for name, run in runs.items() if "study" in run["start"]} - {
        name for name, run in runs.items() if slot_of(run) in filled
    }


def slot_of(run: dict[str, Any]) -> tuple[str, str] | None:
    start = run["start"]
    return (start["study"], start["key"]) if "study" in start else None


def by_name(path: Path) -> str:
    return path.name


def add(run: dict[str, Any], event: dict[str, Any]) -> None:
    step = event.get("step", 0)
    for key, value in event.get("metrics", {}).items():
        if isinstance(value, int | float) and math.isfinite(value):
            run["metrics"].setdefault(key, []).append((step, float(value)))
    run["tags"] |= {key: str(value) for key, value in event.get("tags", {}).items()}
    if event["op"] == "text":
        run["files"].add(event["path"].partition("/")[0])
    elif event["op"] == "file":
        run["files"].add(event["folder"] or event["kept"].rpartition("/")[2])
    elif event["op"] == "end":
        run["end"] = event


def newest_of_each_slot(runs: dict[str, dict[str, Any]]) -> set[str]:
    """The one of a slot's trials that filled it, or else none."""
    slots: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        if "study" in run["start"]:
            slots.setdefault((run["start"]["study"], run["start"]["key"]), []).append(name)
    return {
        max(names, key=lambda name: rank(runs[name]))
        for names in slots.values()
        if any(is_final(runs[name]) for name in names)
    }


def rank(run: dict[str, Any]) -> tuple[bool, bool, int]:
    """The highest of a slot's runs counts: one that has filled it, told at first hand, early."""
    return is_final(run), not run["start"]["if_missing"], -run["start"]["t"]


def is_final(run: dict[str, Any]) -> bool:
    return run["end"] is not None and run["end"]["state"] not in ("stopped", "killed")


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
            found.append(f"{run['start']['name']}: {len(there.get(name, []))} runs")
            continue
        found += compare(client, there[name][0], run)
    slots = Counter(
        (run.data.tags["mlflow.parentRunId"], run.data.tags["truefit.key"])
        for runs in there.values()
        for run in runs
        if "truefit.key" in run.data.tags
    )
    return found + [f"slot {slot}: {count} runs" for slot, count in slots.items() if count > 1]


def compare(client: Any, run: Any, wanted: dict[str, Any]) -> list[str]:
    """What of one run is not as it was told."""
    state = wanted["end"]["state"] if wanted["end"] else "?"
    there: dict[str, Any] = {"status": run.info.status}
    told: dict[str, Any] = {"status": STATUS.get(state, "FAILED")}
    if state == "timed_out" and wanted["end"].get("has_result"):
        told["status"] = "FINISHED"
    for key, points in wanted["metrics"].items():
        history = client.get_metric_history(run.info.run_id, key)
        there[key], told[key] = sorted((m.step, m.value) for m in history), sorted(points)
    there["metrics"], told["metrics"] = set(run.data.metrics), set(wanted["metrics"])
    for kind, values in (("tags", wanted["tags"]), ("params", wanted["start"]["params"])):
        have = getattr(run.data, kind)
        there[kind] = {key: have.get(key) for key in values}
        told[kind] = {key: str(value) for key, value in values.items()}
    if wanted["files"]:
        there["files"] = {file.path for file in client.list_artifacts(run.info.run_id)}
        told["files"] = wanted["files"]
    there["datasets"] = len(run.inputs.dataset_inputs)
    told["datasets"] = int(wanted["start"]["dataset"] is not None)
    name = wanted["start"]["name"]
    return [f"{name}: {k} {there[k]} for {told[k]}" for k in told if there[k] != told[k]]
