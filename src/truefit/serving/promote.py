"""`truefit promote`: a run's model becomes the champion, if the rules of the configuration hold."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.config.faults import refused_targets
from truefit.core.backend import set_environment
from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import SPLITS, Split, read_facts, read_split
from truefit.core.readable import readable
from truefit.core.resolved import load
from truefit.datasets.npz import FAULTS
from truefit.evaluation.intervals import bootstrap
from truefit.evaluation.measure import predict_splits, test_rows
from truefit.evaluation.scoring.case import Case
from truefit.evaluation.scoring.scoring import Scoring, find_scoring
from truefit.tracking.records import MODEL, Record, from_mlflow, latest
from truefit.tracking.registry import Version, champion, crown, model_name
from truefit.tracking.store import Store
from truefit.training.building import make_task
from truefit.training.tasks import Task

if TYPE_CHECKING:
    from truefit.config.schema import Config, Promotion
    from truefit.evaluation.metrics import Metrics

EQUAL = 1e-4  # how far a score, computed again, may be from the recorded one
VERIFIED = ("bit-exact", "within tolerance")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Rule:
    """One condition: its name in `conf/promotion`, whether it holds, and the evidence."""

    name: str
    holds: bool
    said: str


@dataclass(frozen=True)
class Decision:
    """What became of a run: the champion after it, and the rules that decided."""

    run_id: str
    promoted: bool
    champion: Version | None
    rules: list[Rule]


def promote(run_id: str, *, compare: bool, say: Say) -> Decision:
    """Register the run's model and give it the alias `champion`, if every rule holds.

    Args:
        run_id: MLflow's id of a training, or `latest`: the one whose outputs lie here.
        compare: with the present champion; without, the other rules decide.
        say: hears what is under way.

    Raises:
        UserError: MLflow cannot be reached, or has no such run; or the run cannot be judged here.
    """
    config = load()
    rules, name = config["promotion"], model_name(config)
    store = Store.open()
    run_id = latest(store) if run_id == "latest" else run_id
    with tempfile.TemporaryDirectory(prefix="truefit-promote-") as place:
        run = from_mlflow(store, run_id, Path(place, "run"))
        _require_evaluated(run)
        found = list(_own_rules(run, rules))
        before = champion(store, name)
        if before and before.run_id == run_id:
            return Decision(run_id, promoted=False, champion=before, rules=found)
        if before and compare and all(rule.holds for rule in found):
            say(f"comparing with the champion, version {before.number} (run {before.run_id})")
            against = from_mlflow(store, before.run_id, Path(place, "champion"))
            found.append(_better(config, run, against))
        if not all(rule.holds for rule in found):
            return Decision(run_id, promoted=False, champion=before, rules=found)
        if champion(store, name) != before:
            raise UserError(f"{name} has another champion since a moment ago: promote again")
        evidence = {f"truefit.rule.{rule.name}": rule.said for rule in found}
        return Decision(run_id, True, crown(store, name, run_id, evidence), found)


def table(decision: Decision) -> str:
    """A line for each rule, and what became of it."""
    lines = [f"{'ok' if r.holds else 'no':<4}{r.name:<10}{r.said}" for r in decision.rules]
    now = decision.champion
    if now and now.run_id == decision.run_id:
        is_now = "is now" if decision.promoted else "is already"
        lines.append(
            f"run {decision.run_id} {is_now} the champion: {now.name} version {now.number}"
        )
        return "\n".join(lines)
    stays = f"; version {now.number} of {now.name} stays the champion" if now else ""
    failed = ", ".join(rule.name for rule in decision.rules if not rule.holds)
    lines.append(f"not promoted: {failed}{stays}")
    return "\n".join(lines)


def _require_evaluated(run: Record) -> None:
    if run.tags.get("truefit.kind") != "train":
        kind = run.tags.get("truefit.kind", "no run of truefit")
        raise UserError(f"run {run.id} is {kind}: a training is promoted, as `truefit show` names")
    if run.json("metrics.json") is None or "truefit.test" not in run.tags:
        raise UserError(
            f"run {run.id} is not evaluated, or was by an earlier version: `dvc repro evaluate` "
            "does, and `truefit sync` sends what is left"
        )


def _own_rules(run: Record, rules: Promotion) -> Iterator[Rule]:
    """What can be said of a run by itself."""
    metrics: Metrics = run.json("metrics.json")
    verdict, gap = metrics["verdict"], metrics["gap"]
    wanted = " or ".join(rules["verdicts"])
    yield Rule("verdict", verdict in rules["verdicts"], f"{verdict}, expected {wanted}")
    if (most := rules["max_gap"]) is not None:
        is_small = gap is not None and gap <= most
        yield Rule("gap", is_small, f"{readable(gap, '+')}, expected at most {most:g}")
    if rules["verified"]:
        said = run.tags.get("truefit.verified", "")
        way = "" if said else f"not verified yet: `truefit verify {run.id}`"
        yield Rule("verified", _is_verified(run.tags), said or way)


def _is_verified(tags: Mapping[str, str]) -> bool:
    """Whether the run was repeated with the same result, by the verdict's name."""
    name = tags.get("truefit.verified.verdict")
    if name is None:  # an earlier version wrote the sentence alone, which begins with the name
        return tags.get("truefit.verified", "").startswith(VERIFIED)
    return name in VERIFIED


