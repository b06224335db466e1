"""What MLflow gives back of what it took: only that is called sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from truefit.core.errors import UserError
from truefit.tracking import events
from truefit.tracking.journal import read, sent
from truefit.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

AT_ONCE = 200  # runs that one search names


@dataclass(frozen=True)
class Taken:
    """What MLflow has taken of one run; `status` once it has ended."""

    id: str
    keys: frozenset[str] = frozenset()  # of metrics and parameters
    status: str = ""


class LostError(UserError):
    """MLflow does not have what it took: all of the journal has to be sent again."""


def missing(store: Store, experiment: str, journal: str, taken: Iterable[Taken]) -> list[str]:
    """Ids of the runs that MLflow does not give back, or not with all that it took.

    Args:
        store: to ask.
        experiment: MLflow's id.
        journal: its name; a run that another one has gone on with since may have another status.
        taken: what was sent. A run that somebody deleted in MLflow is not missing.
    """
    wanted = list(taken)
    there: dict[str, Run] = {}
    for first in range(0, len(wanted), AT_ONCE):
        ids = ", ".join(f"'{one.id}'" for one in wanted[first : first + AT_ONCE])
        found = store.search(experiment, f"attributes.run_id IN ({ids})", deleted=True)
        there |= {run.info.run_id: run for run in found}
    return [one.id for one in wanted if not _is_back(one, there.get(one.id), journal)]


def _is_back(taken: Taken, run: Run | None, journal: str) -> bool:
    if run is None:
        return False
    if run.info.lifecycle_stage != "active":
        return True
    others = run.data.tags.get("truefit.journal") != journal
    ended = not taken.status or others or run.info.status == taken.status
    return ended and taken.keys <= {*run.data.metrics, *run.data.params}


def lacking(store: Store) -> tuple[list[str], int]:
    """Runs of journals that were sent, and that MLflow does not have; and how many were sent.

    Trials are left out: what of them MLflow keeps hangs on who has filled a slot first.

    Raises:
        UserError: MLflow cannot be reached.
    """
    by_project: dict[str, dict[str, str]] = {}
    for journal in sent():
        project = ""
        for event, _ in read(journal):
            if isinstance(event, events.Open):
                project = event.project
            elif isinstance(event, events.Start) and not event.study:
                by_project.setdefault(project, {})[event.run] = event.name
    try:
        lost = [
            name for project, runs in by_project.items() for name in _lost(store, project, runs)
        ]
    except store.away as error:
        raise store.refusal(error) from None
    return lost, sum(map(len, by_project.values()))


def _lost(store: Store, project: str, runs: dict[str, str]) -> list[str]:
    experiment = store.client.get_experiment_by_name(project)
    if experiment is None:
        return list(runs.values())
    found = store.search(experiment.experiment_id, "tags.`truefit.kind` != 'trial'", deleted=True)
    there = {run.data.tags.get("truefit.run") for run in found}
    return [name for run, name in runs.items() if run not in there]
