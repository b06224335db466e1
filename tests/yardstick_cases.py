"""Prepared data as yardsticks get them, and their scores."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sections

from truefit.core.prepared.folder import SPLITS, read_facts, read_split
from truefit.datasets.checks import Source
from truefit.datasets.prepare import prepare
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.yardsticks.yardstick import Yardstick
from truefit.training import tasks

Cases = dict[str, Case]


def cases_of(folder: Path, source: Source, task: str = "auto", **split: Any) -> Cases:
    """A source prepared with a task's target, and no predictions but for what a scoring lists."""
    kind = {"next_token": "next", "reconstruction": "input", "ratings": "number"}.get(task, "auto")
    prepare(source, sections.data(**split), kind, 0, folder)
    facts = read_facts(folder)
    of_task = getattr(tasks, task)(facts=facts)
    found = {name: read_split(folder, name) for name in SPLITS}
    given = {"ratings": 5, "reconstruction": 4}.get(task, 1)
    return {
        name: Case(name, s.x, s.y, np.full((len(s.x), given), 0.5), facts, of_task)
        for name, s in found.items()
    }


def score(cases: Cases, one: Yardstick, name: str = "loss", split: str = "validation") -> float:
    case = replace(cases[split], prediction=one.predictions[split])
    scoring = importlib.import_module(case.task.scoring)
    return float(scoring.scores(case, np.ones((1, len(case.y))))[name][0])