def _better(config: Config, run: Record, against: Record) -> Rule:
    """Whether the score on the same test rows is better by more than luck of the rows.

    Both models are scored on the same resamples of the rows, so that what is hard for both
    cancels out (Efron & Tibshirani 1993, ch. 16).
    """
    for who, record in (("the run", run), ("the champion", against)):
        if not is_of_rows_here(record):
            return Rule("better", False, _other_rows(who, record))
    found = pair(config, run, against)
    words = f"test {found.score} {readable(found.ours)}, the champion's {readable(found.theirs)}"
    return Rule("better", found.low > 0, f"{words}: {found.said}")


@dataclass(frozen=True)
class Pair:
    """One score of two models on the same test rows, and by how much the first is better."""

    score: str
    ours: float
    theirs: float
    better: float
    low: float
    high: float

    @property
    def said(self) -> str:
        """By how much, with its interval, and whether that may be luck."""
        better, least, most = (readable(one, "+") for one in (self.better, self.low, self.high))
        noise = ", which may be luck of the test rows" if self.low <= 0 <= self.high else ""
        return f"better by {better} [{least}, {most}]{noise}"


def is_of_rows_here(record: Record) -> bool:
    """Whether a run was measured on the test rows that data/prepared has.

    Raises:
        UserError: it has none.
    """
    if not (PREPARED / "dataset.json").exists():
        raise UserError(f"{PREPARED} is not here: `dvc pull` or `dvc repro preprocess` brings it")
    return record.tags.get("truefit.test") == test_rows(read_facts(PREPARED))


def pair(config: Config, run: Record, against: Record) -> Pair:
    """Score two models on the same resamples of the test rows here.

    Raises:
        UserError: they lack the score, it is not defined on these rows, or nobody says whether
            more of it is better.
    """
    facts = read_facts(PREPARED)
    set_environment(config["backend"], config["runtime"]["device"])
    (scoring, ours), (_, theirs) = (_scores(config, one, facts) for one in (run, against))
    name = config["promotion"]["score"] or run.json("metrics.json")["headline"]
    if name not in ours or name not in theirs:
        raise UserError(
            f"promotion.score: expected one of {', '.join(sorted({*ours} & {*theirs}))}, which "
            f"both models have, received {name!r}"
        )
    if np.isnan(ours[name][0]):
        raise UserError(
            f"promotion.score: {name} is not defined on these test rows, which lack a class: "
            "choose another, such as `dvc exp run -S '++set.promotion.score=loss'`"
        )
    sign = 1.0 if scoring.is_rising(name) else -1.0
    difference = sign * (ours[name] - theirs[name])
    tail = (1 - config["evaluation"]["confidence_level"]) / 2
    low, high = np.nanquantile(difference[1:], [tail, 1 - tail])
    numbers = (ours[name][0], theirs[name][0], difference[0], low, high)
    return Pair(name, *map(float, numbers))


def _other_rows(who: str, record: Record) -> str:
    return (
        f"{who} was measured on other test rows than data/prepared has: bring those back "
        f"(`git checkout {record.tags.get('git.commit', '')[:12]}` and `dvc checkout`), or promote "
        "with --no-compare"
    )


def _scores(config: Config, record: Record, facts: Facts) -> tuple[Scoring, dict[str, np.ndarray]]:
    """Its task's scoring, and a run's scores on the test rows and on resamples of them.

    Uses the recorded predictions; runs the model if they are missing or not enough.

    Raises:
        UserError: they are other scores than the run has on record.
    """
    trained: Config = record.config()  # as the version of truefit that trained it wrote it
    _require_known(config, trained, record.id)
    trained["packages"] = config["packages"]
    task = make_task(trained, facts)
    scoring = find_scoring(task.scoring)
    splits = {name: read_split(PREPARED, name) for name in SPLITS}
    case = _recorded(record, scoring, splits["test"], facts, task)
    scores = bootstrap(
        scoring, case or _again(trained, record, scoring, splits, facts, task),
        config["evaluation"], config["seed"],
    )  # fmt: skip
    metrics: Metrics = record.json("metrics.json")
    told, found = metrics["test"][metrics["headline"]], scores[metrics["headline"]][0]
    if told is not None and not abs(told - found) <= EQUAL * max(1.0, abs(told)):
        raise UserError(
            f"run {record.id}: its model has a test {metrics['headline']} of {found:.6f} here, and "
            f"{told:.6f} on record: `truefit verify {record.id}` shows where they part"
        )
    return scoring, scores


def _recorded(
    record: Record, scoring: Scoring, test: Split, facts: Facts, task: Task
) -> Case | None:
    file = record.folder / "predictions.npy"
    if not file.exists() or scoring.prepare:
        return None
    try:
        predicted = np.load(file, allow_pickle=False)
    except FAULTS as error:
        raise UserError(
            f"run {record.id}: its predictions.npy cannot be read without pickle: {error}"
        ) from None
    return Case("test", test.x, test.y, predicted, facts, task)


def _again(
    trained: Config,
    record: Record,
    scoring: Scoring,
    splits: dict[str, Split],
    facts: Facts,
    task: Task,
) -> Case:
    with contextlib.redirect_stdout(sys.stderr):  # a script reads the decision alone
        cases = predict_splits(
            trained, facts, task, scoring, splits, names=["test"], file=record.folder / MODEL
        )
    return cases["test"]


def _require_known(config: Config, trained: Config, run_id: str) -> None:
    """A tracker holds what anybody with access has written: it names no code for us to import.

    Raises:
        UserError: a `_target_` is not of its place's kind, or in no package of this project.
    """
    if refused := refused_targets(trained, config["packages"]):
        raise UserError(f"run {run_id}: {refused[0]}")
