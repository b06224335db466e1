"""Rules that choose one of a study's trials, and what the chosen one is worth on unseen rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from truefit.core.student import spread

FIELDS = ("slot", "repeat", "params", "value", "gap", "parameters")


@dataclass(frozen=True)
class Trained:
    """One training: what a search sees of it, and its loss on each validation and test row."""

    slot: int
    repeat: int  # 0 is the trial, 1 .. its further seeds
    params: dict[str, Any]
    value: float
    gap: float
    parameters: int
    validation: np.ndarray
    test: np.ndarray
    constant: float | None = None  # validation loss of the constant answer

    @property
    def unseen(self) -> float:
        """Its test loss."""
        return float(self.test.mean())


@dataclass(frozen=True)
class Cell:
    """A data set with one seed: two studies, finalists, and what stands beside them.

    `free` goes on for as many trials as the finalists have trainings.
    """

    name: str
    seed: int
    trials: int
    constant: float  # validation loss of the constant answer
    constant_test: float
    free: list[Trained]
    steered: list[Trained]
    finalists: list[Trained]
    plain: list[Trained]
    library: dict[str, float]
    folded: dict[int, float] = field(default_factory=dict)  # mean loss over folds of a slot

    def write(self, file: Path) -> None:
        """Keep it in an .npz file of plain arrays."""
        groups = {name: getattr(self, name) for name in ("free", "steered", "finalists", "plain")}
        facts = {n: getattr(self, n) for n in ("name", "seed", "trials", "constant")}
        facts |= {"constant_test": self.constant_test, "library": self.library}
        facts["folded"] = self.folded
        facts |= {n: [{f: getattr(t, f) for f in FIELDS} for t in g] for n, g in groups.items()}
        arrays = {
            f"{name}_{number}_{split}": getattr(one, split).astype(np.float32)
            for name, group in groups.items()
            for number, one in enumerate(group)
            for split in ("validation", "test")
        }
        building = file.with_suffix(".building.npz")
        np.savez(building, facts=np.array(json.dumps(facts)), **arrays)
        building.replace(file)

    @classmethod
    def read(cls, file: Path) -> Cell:
        """What `write` has kept."""
        with np.load(file, allow_pickle=False) as stored:
            facts = json.loads(str(stored["facts"]))
            for name in ("free", "steered", "finalists", "plain"):
                facts[name] = [
                    Trained(
                        **one,
                        validation=stored[f"{name}_{n}_validation"].astype(np.float64),
                        test=stored[f"{name}_{n}_test"].astype(np.float64),
                    )
                    for n, one in enumerate(facts[name])
                ]
        facts["folded"] = {int(slot): loss for slot, loss in facts.get("folded", {}).items()}
        return cls(**facts)


Rule = Callable[[Cell], Trained]
LEAST = 0.05  # share of the constant's loss that counts as the least gain: of noise there is none
SURELY = 1.96  # standard errors


def lowest(cell: Cell) -> Trained:
    """The trial of lowest validation loss."""
    return _first(_trials(cell))


def near(cell: Cell, margin: float) -> Trained:
    """The smallest gap among the trials within `margin` of the lowest loss."""
    trials = _trials(cell)
    limit = _first(trials).value + margin
    return min((t for t in trials if t.value <= limit), key=_by_gap)


def of_loss(share: float) -> Rule:
    """Within a share of the lowest loss."""
    return lambda cell: near(cell, share * abs(lowest(cell).value))


def of_gain(share: float) -> Rule:
    """Within a share of the gain over the constant answer."""
    return lambda cell: near(cell, share * max(0.0, cell.constant - lowest(cell).value))


def within_error(cell: Cell) -> Trained:
    """Within one standard error of the lowest, by paired losses of the validation rows."""
    trials, best = _trials(cell), lowest(cell)
    equal = [t for t in trials if t.value <= best.value + _error(t.validation, best.validation)]
    return min(equal, key=_by_gap)


def over_seeds(share: float, *, keep: str) -> Rule:
    """The best mean of the finalists, with a margin; `keep` says which of its trainings is kept."""

    def rule(cell: Cell) -> Trained:
        means = {slot: fmean(t.value for t in again) for slot, again in _finalists(cell).items()}
        gaps = {slot: fmean(t.gap for t in again) for slot, again in _finalists(cell).items()}
        best = min(means, key=lambda slot: (means[slot], slot))
        limit = means[best] + share * max(0.0, cell.constant - means[best])
        equal = [slot for slot in means if means[slot] <= limit]
        slot = min(equal, key=lambda s: (max(gaps[s], 0.0), s))
        again = _finalists(cell)[slot]
        if keep == "first":
            return again[0]
        return _first([*again, next(t for t in cell.free if t.slot == slot)])

    return rule


def more_trials(share: float) -> Rule:
    """As `of_gain`, with as many more trials as the finalists have trainings."""

    def rule(cell: Cell) -> Trained:
        best = _first(cell.free)
        limit = best.value + share * max(0.0, cell.constant - best.value)
        return min((t for t in cell.free if t.value <= limit), key=_by_gap)

    return rule


def steered(cell: Cell) -> Trained:
    """The lowest loss of the study that the soft constraint steers."""
    return _first(cell.steered)


def over_folds(cell: Cell) -> Trained:
    """The lowest mean loss over folds; its own training is kept."""
    return min(
        (t for t in _trials(cell) if t.slot in cell.folded),
        key=lambda t: (cell.folded[t.slot], t.slot),
    )


RULES: dict[str, Rule] = {
    "lowest loss": lowest,
    "within 3 % of the loss, smallest gap": of_loss(0.03),
    "within 0.5 % of the gain": of_gain(0.005),
    "within 1 % of the gain": of_gain(0.01),
    "within 2 % of the gain": of_gain(0.02),
    "within 3 % of the gain": of_gain(0.03),
    "within one paired standard error": within_error,
    "lowest loss, `max_gap` on": steered,
    "finalists' best mean, its first training": over_seeds(0, keep="first"),
    "finalists' best mean, its best training": over_seeds(0, keep="best"),
    "the same within 0.5 % of the gain": over_seeds(0.005, keep="best"),
    "the same within 1 % of the gain": over_seeds(0.01, keep="best"),
    "as many more trials, lowest loss": more_trials(0),
    "as many more trials, within 0.5 % of the gain": more_trials(0.005),
    "slot 0, untuned": lambda cell: min(cell.free, key=lambda t: t.slot),
}


BY_FOLDS: dict[str, Rule] = {
    **{name: RULES[name] for name in ("lowest loss", "within 1 % of the gain")},
    "lowest mean over 5 folds": over_folds,
}


def tables(cells: list[Cell]) -> str:
    """In Markdown: rules by what they cost, and the tuned network beside others."""
    against = "less that of the lowest loss"
    names = ["rule", "mean regret", against, "gap", "worse than slot 0", "worse than linear"]
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    rows = [_row(name, rule, cells) for name, rule in RULES.items()]
    if folded := [cell for cell in cells if cell.folded]:
        few = [_row(name, rule, folded) for name, rule in BY_FOLDS.items()]
        rows += ["", f"{len(folded)} of them, of tables, by folds:", "", *head, *few]
    sets = {cell.name for cell in cells}
    note = (
        f"{len(cells)} studies: {len(sets)} sets, {len(cells) // len(sets)} seeds. Regret: test "
        "loss less that of the study's best trial on the test rows; regret and gap in percent of "
        "the gain over the constant answer. The difference has its 95 % interval over the studies."
    )
    return "\n".join([note, "", *head, *rows, "", *_beside(cells)])


def _row(name: str, rule: Rule, cells: list[Cell]) -> str:
    regrets, more, gaps, worse, linear = [], [], [], [], []
    for cell in cells:
        chosen, first = rule(cell), cell.free[0]
        best = min(t.unseen for t in _trials(cell))
        gain = max(cell.constant_test - best, LEAST * cell.constant_test)
        regrets.append((chosen.unseen - best) / gain)
        more.append((chosen.unseen - lowest(cell).unseen) / gain)
        gaps.append(max(chosen.gap, 0.0) / gain)
        if first.slot == 0:
            excess = chosen.unseen - first.unseen
            worse.append(excess > SURELY * _error(chosen.test, first.test))
        if "linear" in cell.library:
            linear.append(chosen.unseen > cell.library["linear"])
    share = f"{fmean(linear):.0%}" if linear else ""
    return (
        f"| {name} | {100 * fmean(regrets):.2f} | {_interval(more)} | {100 * fmean(gaps):.2f} | "
        f"{fmean(worse):.1%} ({sum(worse)}) | {share} |"
    )


def _interval(differences: list[float]) -> str:
    """The mean with its 95 % interval (Student 1908), in percent."""
    if len(differences) < 2:
        return f"{100 * differences[0]:+.2f}"
    mean, _, half = spread(differences)
    return f"{100 * mean:+.2f} [{100 * (mean - half):+.2f}, {100 * (mean + half):+.2f}]"


def _beside(cells: list[Cell]) -> list[str]:
    """The tuned network beside what else a person would try, on tables: mean test losses."""
    lines = ["| table | tuned | untuned | plain Keras | linear | boosting |", "|---" * 6 + "|"]
    for name in dict.fromkeys(cell.name for cell in cells if cell.plain):
        mine = [cell for cell in cells if cell.name == name]
        losses = [
            [RULES["within 1 % of the gain"](cell).unseen for cell in mine],
            [cell.free[0].unseen for cell in mine],
            [cell.plain[0].unseen for cell in mine],
            [cell.library["linear"] for cell in mine],
            [cell.library["boosting"] for cell in mine],
        ]
        lines.append(f"| {name} | " + " | ".join(f"{fmean(one):.4f}" for one in losses) + " |")
    return lines


def _trials(cell: Cell) -> list[Trained]:
    return [t for t in cell.free if t.slot < cell.trials]


def _finalists(cell: Cell) -> dict[int, list[Trained]]:
    by_slot: dict[int, list[Trained]] = {}
    for one in sorted(cell.finalists, key=lambda t: (t.slot, t.repeat)):
        by_slot.setdefault(one.slot, []).append(one)
    return by_slot


def _first(among: list[Trained]) -> Trained:
    return min(among, key=lambda t: (t.value, t.repeat, t.slot))


def _by_gap(one: Trained) -> tuple[float, int, int]:
    return max(one.gap, 0.0), one.parameters, one.slot


def _error(one: np.ndarray, other: np.ndarray) -> float:
    """The standard error of the mean difference of paired losses."""
    return float((one - other).std(ddof=1) / len(one) ** 0.5)
